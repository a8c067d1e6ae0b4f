"""Rebuild the embedded store: a new file grows beside the old one and then takes its name.

    store.duckdb           the store
    store.duckdb.rebuild   the new store, until it is complete
    store.duckdb.old       the old store, until it is dropped

The old file is open for reading meanwhile, so no other process can write it. A damaged one is replaced too: what can be
read of it is carried over.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import polars as pl

from advertisex.errors import StoreBusy, StoreError, StoreMissing
from advertisex.files.durable import keep, real, replace
from advertisex.model import CAMPAIGN_COLUMNS, CATALOGUE_COLUMNS, Partition, Position
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.duckdb.carried import CARRIED, check_unchanged, sums_of
from advertisex.stores.duckdb.faults import explanation, store_fault
from advertisex.stores.duckdb.file import beside, check_not_lost, connect, disconnect, holds_nothing
from advertisex.stores.duckdb.frames import frame_of
from advertisex.stores.duckdb.schema import format_of
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.format import CAMPAIGNS_SINCE, FORMAT, RESOLUTIONS_SINCE
from advertisex.stores.replacement import CATALOGUE, LEDGER, MARKS, NOTES, Progress, Replacement

_MARKS = 100_000


class DuckdbReplacement(Replacement):
    """A store in a file, and the new file beside it.

    Args:
        path: the store's file.
        memory: memory limit of each of the two.
        clock: source of the new store's commit times.

    Raises:
        StoreMissing: the file does not exist.
        StoreBusy: another process is writing the store.
        StoreError: an old store is still kept, or a file cannot be opened although it is not damaged.
    """

    def __init__(self, path: Path, *, memory: str, clock: Clock = utc_now) -> None:
        path = real(path)
        self._path, self._memory, self._clock = path, memory, clock
        self._new_path, self._kept = beside(path, "rebuild"), beside(path, "old")
        _check_not_kept(path, self._kept)
        self._new: DuckdbStore | None = None
        with _explained(path):
            self._old: duckdb.DuckDBPyConnection | None = None
            try:
                self.format = self._open_old()
                self._content = {what: self._sums(queries) for what, queries in CARRIED.items()}
                self.unreadable = [what for what, sums in self._content.items() if sums is None]
            except BaseException:
                self._close_old()
                raise

    @property
    def new(self) -> DuckdbStore:
        if self._new is None:
            with _explained(self._path):
                self._new = self._opened()
        return self._new

    def progress(self) -> dict[Partition, Progress]:
        if self._old is None or LEDGER in self.unreadable:
            return {}
        names = {name for name, *_ in self._old.execute("DESCRIBE ledger").fetchall()}
        stored = "stored - removed" if "removed" in names else "stored"
        append_id = "append_id" if "append_id" in names else "NULL"
        query = f"SELECT topic, partition, next_offset, read, {stored}, log, {append_id} FROM ledger"
        rows = self._old.execute(query).fetchall()
        return {
            Partition(topic, number): Progress(end, read, stored, log or "", append_id or "")
            for topic, number, end, read, stored, log, append_id in rows
        }

    def notes(self) -> dict[str, dict[str, bytes]]:
        found: dict[str, dict[str, bytes]] = {}
        if self._old is None or NOTES in self.unreadable:
            return found
        for kind, key, document in self._old.execute("SELECT kind, key, document FROM notes").fetchall():
            found.setdefault(kind, {})[key] = document
        return found

    def replay_marks(self) -> Iterator[Mapping[Position, Position]]:
        for part in self._marks("replayed_to"):
            yield {position: Position.read(to) for position, to in part.items()}

    def resolution_marks(self) -> Iterator[Mapping[Position, str]]:
        if self.format >= RESOLUTIONS_SINCE:
            yield from self._marks("resolution")

    def _marks(self, column: str) -> Iterator[dict[Position, str]]:
        if self._old is None or MARKS in self.unreadable:
            return
        query = f'SELECT topic, partition, "offset", {column} FROM rejects WHERE {column} IS NOT NULL'
        with self._old.cursor() as connection:
            marks = connection.execute(query)
            while rows := marks.fetchmany(_MARKS):
                yield {Position(topic, number, offset): mark for topic, number, offset, mark in rows}

    def carry_catalogue(self) -> None:
        if self._old is None or CATALOGUE in self.unreadable or self.format == 1:  # that had no catalogue
            return
        imports = frame_of(self._old, "SELECT imported_at FROM catalogue_imports")
        creatives = frame_of(self._old, f"SELECT imported_at, {', '.join(CATALOGUE_COLUMNS)} FROM catalogue")
        if self.format >= CAMPAIGNS_SINCE:
            names = ", ".join(f'"{name}"' for name in CAMPAIGN_COLUMNS)
            campaigns = frame_of(self._old, f"SELECT imported_at, {names} FROM campaigns")
        else:
            campaigns = pl.DataFrame(schema={"imported_at": pl.Datetime("us"), **CAMPAIGN_COLUMNS})
        self.new.restore_catalogue(imports, creatives, campaigns)

    def start_over(self) -> None:
        self.new.close()
        with _explained(self._path):
            self._delete_new()
            self._new = self._opened()

    def freeze(self) -> None:
        """Do nothing: the file has been locked from the start."""

    def swap(self) -> str:
        self.new.mark_rebuilt()
        self.new.close()
        self._close_old()
        with _explained(self._path):
            old = self._locked_old()
            try:
                self._replace()
            finally:
                if old is not None:
                    old.close()
        self._new = DuckdbStore(self._path, memory=self._memory, clock=self._clock)
        return str(self._kept)

    def close(self) -> None:
        if self._new is not None:
            self._new.close()
        self._close_old()

    def _open_old(self) -> int:
        """Open the old store, unless it is damaged or holds nothing, and return its format."""
        if holds_nothing(self._path):
            return FORMAT
        try:
            self._old = connect(self._path, read_only=True, memory=self._memory)
            found = format_of(self._old)
        except duckdb.Error as error:
            self._go_on_after(error)
            return FORMAT
        if found is None:
            self._close_old()
            self._old = None
        return found or FORMAT

    def _sums(self, queries: Iterable[str]) -> list[object] | None:
        """The results of queries; None if what they read is damaged."""
        try:
            return None if self._old is None else sums_of(self._old, queries)
        except duckdb.Error as error:
            self._go_on_after(error)
            return None

    def _go_on_after(self, error: duckdb.Error) -> None:
        """Open the old store again: after some errors, nothing else of it can be read.

        Raises:
            duckdb.Error: the error does not mean that the store is damaged.
        """
        if not store_fault(error, self._path).is_damage:
            raise error
        if self._old is not None:
            self._close_old()
            self._old = connect(self._path, read_only=True, memory=self._memory)

    def _close_old(self) -> None:
        if self._old is not None:
            disconnect(self._old, self._path, read_only=True)

    def _locked_old(self) -> duckdb.DuckDBPyConnection | None:
        """The old store, locked and without a write-ahead log; if it is damaged, as far as that is possible."""
        old = None
        if holds_nothing(self._path):
            return None
        try:
            old = connect(self._path, read_only=False, memory=self._memory)
            check_unchanged(old, self._content, self._path)
            old.execute("CHECKPOINT")
        except (duckdb.Error, StoreError) as error:
            if isinstance(error, StoreError) or not store_fault(error, self._path).is_damage:
                if old is not None:
                    old.close()
                raise
        return old

    def _replace(self) -> None:
        keep(self._path, self._kept)
        with suppress(FileNotFoundError):  # that of a damaged store: it must not be beside the new file
            beside(self._path, "wal").rename(beside(self._kept, "wal"))
        replace(self._path, self._new_path)

    def _opened(self) -> DuckdbStore:
        """The new store; one that another version began, or that a crash left unreadable, is begun again."""
        try:
            return DuckdbStore(self._new_path, memory=self._memory, clock=self._clock)
        except StoreBusy:
            raise
        except StoreError:
            self._delete_new()
            return DuckdbStore(self._new_path, memory=self._memory, clock=self._clock)

    def _delete_new(self) -> None:
        for file in (self._new_path, beside(self._new_path, "wal")):
            file.unlink(missing_ok=True)


def kept_old(path: Path) -> list[str]:
    """The files of the old store that a rebuild kept, and of a new one that is not complete."""
    path = real(path)
    names = [beside(path, name) for name in ("old", "old.wal", "rebuild", "rebuild.wal")]
    return [str(file) for file in names if file.exists()]


def drop_old(path: Path) -> list[str]:
    """Delete the files of `kept_old`, and return their names."""
    kept = kept_old(path)
    with _explained(path):
        for name in kept:
            Path(name).unlink()
    return kept


def _check_not_kept(path: Path, kept: Path) -> None:
    """Check that no old store is in the way; one that is the store itself was left by a crash during the swap."""
    if not path.exists():
        check_not_lost(path)
        raise StoreMissing("nothing has been stored yet", where=str(path), hint="run `advertisex process`")
    if not kept.exists():
        return
    if not kept.samefile(path):
        raise StoreError(
            "the old store of an earlier rebuild is still kept",
            where=str(kept),
            hint="run `advertisex rebuild --drop-old` to delete it, then rebuild",
        )
    if beside(kept, "wal").exists() and not beside(path, "wal").exists():
        beside(kept, "wal").rename(beside(path, "wal"))
    kept.unlink()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise explanation("cannot rebuild the event store", error, path) from error

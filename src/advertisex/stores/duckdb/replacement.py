"""Rebuild the embedded store: a new file grows beside the old one and then takes its name.

    store.duckdb           the store
    store.duckdb.rebuild   the new store, until it is complete
    store.duckdb.old       the old store, until it is dropped

The old file is open for reading meanwhile, so no other process can write it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from advertisex.errors import StoreBusy, StoreError, StoreMissing
from advertisex.model import CATALOGUE_COLUMNS, Partition, Position
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.duckdb.erasure import replace, target
from advertisex.stores.duckdb.schema import format_of
from advertisex.stores.duckdb.store import CONFIG, DuckdbStore, explanation
from advertisex.stores.replacement import Progress, Replacement

_MARKS = 100_000


class DuckdbReplacement(Replacement):
    """A store in a file, and the new file beside it.

    Args:
        path: the store's file.
        memory: memory limit of each of the two.
        clock: source of the new store's commit times.

    Raises:
        StoreMissing: the file does not exist, or has no tables.
        StoreBusy: another process is writing the store.
        StoreError: an old store is still kept, or a file cannot be opened.
    """

    new: DuckdbStore

    def __init__(self, path: Path, *, memory: str, clock: Clock = utc_now) -> None:
        path = target(path)
        self._path, self._memory, self._clock = path, memory, clock
        self._new_path, self._kept = _beside(path, "rebuild"), _beside(path, "old")
        _check_not_kept(path, self._kept)
        with _explained(path):
            self._old = duckdb.connect(str(path), read_only=True, config=CONFIG | {"memory_limit": memory})
            try:
                self._old.execute("SET GLOBAL TimeZone = 'UTC'")
                self.format = self._format()
                self.new = self._opened()
            except BaseException:
                self._old.close()
                raise

    def progress(self) -> dict[Partition, Progress]:
        names = {name for name, *_ in self._old.execute("DESCRIBE ledger").fetchall()}
        stored = "stored - removed" if "removed" in names else "stored"
        query = f"SELECT topic, partition, next_offset, read, {stored}, log FROM ledger"
        rows = self._old.execute(query).fetchall()
        return {
            Partition(topic, number): Progress(end, read, stored, log or "")
            for topic, number, end, read, stored, log in rows
        }

    def notes(self) -> dict[str, dict[str, bytes]]:
        found: dict[str, dict[str, bytes]] = {}
        for kind, key, document in self._old.execute("SELECT kind, key, document FROM notes").fetchall():
            found.setdefault(kind, {})[key] = document
        return found

    def replay_marks(self) -> Iterator[Mapping[Position, Position]]:
        query = 'SELECT topic, partition, "offset", replayed_to FROM rejects WHERE replayed_to IS NOT NULL'
        with self._old.cursor() as connection:
            marks = connection.execute(query)
            while rows := marks.fetchmany(_MARKS):
                yield {Position(topic, number, offset): Position.read(to) for topic, number, offset, to in rows}

    def carry_catalogue(self) -> None:
        if self.format == 1:  # it had no catalogue
            return
        rows = self._old.sql(f"SELECT imported_at, {', '.join(CATALOGUE_COLUMNS)} FROM catalogue").pl()
        imports = self._old.sql("SELECT imported_at FROM catalogue_imports").pl()
        self.new.restore_catalogue(imports, rows)

    def start_over(self) -> None:
        self.new.close()
        self._delete_new()
        self.new = self._opened()

    def freeze(self) -> None:
        """Do nothing: the file has been locked from the start."""

    def swap(self) -> str:
        self.new.mark_rebuilt()
        self.new.close()
        self._old.close()
        # the old file stays locked meanwhile; its write-ahead log must not be left beside the new file
        with _explained(self._path), duckdb.connect(str(self._path), config=CONFIG) as old:
            old.execute("CHECKPOINT")
            os.link(self._path, self._kept)
            replace(self._path, self._new_path)
        self.new = DuckdbStore(self._path, memory=self._memory, clock=self._clock)
        return str(self._kept)

    def close(self) -> None:
        self.new.close()
        self._old.close()

    def _format(self) -> int:
        found = format_of(self._old)
        if found is None:
            raise StoreMissing("nothing has been stored yet", where=str(self._path), hint="run `advertisex process`")
        return found

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
        for file in (self._new_path, _beside(self._new_path, "wal")):
            file.unlink(missing_ok=True)


def kept_old(path: Path) -> list[str]:
    """The files of the old store that a rebuild kept, and of a new one that is not complete."""
    path = target(path)
    names = [_beside(path, "old"), _beside(path, "rebuild"), _beside(path, "rebuild.wal")]
    return [str(file) for file in names if file.exists()]


def drop_old(path: Path) -> list[str]:
    """Delete the files of `kept_old`, and return their names."""
    kept = kept_old(path)
    with _explained(path):
        for name in kept:
            Path(name).unlink()
    return kept


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def _check_not_kept(path: Path, kept: Path) -> None:
    """Check that no old store is in the way; one that is the store itself was left by a crash during the swap."""
    if not path.exists():
        raise StoreMissing("nothing has been stored yet", where=str(path), hint="run `advertisex process`")
    if not kept.exists():
        return
    if not kept.samefile(path):
        raise StoreError(
            "the old store of an earlier rebuild is still kept",
            where=str(kept),
            hint="run `advertisex rebuild --drop-old` to delete it, then rebuild",
        )
    kept.unlink()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise explanation("cannot rebuild the event store", error, path) from error

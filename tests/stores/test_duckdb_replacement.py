"""A damaged store is rebuilt with everything of it that can be read, and never silently without its erasures."""

import random
from pathlib import Path
from typing import Any

import duckdb
import pytest

from advertisex.errors import StoreError
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Position
from advertisex.privacy.erasure import erase
from advertisex.processing.policy import Policy
from advertisex.processing.runner import Processing, process_log
from advertisex.rebuild import rebuild_store
from advertisex.stores.contract import ERASURES, RejectQuery
from advertisex.stores.duckdb import replacement as duckdb_replacement
from advertisex.stores.duckdb.file import connect
from advertisex.stores.duckdb.replacement import DuckdbReplacement
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.format import CAMPAIGNS_SINCE, RESOLUTIONS_SINCE
from advertisex.stores.replacement import CATALOGUE, LEDGER, NOTES
from tests.catalogues import catalogue_rows

_HEADERS, _BLOCK = 12_288, 262_144
PROCESSING = Processing(FEEDS, Policy())
NOTE = {"a": random.Random(1).randbytes(3 * _BLOCK)}
IDS = [f"{random.Random(number).getrandbits(128):x}" for number in range(30_000)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log and a store, whose notes and catalogue take blocks of their own."""
    folder = tmp_path_factory.mktemp("place")
    with SqliteLog(folder / "log.db") as log, DuckdbStore(folder / "store.duckdb") as store:
        log.append(FEEDS["clicks"].topic, [b"{"])
        process_log(log, store, PROCESSING)
        store.take_note("alerts", NOTE)
        erase("gone", log, store)
        store.import_catalogue(catalogue_rows({"creative_id": IDS, "campaign_id": IDS}))
    return folder


@pytest.fixture(scope="module")
def found(place: Path, tmp_path_factory: pytest.TempPathFactory) -> list[frozenset[str]]:
    """What cannot be read of a store, when each of its blocks is damaged in turn."""
    path = tmp_path_factory.mktemp("damaged") / "store.duckdb"
    content = (place / "store.duckdb").read_bytes()
    unreadable = []
    for start in range(_HEADERS, len(content), _BLOCK):
        altered = bytearray(content)
        altered[start + 5_000] ^= 1
        path.write_bytes(altered)
        with DuckdbReplacement(path, memory="1GB") as replacement:
            unreadable.append(frozenset(replacement.unreadable))
            assert replacement.notes() == ({} if NOTES in replacement.unreadable else contents_of_notes(place))
            assert bool(replacement.progress()) == (LEDGER not in replacement.unreadable)
            replacement.carry_catalogue()
            assert bool(replacement.new.catalogue_imports()) == (CATALOGUE not in replacement.unreadable)
        path.with_name("store.duckdb.rebuild").unlink()
    return unreadable


def test_a_store_from_before_campaigns_keeps_its_creatives(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with DuckdbStore(path) as store:
        imported_at = store.import_catalogue(catalogue_rows({"creative_id": ["c"], "campaign_id": ["k"]}))
    with duckdb.connect(str(path)) as db:
        db.execute("DROP TABLE campaigns")
        db.execute("UPDATE store SET format = ?", (CAMPAIGNS_SINCE - 1,))

    with DuckdbReplacement(path, memory="1GB") as replacement:
        assert replacement.unreadable == []
        replacement.carry_catalogue()
        replacement.swap()

    with DuckdbStore(path, read_only=True) as store:
        assert store.catalogue_imports() == [imported_at]
        assert store.catalogue()["creative_id"].to_list() == ["c"]
        assert store.campaigns().is_empty()


def contents_of_notes(place: Path) -> dict[str, Any]:
    with DuckdbReplacement(place / "store.duckdb", memory="1GB") as replacement:
        assert replacement.unreadable == []
        return replacement.notes()


def test_what_can_be_read_of_a_damaged_store_is_carried_over(found: list[frozenset[str]]) -> None:
    assert frozenset({NOTES}) in found
    assert frozenset({CATALOGUE}) in found


@pytest.mark.parametrize("damage", [NOTES, CATALOGUE, "everything"])
def test_a_rebuild_without_erasures_needs_consent(
    place: Path, found: list[frozenset[str]], tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "store.duckdb"
    content = bytearray((place / "store.duckdb").read_bytes())
    if damage == "everything":
        content[_HEADERS + 8 :] = bytes(len(content) - _HEADERS - 8)
    else:
        number = found.index(frozenset({damage}))
        content[_HEADERS + number * _BLOCK + 5_000] ^= 1
    path.write_bytes(content)

    with SqliteLog(place / "log.db") as log, DuckdbReplacement(path, memory="1GB") as replacement:
        if damage != CATALOGUE:
            with pytest.raises(StoreError, match=r"notes about erased users.*cannot be read"):
                rebuild_store(replacement, log, PROCESSING)
        assert path.read_bytes() == content
        rebuilt = rebuild_store(replacement, log, PROCESSING, without_erasures=damage != CATALOGUE)

    with DuckdbStore(path, read_only=True) as store:
        assert bool(store.notes(ERASURES)) == (damage == CATALOGUE)
        assert store.notes("alerts") == (NOTE if damage == CATALOGUE else {})
        assert [row.counts.read for row in store.ledger()] == [1]
    assert rebuilt.kept == f"{path}.old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["store.duckdb", "store.duckdb.old"]


def test_what_another_process_writes_at_the_last_moment_is_not_lost(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes((place / "store.duckdb").read_bytes())

    def write_before(file: Path, *, read_only: bool, memory: str) -> Any:
        if file == path and not read_only:
            monkeypatch.undo()
            with DuckdbStore(path) as other:
                other.take_note("alerts", {"late": b"{}"})
        return connect(file, read_only=read_only, memory=memory)

    with SqliteLog(place / "log.db") as log, DuckdbReplacement(path, memory="1GB") as replacement:
        monkeypatch.setattr(duckdb_replacement, "connect", write_before)
        with pytest.raises(StoreError, match="the notes changed during the rebuild"):
            rebuild_store(replacement, log, PROCESSING)

    with DuckdbStore(path, read_only=True) as store:
        assert store.notes("alerts") == NOTE | {"late": b"{}"}


def test_a_store_of_the_format_before_resolutions_keeps_its_replay_marks(tmp_path: Path) -> None:
    path, topic = tmp_path / "store.duckdb", FEEDS["clicks"].topic
    marks = {Position(topic, 0, 0): Position(topic, 0, 7)}
    with SqliteLog(tmp_path / "log.db") as log:
        log.append(topic, [b"{"])
        with DuckdbStore(path) as store:
            process_log(log, store, PROCESSING)
            store.mark_replayed(marks)
        with duckdb.connect(str(path)) as db:
            db.execute("ALTER TABLE rejects DROP COLUMN resolution")
            db.execute("UPDATE store SET format = ?", (RESOLUTIONS_SINCE - 1,))

        with DuckdbReplacement(path, memory="1GB") as replacement:
            assert (replacement.unreadable, list(replacement.resolution_marks())) == ([], [])
            assert rebuild_store(replacement, log, PROCESSING).kept

    with DuckdbStore(path, read_only=True) as store:
        (row,) = store.rejects(RejectQuery()).iter_rows(named=True)
        assert (row["replayed_to"], row["resolution"]) == (f"{topic}/0/7", None)

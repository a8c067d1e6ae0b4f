"""The deep check of a store: events that were changed or stored twice, and a history that does not add up."""

from pathlib import Path

import duckdb
import pytest

from advertisex.feeds import FEEDS
from advertisex.processing import store_check
from advertisex.processing.runner import Processing, process_log
from advertisex.processing.store_check import check_store
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.testing import memory_log
from advertisex.testing.contracts.store_fixtures import message_of

EVENTS = 20


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "store.duckdb"
    with memory_log() as log, DuckdbStore(path) as store:
        for feed in FEEDS.values():
            log.append(feed.topic, [message_of(feed.name, {"user_id": f"u{n}"}) for n in range(EVENTS)] + [b"{"])
        process_log(log, store, Processing())
    return path


def checked(path: Path, *, identities: bool = True) -> tuple[dict[str, str], int]:
    """The details of the findings that are not good, and the number of rows that were read."""
    rows: list[int] = []
    with DuckdbStore(path, read_only=True) as store:
        findings = check_store(store, FEEDS, rows.append, identities=identities)
    assert [one.what for one in findings] == ["store's events", "store's history"]
    return {one.what: one.detail for one in findings if not one.good}, sum(rows)


@pytest.mark.parametrize("at_once", [5_000_000, 3])
def test_a_store_as_it_was_written_is_good(filled: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(store_check, "_EVENTS", at_once)
    assert checked(filled) == ({}, 3 * (EVENTS + 1))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "UPDATE clicks SET campaign_id = 'other' WHERE user_id = 'u3'",
            {"store's events": "clicks: 1 do not have the id of their content"},
        ),
        (
            "UPDATE impressions SET user_slice = user_slice + 1",
            {"store's events": f"impressions: {EVENTS} do not have the id of their content"},
        ),
        (
            "INSERT INTO bids SELECT * FROM bids WHERE user_id IN ('u3', 'u4')",
            {"store's events": "bids: 2 are stored twice"},
        ),
        (
            "UPDATE commits SET stored = stored - 1 WHERE feed = 'clicks'",
            {"store's history": "its sums are not the ledger's counts: clicks_conversions/0"},
        ),
        (
            "DELETE FROM commits WHERE feed = 'clicks'",
            {"store's history": "its sums are not the ledger's counts: clicks_conversions/0"},
        ),
    ],
)
def test_what_something_else_changed_is_found(
    filled: Path, tmp_path: Path, statement: str, found: dict[str, str]
) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(filled.read_bytes())
    db = duckdb.connect(str(path))
    db.execute(statement)
    db.close()
    assert checked(path)[0] == found


def test_with_other_identities_ids_are_not_computed_again(filled: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(filled.read_bytes())
    db = duckdb.connect(str(path))
    db.execute("UPDATE clicks SET campaign_id = 'other'")
    db.close()
    assert checked(path, identities=False)[0] == {}

"""Counting what the events of a run name and the catalogue, or ISO 4217, does not know."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from advertisex.catalogue import unknown
from advertisex.catalogue.unknown import Unknown, UnknownIds
from advertisex.feeds import FEEDS
from advertisex.processing.pipeline import process
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore
from tests.catalogues import catalogue_rows
from tests.processing.messages import batch_of, message


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with DuckdbStore(tmp_path / "store.duckdb") as opened:
        yield opened


def counted(ids: UnknownIds, feed: str, *changes: dict[str, Any]) -> list[Unknown]:
    payloads = [message(feed, user_id=f"u{number}", **change) for number, change in enumerate(changes)]
    outcome = process(batch_of(FEEDS[feed], payloads), FEEDS[feed])
    assert outcome.events.height == len(changes)
    ids.add(outcome)
    return [one for one in ids.found if one.feed == feed]


def imported(store: EventStore, **columns: list[Any]) -> UnknownIds:
    store.import_catalogue(catalogue_rows(columns))
    return UnknownIds(store, FEEDS)


def test_creatives_of_impressions_and_bids(store: EventStore) -> None:
    ids = imported(store, creative_id=["c1"], campaign_id=["k1"])

    three = [{"creative_id": "c1"}, {"creative_id": "c2"}, {"creative_id": "c2"}, {"creative_id": "c3"}]
    assert counted(ids, "impressions", *three) == [Unknown("impressions", "creative", {"c2", "c3"}, 3)]
    assert counted(ids, "impressions", {"creative_id": "c2"}) == [Unknown("impressions", "creative", {"c2", "c3"}, 4)]
    assert counted(ids, "bids", {"creative_id": "c9"}, {"creative_id": ...}) == [Unknown("bids", "creative", {"c9"}, 1)]
    assert ids.has_catalogue
    assert ids.needs_catalogue


def test_the_time_of_the_event_decides(store: EventStore) -> None:
    since = [datetime(2026, 1, 5, 11)]
    ids = imported(store, creative_id=["c1"], campaign_id=["k1"], valid_from=since)

    found = counted(ids, "impressions", {"timestamp": "2026-01-05T10:59:59Z"}, {"timestamp": "2026-01-05T11:00:00Z"})

    assert found == [Unknown("impressions", "creative", {"c1"}, 1)]


def test_campaigns_of_clicks(store: EventStore) -> None:
    ids = imported(store, creative_id=["c1"], campaign_id=["k1"])

    found = counted(ids, "clicks", {"campaign_id": "k1"}, {"campaign_id": "k2"})

    assert found == [Unknown("clicks", "campaign", {"k2"}, 1)]
    assert not ids.needs_catalogue


def test_currencies(store: EventStore) -> None:
    ids = imported(store, creative_id=["c1"], campaign_id=["k1"])

    found = counted(ids, "clicks", {"currency": "eur"}, {"currency": "Euro"}, {"currency": "Euro"}, {"currency": ...})

    assert found == [Unknown("clicks", "currency", {"Euro"}, 2)]


def test_without_a_catalogue_only_currencies_are_counted(store: EventStore) -> None:
    ids = UnknownIds(store, FEEDS)

    assert counted(ids, "impressions", {"currency": "XYZ1"}) == [Unknown("impressions", "currency", {"XYZ1"}, 1)]
    assert counted(ids, "clicks", {}) == []
    assert (ids.has_catalogue, ids.needs_catalogue) == (False, True)


def test_a_later_import_counts_from_then_on(store: EventStore) -> None:
    ids = imported(store, creative_id=["c1"], campaign_id=["k1"])
    counted(ids, "impressions", {"creative_id": "c2"})
    store.import_catalogue(catalogue_rows({"creative_id": ["c2"], "campaign_id": ["k1"]}))

    ids.refresh()

    assert counted(ids, "impressions", {"creative_id": "c2"}) == [Unknown("impressions", "creative", {"c2"}, 1)]


def test_the_number_of_ids_that_are_remembered_is_bounded(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "MOST_IDS", 2)
    ids = imported(store, creative_id=["c1"], campaign_id=["k1"])

    (found,) = counted(ids, "impressions", {"creative_id": "c2"}, {"creative_id": "c3"})
    assert not found.at_least
    (found,) = counted(ids, "impressions", {"creative_id": "c4"}, {"creative_id": "c3"})

    assert (found.ids, found.events, found.at_least) == ({"c2", "c3"}, 4, True)

"""Events that the catalogue does not know."""

from datetime import datetime

import polars as pl

from advertisex.analysis.scope import Scope
from advertisex.analysis.unknown import unknown_facts, unknown_ids, unknown_notes
from tests.analysis.conftest import Stored
from tests.catalogues import catalogue_rows

CATALOGUE = catalogue_rows(
    {"creative_id": ["c1", "c2"], "campaign_id": ["k1", "k2"], "valid_from": [None, datetime(2026, 1, 6)]}
)


def test_creatives_without_a_campaign_and_campaigns_without_a_creative_are_counted(stored: Stored) -> None:
    store = stored(
        catalogue=CATALOGUE,
        impressions=[
            {"creative_id": "c1"},
            {"creative_id": "c2"},
            {"creative_id": "c2", "timestamp": "2026-01-06T00:00:00Z"},
            *({"creative_id": "c9", "user_id": f"u{n}"} for n in range(3)),
        ],
        clicks=[{"campaign_id": "k2"}, {"campaign_id": "k7"}],
        bids=[{"creative_id": "c9"}, {}],
    )

    found = unknown_ids(store, Scope())

    assert found.rows() == [
        ("creative", "impressions", "c9", 3),
        ("creative", "impressions", "c2", 1),
        ("creative", "bids", "c9", 1),
        ("campaign", "clicks", "k7", 1),
    ]
    assert unknown_facts(found) == {
        "unknown_creatives": {"ids": 2, "events": 5},
        "unknown_campaigns": {"ids": 1, "events": 1},
    }
    assert unknown_notes(store, found, None) == [
        "2 creatives unknown to the catalogue, in 5 events (c9, c2); run `advertisex catalogue import FILE`.",
        "1 campaign unknown to the catalogue, in 1 event (k7); run `advertisex catalogue import FILE`.",
    ]


def test_without_a_catalogue_only_events_that_need_one_are_unknown(stored: Stored) -> None:
    store = stored(impressions=[{}], clicks=[{}])
    found = unknown_ids(store, Scope())

    assert found["kind"].to_list() == ["creative"]
    assert unknown_notes(store, found, None) == [
        "No catalogue has been imported, so impressions and bids have no campaign; "
        "run `advertisex catalogue import FILE`."
    ]
    store.import_catalogue(CATALOGUE)
    assert len(unknown_notes(store, found, datetime(2026, 1, 1))) == 1, "no catalogue as of then"


def test_nothing_is_said_if_everything_is_known(stored: Stored) -> None:
    store = stored(catalogue=CATALOGUE, impressions=[{}], clicks=[{}], bids=[{}, {"creative_id": "c1"}])
    found = unknown_ids(store, Scope())

    assert found.equals(pl.DataFrame(schema=found.schema))
    assert not unknown_facts(found)
    assert not unknown_notes(store, found, None)

"""Groups of events have the values of their time, also before any time that a range names."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from advertisex.analysis.groups import group_frames
from advertisex.analysis.scope import Scope
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.testing.contracts.store_fixtures import outcome_of
from tests.catalogues import catalogue_rows

MOVED = catalogue_rows(
    {
        "creative_id": ["c1", "c1"],
        "campaign_id": ["old", "new"],
        "advertiser_id": ["a", "a"],
        "valid_from": [None, datetime(1999, 6, 1)],
    }
)


@pytest.mark.parametrize("until", [None, datetime(1999, 2, 1), datetime(1999, 12, 1), datetime(2100, 1, 1)])
def test_an_event_of_long_ago_has_the_campaign_of_its_time(until: datetime | None) -> None:
    outcome = outcome_of("impressions", {"creative_id": "c1"})
    then = outcome.events.with_columns(event_time=pl.lit(datetime(1999, 1, 5), pl.Datetime("us")))
    with DuckdbStore(Path(":memory:")) as store:
        store.import_catalogue(MOVED)
        store.commit(replace(outcome, events=then))
        frames = group_frames(store, "impressions", Scope(until=until), pl.col("campaign_id"), edges=[])
        rows = pl.concat(frames).select("campaign_id", "_events").rows()
    assert rows == [("old", 1)]

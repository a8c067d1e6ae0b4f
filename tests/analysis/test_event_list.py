"""The events behind a number are those that other questions count, and the first ones are listed whole."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.event_list import COUNTED, list_events
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import AnalysisError
from tests.analysis.conftest import Stored
from tests.analysis.small_worlds import MOVING, Rows, dataset
from tests.analysis.test_performance import CLICKED, PLACED, SHOWN
from tests.budget import examples

SCOPES = [Scope(), Scope(campaign="k1"), Scope(until=datetime(2026, 1, 5, 10, 20)), Scope(where={"campaign_id": "k2"})]


@settings(max_examples=examples(40))
@given(
    st.lists(SHOWN, max_size=8),
    st.lists(CLICKED, min_size=1, max_size=8),
    st.lists(PLACED, max_size=8),
    st.sampled_from(SCOPES),
    st.integers(0, 6),
)
def test_they_are_counted_as_summary_counts_them(
    impressions: Rows, clicks: Rows, bids: Rows, scope: Scope, limit: int
) -> None:
    with dataset(MOVING, impressions=impressions, clicks=clicks, bids=bids) as data:
        store = data.store
        try:
            counts = summarise(store, scope).facts["counts"]
        except AnalysisError:
            counts = dict.fromkeys(COUNTED, 0)
        for of, (_, counted) in COUNTED.items():
            if not counts[of]:
                with pytest.raises(AnalysisError, match=f"no {of} found"):
                    list_events(store, scope, of=of)
                continue
            found = list_events(store, scope, of=of, limit=limit)
            whole = list_events(store, scope, of=of, limit=1_000).table("rows")

            assert found.facts == {"events": whole.height, "count": counts[of]}
            assert found.table("rows").rows() == whole.head(limit).rows()
            assert whole["event_time"].is_sorted()
            assert whole["message"].is_unique().all()
            if counted is not None:
                assert (whole[counted] > 0).all()
                assert whole[counted].sum() == counts[of]


def test_each_event_is_listed_with_its_fields_and_the_position_of_its_message(stored: Stored) -> None:
    store = stored(impressions=[{"user_id": "u1"}, {"user_id": "u2", "timestamp": "2026-01-05T09:00:00Z"}])
    rows = list_events(store).table("rows")

    assert rows.select("message", "user_id", "event_time").rows() == [
        ("ad_impressions/0/1", "u2", datetime(2026, 1, 5, 9)),
        ("ad_impressions/0/0", "u1", datetime(2026, 1, 5, 10)),
    ]
    assert {"campaign_id", "advertiser_id", "website", "ingested_at", "processed_at"} < set(rows.columns)

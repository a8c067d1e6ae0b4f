"""Which bid an impression selects: against plain loops over crowded auctions, and by hand."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.auctions import bids_with_wins
from advertisex.analysis.scope import Scope
from advertisex.feeds import FEEDS
from advertisex.model import EVENT_COLUMNS, Batch, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore, Range
from advertisex.stores.duckdb.store import DuckdbStore
from tests.analysis.auctions_oracle import winners
from tests.budget import examples

Stored = Callable[..., EventStore]
Row = dict[str, Any]

SHOWN = datetime(2026, 1, 5, 10)
INGESTED = 1_790_000_000_000_000  # 2026-09-21
DAY = 86_400_000_000

#: µs from the impression: ties, neighbours, and both ends of the window.
_NEAR = st.sampled_from([0, 0, 1, 1, 2, 1_000_000, DAY - 1, DAY, DAY + 1]).flatmap(
    lambda apart: st.sampled_from([apart, -apart])
)
_TIMES = _NEAR.map(lambda apart: (SHOWN + timedelta(microseconds=apart)).isoformat() + "Z")
_AUCTIONS = st.sampled_from(["x", "x", "x", "y", None])
_BIDS = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["u1", "u2", "u3"]),
        "timestamp": _TIMES,
        "auction_id": _AUCTIONS,
        "creative_id": st.sampled_from(["c1", "c2", None]),
        "amount": st.sampled_from([1, 2, 3]),
    }
)
_IMPRESSIONS = st.fixed_dictionaries(
    {
        "user_id": st.just("u"),
        "timestamp": _TIMES,
        "website": st.just("one.example"),
        "auction_id": _AUCTIONS,
        "creative_id": st.sampled_from(["c1", "c2", "c3"]),
    }
)


def commit(store: EventStore, feed: str, messages: Sequence[Row]) -> list[Row]:
    """Store the messages, and return the events."""
    payloads = [json.dumps(message).encode() for message in messages]
    end = len(payloads)
    batch = Batch(Span(FEEDS[feed].topic, 0, 0, end), range(end), payloads, [INGESTED] * end)
    store.commit(process(batch, FEEDS[feed], Policy()))
    names = [*EVENT_COLUMNS, *FEEDS[feed].columns]
    return [row for frame in store.scan(feed, names, Range()) for row in frame.iter_rows(named=True)]


@settings(max_examples=examples(60))
@given(st.lists(_BIDS, min_size=1, max_size=12), st.lists(_IMPRESSIONS, min_size=1, max_size=6))
def test_winners_match_a_loop(bids: list[Row], impressions: list[Row]) -> None:
    with DuckdbStore(Path(":memory:")) as store:
        expected = winners(commit(store, "bids", bids), commit(store, "impressions", impressions))
        found = bids_with_wins(store, Scope()).filter("won")

    assert {number.to_bytes(16, "big") for number in found["event_id"]} == expected


def test_the_latest_bid_before_the_impression_wins_not_one_after_it(stored: Stored) -> None:
    assert _served(stored, [("before", -2, "c1"), ("last before", -1, "c1"), ("after", 1, "c1")]) == "last before"


def test_a_bid_at_the_time_of_the_impression_wins(stored: Stored) -> None:
    assert _served(stored, [("before", -1, "c1"), ("same time", 0, "c1"), ("after", 1, "c1")]) == "same time"


def test_without_a_bid_before_the_impression_the_nearest_after_it_wins(stored: Stored) -> None:
    assert _served(stored, [("later", 3, "c1"), ("after", 2, "c1")]) == "after"


def test_a_bid_with_the_creative_after_the_impression_wins_over_any_other_before(stored: Stored) -> None:
    assert _served(stored, [("other", -1, "c2"), ("no creative", 0, None), ("after", 2, "c1")]) == "after"


def test_without_a_bid_with_the_creative_the_same_order_holds(stored: Stored) -> None:
    assert _served(stored, [("other", -1, "c2"), ("no creative", 1, None)]) == "other"


@pytest.mark.parametrize("apart", [-1, 0, 1])
def test_of_bids_at_the_same_time_the_largest_event_id_wins(stored: Stored, apart: int) -> None:
    names = [f"u{n}" for n in range(9)]
    store = _auction(stored, [(name, apart, "c1") for name in names])
    found = bids_with_wins(store, Scope(), pl.col("user_id"))

    assert found.filter("won")["event_id"].to_list() == [found["event_id"].max()]


def _auction(stored: Stored, placed: Sequence[tuple[str, int, str | None]]) -> EventStore:
    """An impression of creative c1, and bids: user, seconds from the impression, creative."""
    return stored(
        impressions=[{"timestamp": SHOWN.isoformat() + "Z", "creative_id": "c1", "auction_id": "x"}],
        bids=[
            {
                "user_id": user,
                "timestamp": (SHOWN + timedelta(seconds=apart)).isoformat() + "Z",
                "creative_id": creative,
                "auction_id": "x",
            }
            for user, apart, creative in placed
        ],
    )


def _served(stored: Stored, placed: Sequence[tuple[str, int, str | None]]) -> str:
    """The user of the bid that won."""
    found = bids_with_wins(_auction(stored, placed), Scope(), pl.col("user_id")).filter("won")
    (user,) = found["user_id"]
    return str(user)

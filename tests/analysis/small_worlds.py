"""Small random data sets for the oracles: few users, campaigns and times, so that ties and gaps are common."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import strategies as st

from advertisex.analysis.scope import Scope
from advertisex.feeds import FEEDS
from advertisex.model import Batch, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore, Range
from advertisex.stores.duckdb.store import DuckdbStore
from tests.catalogues import catalogue_rows

START = datetime(2026, 1, 1)
_ALWAYS = datetime(1, 1, 1)
INGESTED = 1_790_000_000_000_000  # 2026-09-21

#: c4 has no campaign.
CATALOGUE = catalogue_rows(
    {"creative_id": ["c1", "c2", "c3"], "campaign_id": ["k1", "k1", "k2"], "advertiser_id": ["a"] * 3}
)
#: c2 moves to another campaign and advertiser.
MOVING = catalogue_rows(
    {
        "creative_id": ["c1", "c2", "c2", "c3"],
        "campaign_id": ["k1", "k1", "k2", "k2"],
        "advertiser_id": ["a", "a", "b", "b"],
        "valid_from": [None, None, START + timedelta(days=3), None],
    }
)

_user = st.sampled_from(["u1", "u2", "u3"])
_creative = st.sampled_from(["c1", "c2", "c3", "c4"])
_website = st.sampled_from(["https://www.one.example.com/a", "https://one.example.com/b", "two.example.org"])
_auction = st.sampled_from([None, "x1", "x2", "x3", "x4"])
_currency = st.sampled_from([None, "EUR", "USD"])
_amount = st.sampled_from([None, 0, 0.1, 0.2, 1.5, 2.000001, 1e12, "0.0000004", "999999999999.999999999999"])
_app = st.sampled_from([None, "app-1", "app-2"])
#: Full hours, and times at the limits of the windows of 1 and 30 days.
TIMES = st.one_of(
    st.integers(0, 40).map(lambda hours: START + timedelta(hours=6 * hours)),
    st.sampled_from([0, 1, 29, 30]).flatmap(
        lambda days: st.integers(-1, 1).map(lambda micros: START + timedelta(days=days + 3, microseconds=micros))
    ),
)
_time = TIMES.map(lambda time: time.replace(tzinfo=UTC).isoformat())

IMPRESSIONS = st.fixed_dictionaries(
    {
        "user_id": _user,
        "timestamp": _time,
        "website": _website,
        "creative_id": _creative,
        "auction_id": _auction,
        "app": _app,
    }
)
CLICKS = st.fixed_dictionaries(
    {
        "user_id": _user,
        "timestamp": _time,
        "campaign_id": st.sampled_from(["k1", "k2", "k3"]),
        "clicks": st.sampled_from([0, 1, 1, 3, 10**9]),
        "conversions": st.sampled_from([0, 0, 1, 2]),
        "value": _amount,
        "currency": _currency,
        "app": _app,
    }
)
REFUNDS = st.fixed_dictionaries(
    {
        "user_id": _user,
        "timestamp": _time,
        "campaign_id": st.sampled_from(["k1", "k2", "k3"]),
        "conversion_type": st.just("refund"),
        "value": st.sampled_from([0, -0.1, -7, "-0.000000000001", "-999999999999.99"]),
        "currency": st.sampled_from([None, "EUR", "CHF"]),
    }
)
BIDS = st.fixed_dictionaries(
    {
        "user_id": _user,
        "timestamp": _time,
        "creative_id": st.none() | _creative,
        "auction_id": _auction,
        "amount": _amount,
        "currency": _currency,
        "website": st.none() | _website,
        "app": _app,
    }
)
Rows = list[dict[str, Any]]


def scopes(bounds: st.SearchStrategy[datetime | None]) -> st.SearchStrategy[Scope]:
    """Scopes between two of these bounds, of a campaign or of all, in a time zone."""
    ranges = st.tuples(bounds, bounds).filter(lambda both: None in both or both[0] < both[1])
    campaigns, zones = st.sampled_from([None, None, "k1"]), st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"])
    return st.builds(lambda both, campaign, zone: Scope(*both, campaign, zone=zone), ranges, campaigns, zones)


def expected_period(time: datetime, name: str, zone: str) -> datetime | date:
    """The hour, day, week or month that contains a time (naive UTC), computed with the standard library."""
    local = time.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    if name == "hour":
        return time - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    day = local.date()
    return {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[name]


@dataclass(frozen=True)
class Dataset:
    """A store and its events as plain rows."""

    store: EventStore
    impressions: Rows
    clicks: Rows
    bids: Rows


@contextmanager
def dataset(
    catalogue: pl.DataFrame = CATALOGUE, campaigns: pl.DataFrame | None = None, **feeds: Rows
) -> Iterator[Dataset]:
    """An in-memory store with these events; the rows are read back, so they contain no duplicates.

    Impressions and bids have the campaign and the advertiser of their creative.
    """
    with DuckdbStore(Path(":memory:")) as store:
        store.import_catalogue(catalogue, campaigns)
        for name, events in feeds.items():
            payloads = [json.dumps(event).encode() for event in events]
            end = len(payloads)
            batch = Batch(Span(FEEDS[name].topic, 0, 0, end), range(end), payloads, [INGESTED] * end)
            outcome = process(batch, FEEDS[name], Policy())
            assert not outcome.rejects.height, outcome.rejects.rows()
            store.commit(outcome)
        yield Dataset(store, **{name: _stored(store, name, catalogue.rows(named=True)) for name in FEEDS})


def _stored(store: EventStore, feed: str, catalogue: Rows) -> Rows:
    columns = ["event_id", *FEEDS[feed].columns]
    rows = [row for frame in store.scan(feed, columns, Range()) for row in frame.iter_rows(named=True)]
    return [row if feed == "clicks" else row | owners(row, catalogue) for row in rows]


def owners(row: dict[str, Any], catalogue: Rows) -> dict[str, Any]:
    """The campaign and the advertiser of an event's creative at its time: the oracle of the join."""
    valid = [
        (entry["valid_from"] or _ALWAYS, entry["campaign_id"], entry["advertiser_id"])
        for entry in catalogue
        if entry["creative_id"] == row["creative_id"] and (entry["valid_from"] or _ALWAYS) <= row["event_time"]
    ]
    _, campaign, advertiser = max(valid, default=(None, None, None))
    return {"campaign_id": campaign, "advertiser_id": advertiser}

"""Summary: how much is stored, of whom, and from when to when."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

DEFINITION = "summary/1"


@dataclass(frozen=True, slots=True)
class Summary:
    """The answer.

    Attributes:
        scope: what was asked about.
        counts: impressions and bids (rows), clicks and conversions (sums of those counts).
        users: distinct users over all feeds, exact.
        campaigns: distinct campaigns over all feeds, exact.
        value: sum of the conversions' value by currency ("" where none is given), correctly rounded.
        events: rows that this was computed from.
        first_event: earliest event time, UTC.
        last_event: latest event time, UTC.
    """

    scope: Scope
    counts: dict[str, int]
    users: int
    campaigns: int
    value: dict[str, float]
    events: int
    first_event: datetime
    last_event: datetime

    def to_dict(self) -> dict[str, Any]:
        """The answer as one JSON document."""
        return {
            "definition": DEFINITION,
            "range": self.scope.to_dict(),
            "counts": self.counts,
            "users": self.users,
            "campaigns": self.campaigns,
            "value": self.value,
            "events": self.events,
            "first_event": self.first_event.isoformat() + "Z",
            "last_event": self.last_event.isoformat() + "Z",
        }


def summarise(store: EventStore, scope: Scope) -> Summary:
    """Count what is stored within the scope.

    Raises:
        AnalysisError: nothing is.
    """
    rows: dict[str, int] = dict.fromkeys(FEEDS, 0)
    sums = {"clicks": 0, "conversions": 0}
    users, campaigns = _Distinct("user_id"), _Distinct("campaign_id")
    values: dict[str, list[float]] = {}
    times: list[datetime] = []
    for feed, frame in _frames(store, scope):
        rows[feed] += frame.height
        users.add(frame)
        campaigns.add(frame)
        times += [t for t in (frame["event_time"].min(), frame["event_time"].max()) if isinstance(t, datetime)]
        if feed == "clicks":
            for name in sums:
                sums[name] += int(frame[name].sum())
            for currency, value in frame.select(pl.col("currency").fill_null(""), "value").drop_nulls().iter_rows():
                values.setdefault(currency, []).append(value)
    if not times:
        raise AnalysisError(
            "no event is stored there", where=scope.text(), mend="widen the range, or process some first"
        )
    return Summary(
        scope=scope,
        counts={"impressions": rows["impressions"], **sums, "bids": rows["bids"]},
        users=users.count,
        campaigns=campaigns.count,
        value={currency: math.fsum(amounts) for currency, amounts in sorted(values.items())},
        events=sum(rows.values()),
        first_event=min(times),
        last_event=max(times),
    )


def _frames(store: EventStore, scope: Scope) -> Any:
    for feed in FEEDS:
        extra = ["clicks", "conversions", "value", "currency"] if feed == "clicks" else []
        for frame in store.scan(feed, ["user_id", "campaign_id", "event_time", *extra], scope.within):
            kept = frame if scope.campaign is None else frame.filter(pl.col("campaign_id") == scope.campaign)
            if kept.height:
                yield feed, kept


class _Distinct:
    """The distinct values of a column, over frames."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._seen = pl.Series(column, [], dtype=pl.String)

    def add(self, frame: pl.DataFrame) -> None:
        self._seen = pl.concat([self._seen, frame[self._column].drop_nulls().unique()]).unique()

    @property
    def count(self) -> int:
        return len(self._seen)

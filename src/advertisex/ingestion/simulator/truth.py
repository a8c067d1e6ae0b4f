"""What a simulation put in, exactly: the answer that the pipeline must find."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from advertisex.ingestion.simulator.kinds import DUPLICATE, FEED_NAMES, GOOD, KINDS, FaultPlan, FeedName
from advertisex.ingestion.simulator.rows import Rows


@dataclass(frozen=True, slots=True)
class FeedTruth:
    """One feed's messages; `rejected` and `filtered` name every reason that applies, even at 0."""

    read: int
    stored: int
    duplicate: int
    rejected: dict[str, int]
    filtered: dict[str, int]


@dataclass(frozen=True, slots=True)
class AnalysisTruth:
    """What the stored events say.

    Attributes:
        counts: impressions, clicks (their sum), conversions (their sum) and bids.
        users: distinct users over all feeds.
        first_event: the earliest event time, RFC 3339 with microseconds; None where nothing was stored.
        last_event: the latest.
        clicks_feed_users: distinct users of the clicks feed.
        clicks_per_conversion: of the sums; None without conversions.
    """

    counts: dict[str, int]
    users: int
    first_event: str | None
    last_event: str | None
    clicks_feed_users: int
    clicks_per_conversion: float | None


@dataclass(frozen=True, slots=True)
class Truth:
    """What was put in: feed by feed, and as an analysis of it must come out."""

    seed: int
    feeds: dict[str, FeedTruth]
    analysis: AnalysisTruth

    @property
    def messages(self) -> int:
        """Messages over all feeds."""
        return sum(feed.read for feed in self.feeds.values())

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """As a JSON document of several lines."""
        return json.dumps(self.to_dict(), indent=2) + "\n"


class Tally:
    """The truth while it is being made.

    Args:
        seed: of the simulation.
        plans: for each feed, what can go wrong.
        users: how many users the market has.
    """

    def __init__(self, seed: int, plans: dict[FeedName, FaultPlan], users: int) -> None:
        self._seed = seed
        self._plans = plans
        self._kinds = {name: np.zeros(len(KINDS), np.int64) for name in FEED_NAMES}
        self._seen = np.zeros(users, bool)
        self._seen_in_clicks = np.zeros(users, bool)
        self._clicks = 0
        self._first: int | None = None
        self._last: int | None = None

    @property
    def messages(self) -> int:
        """Messages so far, over all feeds."""
        return sum(int(kinds.sum()) for kinds in self._kinds.values())

    def add(self, feed: FeedName, rows: Rows) -> None:
        """Count the messages that these rows became."""
        self._kinds[feed] += np.bincount(rows["kind"], minlength=len(KINDS))
        good = rows[rows["kind"] == GOOD]
        if not len(good):
            return
        self._seen[good["user"]] = True
        if feed == "clicks":
            self._seen_in_clicks[good["user"]] = True
            self._clicks += int((good["action"] == 0).sum())
        first, last = int(good["time"].min()), int(good["time"].max())
        self._first = first if self._first is None else min(first, self._first)
        self._last = last if self._last is None else max(last, self._last)

    def truth(self) -> Truth:
        """What is known so far."""
        feeds: dict[str, FeedTruth] = {name: self._feed(name) for name in FEED_NAMES}
        conversions = feeds["clicks"].stored - self._clicks
        analysis = AnalysisTruth(
            counts={
                "impressions": feeds["impressions"].stored,
                "clicks": self._clicks,
                "conversions": conversions,
                "bids": feeds["bids"].stored,
            },
            users=int(self._seen.sum()),
            first_event=_text(self._first),
            last_event=_text(self._last),
            clicks_feed_users=int(self._seen_in_clicks.sum()),
            clicks_per_conversion=self._clicks / conversions if conversions else None,
        )
        return Truth(self._seed, feeds, analysis)

    def _feed(self, name: FeedName) -> FeedTruth:
        counts = dict(zip(KINDS, self._kinds[name].tolist(), strict=True))
        plan = self._plans[name]
        return FeedTruth(
            read=sum(counts.values()),
            stored=counts[KINDS[GOOD]],
            duplicate=counts[KINDS[DUPLICATE]],
            rejected={reason: counts[reason] for reason in plan.rejected},
            filtered={reason: counts[reason] for reason in plan.filtered},
        )


def _text(micros: int | None) -> str | None:
    if micros is None:
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

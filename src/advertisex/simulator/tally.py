"""Counts what a simulation generates, and derives the truth from it."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from advertisex.simulator.kinds import CONFLICT, DUPLICATE, FEED_NAMES, GOOD, KINDS, FaultPlan, FeedName
from advertisex.simulator.market import CAMPAIGNS, COUNTRIES, CURRENCIES, REFUND_ACTION, Market, campaign_id
from advertisex.simulator.rows import Rows
from advertisex.simulator.truth import AnalysisTruth, FeedTruth, Truth

_STEPS = ("impressions", "clicks", "conversions", "bids")
#: The sides of an auction, as bits.
_BID, _IMPRESSION = 1, 2
_BOTH = _BID | _IMPRESSION


class Tally:
    """Accumulates the truth while messages are generated.

    Args:
        seed: seed of the simulation.
        plans: the possible faults of each feed.
        market: market of the simulation.
    """

    def __init__(self, seed: int, plans: dict[FeedName, FaultPlan], market: Market) -> None:
        self._seed = seed
        self._plans = plans
        self._kinds = {name: np.zeros(len(KINDS), np.int64) for name in FEED_NAMES}
        self._steps = {name: _Step(market) for name in _STEPS}
        self._refunds = _Step(market)
        self._value = _Money(market, places=2)
        self._gross_value = _Money(market, places=2)
        self._auctions = Auctions()
        self._auctions_won = 0
        self._spend = _Money(market, places=4)
        self._first: int | None = None
        self._last: int | None = None

    @property
    def messages(self) -> int:
        """The number of messages so far, over all feeds."""
        return sum(int(kinds.sum()) for kinds in self._kinds.values())

    @property
    def open_auctions(self) -> int:
        """The number of auctions that may still get messages."""
        return len(self._auctions)

    def add(self, feed: FeedName, rows: Rows) -> None:
        """Count the messages of these rows."""
        self._kinds[feed] += np.bincount(rows["kind"], minlength=len(KINDS))
        good = rows[rows["kind"] == GOOD]
        if not len(good):
            return
        if feed == "clicks":
            refunds = good["action"] == REFUND_ACTION
            converted = (good["action"] > 0) & ~refunds
            self._steps["clicks"].add(good[good["action"] == 0])
            self._steps["conversions"].add(good[converted])
            self._refunds.add(good[refunds])
            self._value.add(good[converted | refunds])
            self._gross_value.add(good[converted])
        else:
            self._steps[feed].add(good)
            won = self._auctions.bids(good) if feed == "bids" else self._auctions.impressions(good)
            self._auctions_won += len(won)
            self._spend.add(won)
        first, last = int(good["time"].min()), int(good["time"].max())
        self._first = first if self._first is None else min(first, self._first)
        self._last = last if self._last is None else max(last, self._last)

    def forget_auctions(self, before: int) -> None:
        """Forget the auctions that no impression can match any more."""
        self._auctions.forget(before)

    def truth(self) -> Truth:
        """The truth so far."""
        steps = self._steps
        clicks, conversions = steps["clicks"], steps["conversions"]
        in_clicks_feed = clicks.users | conversions.users | self._refunds.users
        campaigns = sum((step.campaigns for step in steps.values()), self._refunds.campaigns)
        analysis = AnalysisTruth(
            counts={name: step.count for name, step in steps.items()},
            users=int(np.any([in_clicks_feed, *(step.users for step in steps.values())], axis=0).sum()),
            first_event=_rfc3339(self._first),
            last_event=_rfc3339(self._last),
            clicks_feed_users=int(in_clicks_feed.sum()),
            clicks_per_conversion=clicks.count / conversions.count if conversions.count else None,
            users_of={name: int(step.users.sum()) for name, step in steps.items()},
            value=self._value.by_currency(),
            gross_value=self._gross_value.by_currency(),
            auctions_won=self._auctions_won,
            bid_value_won=self._spend.by_currency(),
            by_campaign={
                campaign_id(campaign): {name: int(step.campaigns[campaign]) for name, step in steps.items()}
                for campaign in np.flatnonzero(campaigns).tolist()
            },
        )
        return Truth(self._seed, {name: self._feed(name) for name in FEED_NAMES}, analysis)

    def _feed(self, name: FeedName) -> FeedTruth:
        counts = dict(zip(KINDS, self._kinds[name].tolist(), strict=True))
        plan = self._plans[name]
        return FeedTruth(
            read=sum(counts.values()),
            stored=counts[KINDS[GOOD]],
            duplicate=counts[KINDS[DUPLICATE]] + counts[KINDS[CONFLICT]],
            conflict=counts[KINDS[CONFLICT]],
            rejected={reason: counts[reason] for reason in plan.rejected},
            filtered={reason: counts[reason] for reason in plan.filtered},
        )


class _Step:
    """The stored events of one funnel step: counts by campaign, and the set of users."""

    def __init__(self, market: Market) -> None:
        self._campaign = market.creative_campaign
        self.users = np.zeros(market.users, bool)
        self.campaigns = np.zeros(CAMPAIGNS, np.int64)

    @property
    def count(self) -> int:
        return int(self.campaigns.sum())

    def add(self, rows: Rows) -> None:
        self.users[rows["user"]] = True
        self.campaigns += np.bincount(self._campaign[rows["creative"]], minlength=CAMPAIGNS)


class _Money:
    """Exact sums of amounts, in integer units, by the currency of the user's country."""

    def __init__(self, market: Market, places: int) -> None:
        self._country = market.country
        self._unit = 10**places
        self._sums = np.zeros(len(COUNTRIES), np.int64)

    def add(self, rows: Rows) -> None:
        units = np.rint(rows["amount"] * self._unit).astype(np.int64)
        np.add.at(self._sums, self._country[rows["user"]], units)

    def by_currency(self) -> dict[str, float]:
        sums: Counter[str] = Counter()
        for currency, units in zip(CURRENCIES, self._sums.tolist(), strict=True):
            sums[currency] += units
        return {currency: sums[currency] / self._unit for currency in sorted(sums) if sums[currency]}


class Auctions:
    """Which sides (bid, impression) of each auction are stored so far.

    The two arrive in any order, up to hours apart. An auction is kept only while its messages may still arrive, so
    that memory stays bounded on endless traffic.
    """

    def __init__(self) -> None:
        self._first = 0
        self._sides: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def __len__(self) -> int:
        """The number of auctions tracked."""
        return len(self._sides)

    def bids(self, rows: Rows) -> Rows:
        """Add stored bids, at most one per auction; return those whose impression is stored."""
        return self._add(_BID, rows)

    def impressions(self, rows: Rows) -> Rows:
        """Add stored impressions, at most one per auction; return those whose bid is stored."""
        return self._add(_IMPRESSION, rows)

    def forget(self, before: int) -> None:
        """Drop the auctions with a serial below `before`, whose messages have all arrived."""
        self._sides = self._sides[max(0, before - self._first) :].copy()
        self._first = max(self._first, before)

    def _add(self, side: int, rows: Rows) -> Rows:
        if not len(rows):
            return rows
        indices = rows["serial"] - self._first
        missing = int(indices.max()) + 1 - len(self._sides)
        if missing > 0:
            self._sides = np.concatenate([self._sides, np.zeros(missing, np.uint8)])
        self._sides[indices] |= side
        both: Rows = rows[self._sides[indices] == _BOTH]
        return both


def _rfc3339(micros: int | None) -> str | None:
    if micros is None:
        return None
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

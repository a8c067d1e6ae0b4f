"""Generates good events: sessions bid, bids win impressions, which are clicked; clicks convert, purchases are refunded.

Time advances in windows. A follow-up event is buffered until the window of its own time, and within a window the
times of each kind are made strictly ascending. So no two events of a kind share a microsecond: identities are unique
by construction, without any history, and the truth is exact.
"""

import numpy as np
from numpy.typing import NDArray

from advertisex.simulator.kinds import FeedName
from advertisex.simulator.market import ACTION_VALUES, PAGES, PURCHASE, REFUND_ACTION, Market
from advertisex.simulator.rows import ROW, Integers, PendingRows, Rows, strictly_after

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_MAX_DELAY = 5 * 24 * 60 * _MINUTE
_BIDS_PER_SESSION = 9
_SECONDS_BETWEEN_BIDS = 40
#: Exponent of the users' power law: the most active 1 % of the users have a fifth of the sessions.
_USER_TAIL = 2.8
#: One in so many purchases is refunded.
_PURCHASES_PER_REFUND = 12


class Traffic:
    """The good events of one simulation, window by window.

    Args:
        market: the entities to draw from.
        random: random number generator.
        bids_per_second: the bid rate in event time; it determines the number of concurrent sessions.
    """

    def __init__(self, market: Market, random: np.random.Generator, bids_per_second: float) -> None:
        self._market = market
        self._random = random
        self._serial = 0
        self._last = dict.fromkeys(("bids", "impressions", "clicks", "conversions", "refunds"), 0)
        self._won = PendingRows("time")
        self._clicked = PendingRows("time")
        self._converted = PendingRows("time")
        self._refunded = PendingRows("time")
        self._campaigns = np.cumsum(market.campaign_share)
        self._sites = np.cumsum(market.site_share)
        self._actions = np.cumsum(market.action_share)
        concurrent = max(1, round(bids_per_second * _SECONDS_BETWEEN_BIDS))
        self._session_user = self._draw_users(concurrent)
        self._session_site = self._draw(self._sites, concurrent)

    def window(self, times: Integers, until: int) -> dict[FeedName, Rows]:
        """The events of the next window: for each feed, in order of event time.

        Args:
            times: times of the bids, ascending, not before the end of the previous window.
            until: end of this window.
        """
        bids = self._bid(times)
        self._won.add(self._win(bids))
        impressions = self._with_unique_times("impressions", self._won.take(until))
        self._clicked.add(self._click(impressions))
        clicks = self._with_unique_times("clicks", self._clicked.take(until))
        self._converted.add(self._convert(clicks))
        conversions = self._with_unique_times("conversions", self._converted.take(until))
        self._refunded.add(_refund(conversions))
        refunds = self._with_unique_times("refunds", self._refunded.take(until))
        rows = np.concatenate([clicks, conversions, refunds])
        rows = rows[np.argsort(rows["time"], kind="stable")]
        return {"impressions": impressions, "clicks": rows, "bids": bids}

    @property
    def oldest_auction(self) -> int:
        """The lowest serial of an auction that may still get a bid or an impression."""
        return self._won.lowest("serial", self._serial)

    def _bid(self, times: Integers) -> Rows:
        count = len(times)
        rows = np.zeros(count, ROW)
        rows["time"] = times
        rows["serial"] = self._serial + np.arange(count)
        self._serial += count
        campaign = self._draw(self._campaigns, count)
        creatives = self._market.creatives_of[campaign]
        rows["creative"] = self._market.first_creative[campaign] + self._random.integers(0, creatives)
        rows["amount"] = np.round(self._random.lognormal(0.2, 0.7, count), 4)
        rows["user"], site = self._sessions(count)
        # most page views are of a site's first pages
        page = np.minimum(self._random.geometric(0.4, count) - 1, PAGES - 1)
        rows["website"] = site * PAGES + page
        return self._with_unique_times("bids", rows)

    def _sessions(self, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """User and site of each bid: a bid belongs to a running session or starts a new one in its slot."""
        concurrent = len(self._session_user)
        slot = self._random.integers(0, concurrent, count)
        order = np.argsort(slot, kind="stable")
        slot = slot[order]
        is_new = self._random.random(count) < 1 / _BIDS_PER_SESSION
        # number the sessions: the running ones first, then the new ones in slot order
        new = int(is_new.sum())
        users = np.concatenate([self._session_user, self._draw_users(new)])
        sites = np.concatenate([self._session_site, self._draw(self._sites, new)])
        started = np.where(is_new, concurrent - 1 + np.cumsum(is_new), 0)
        first_here = np.searchsorted(slot, slot, side="left")
        latest = np.maximum.accumulate(np.where(is_new, np.arange(count), -1))
        session = np.where(latest >= first_here, started[latest], slot)
        self._session_user[slot] = users[session]  # the last bid of a slot wins: it has the newest session
        self._session_site[slot] = sites[session]
        of_bid = np.empty(count, np.int64)
        of_bid[order] = session
        return users[of_bid], sites[of_bid]

    def _win(self, bids: Rows) -> Rows:
        """The impressions won by bids, once the page has loaded."""
        won: Rows = bids[self._random.random(len(bids)) < self._market.win_rate[self._campaign(bids)]]
        won["time"] += self._random.integers(_SECOND // 20, _SECOND, len(won))
        return won

    def _click(self, impressions: Rows) -> Rows:
        """The clicks on impressions, seconds to minutes later."""
        chance = self._market.click_rate[self._campaign(impressions)]
        chance = chance * self._market.engagement[impressions["user"]]
        clicked: Rows = impressions[self._random.random(len(impressions)) < chance]
        delay = _SECOND + self._random.exponential(12 * _SECOND, len(clicked))
        clicked["time"] += np.minimum(delay, 10 * _MINUTE).astype(np.int64)
        return clicked

    def _convert(self, clicks: Rows) -> Rows:
        """The conversions of clicks, one minute to five days later."""
        chance = self._market.conversion_rate[self._campaign(clicks)]
        engagement = self._market.engagement[clicks["user"]]
        converted: Rows = clicks[self._random.random(len(clicks)) < np.minimum(chance * np.sqrt(engagement), 0.9)]
        count = len(converted)
        delay = self._random.lognormal(np.log(45 * _MINUTE), 1.8, count)
        converted["time"] += np.clip(delay, _MINUTE, _MAX_DELAY).astype(np.int64)
        action = self._draw(self._actions, count)
        converted["action"] = action
        values = np.array(ACTION_VALUES)[action] * self._random.lognormal(0, 0.5, count)
        converted["amount"] = np.round(values, 2)
        return converted

    def _with_unique_times(self, kind: str, rows: Rows) -> Rows:
        """The same rows in the same order, with event times unique among all events of `kind`."""
        if len(rows):
            rows["time"] = strictly_after(rows["time"], self._last[kind])
            self._last[kind] = int(rows["time"][-1])
        return rows

    def _campaign(self, rows: Rows) -> NDArray[np.int32]:
        campaigns: NDArray[np.int32] = self._market.creative_campaign[rows["creative"]]
        return campaigns

    def _draw(self, cumulative: NDArray[np.float64], count: int) -> NDArray[np.int32]:
        # rounding may leave the last cumulative sum below 1
        indices = np.searchsorted(cumulative, self._random.random(count), side="right")
        return np.minimum(indices, len(cumulative) - 1).astype(np.int32)

    def _draw_users(self, count: int) -> NDArray[np.int32]:
        return (self._random.random(count) ** _USER_TAIL * self._market.users).astype(np.int32)


def _refund(conversions: Rows) -> Rows:
    """The refunds of purchases, an hour to three days later: the whole value, in the same currency."""
    purchases = conversions[conversions["action"] == PURCHASE]
    # the number of the auction decides, so that refunds leave all other traffic of a seed as it is
    noise = (purchases["serial"].astype(np.uint64) * np.uint64(0x9E37_79B9_7F4A_7C15)) >> np.uint64(32)
    refunded = noise % np.uint64(_PURCHASES_PER_REFUND) == 0
    rows: Rows = purchases[refunded]
    noise = noise[refunded]
    rows["time"] += 60 * _MINUTE + (noise.astype(np.int64) % (71 * 60)) * _MINUTE
    rows["action"] = REFUND_ACTION
    rows["amount"] *= -1
    return rows

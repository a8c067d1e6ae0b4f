"""Sessions bid, bids win, impressions are clicked, clicks convert: good events, each at its own time.

Time moves in windows. What an event leads to waits until the window that its own time falls into, and within
a window the times of a kind are made strictly rising. So no two bids, no two impressions, no two clicks and
no two conversions ever share a microsecond, over any number of events and with nothing to remember:
identities are unique by construction, and the truth is exact.
"""

import numpy as np
from numpy.typing import NDArray

from advertisex.ingestion.simulator.kinds import FeedName
from advertisex.ingestion.simulator.market import ACTION_WORTH, PAGES, Market
from advertisex.ingestion.simulator.rows import ROW, Integers, Rows, Waiting, strictly_after

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_LONGEST_DELAY = 5 * 24 * 60 * _MINUTE
_BIDS_PER_SESSION = 9
_SECONDS_BETWEEN_BIDS = 40
#: The exponent of the users' power law: the most active hundredth of the users has a fifth of the sessions.
_USER_TAIL = 2.8


class Traffic:
    """The good events of one simulation, window by window.

    Args:
        market: the world.
        random: where chance comes from.
        bids_per_second: by which the number of sessions at a time is chosen.
    """

    def __init__(self, market: Market, random: np.random.Generator, bids_per_second: float) -> None:
        self._market = market
        self._random = random
        self._serial = 0
        self._last = dict.fromkeys(("bids", "impressions", "clicks", "conversions"), 0)
        self._won = Waiting("time")
        self._clicked = Waiting("time")
        self._converted = Waiting("time")
        self._campaigns = np.cumsum(market.campaign_share)
        self._sites = np.cumsum(market.site_share)
        self._actions = np.cumsum(market.action_share)
        at_a_time = max(1, round(bids_per_second * _SECONDS_BETWEEN_BIDS))
        self._session_user = self._draw_users(at_a_time)
        self._session_site = self._draw(self._sites, at_a_time)

    def window(self, times: Integers, until: int) -> dict[FeedName, Rows]:
        """The events of a window, feed by feed, in the order of their times.

        Args:
            times: when bids are made, rising, not before the end of the previous window.
            until: the end of this window.
        """
        bids = self._bid(times)
        self._won.add(self._win(bids))
        impressions = self._settled("impressions", self._won.take(until))
        self._clicked.add(self._click(impressions))
        clicks = self._settled("clicks", self._clicked.take(until))
        self._converted.add(self._convert(clicks))
        conversions = self._settled("conversions", self._converted.take(until))
        both = np.concatenate([clicks, conversions])
        both = both[np.argsort(both["time"], kind="stable")]
        return {"impressions": impressions, "clicks": both, "bids": bids}

    @property
    def oldest_auction(self) -> int:
        """The lowest serial of an auction that a bid or an impression may still come of."""
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
        # people mostly see a site's front pages
        page = np.minimum(self._random.geometric(0.4, count) - 1, PAGES - 1)
        rows["website"] = site * PAGES + page
        return self._settled("bids", rows)

    def _sessions(self, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """User and site of each bid: it falls on a session under way, and may be the first of a new one."""
        at_a_time = len(self._session_user)
        place = self._random.integers(0, at_a_time, count)
        order = np.argsort(place, kind="stable")
        place = place[order]
        begins = self._random.random(count) < 1 / _BIDS_PER_SESSION
        # number the sessions: those under way come first, then the new ones in the order of their places
        new = int(begins.sum())
        users = np.concatenate([self._session_user, self._draw_users(new)])
        sites = np.concatenate([self._session_site, self._draw(self._sites, new)])
        started = np.where(begins, at_a_time - 1 + np.cumsum(begins), 0)
        first_here = np.searchsorted(place, place, side="left")
        latest = np.maximum.accumulate(np.where(begins, np.arange(count), -1))
        session = np.where(latest >= first_here, started[latest], place)
        self._session_user[place] = users[session]  # the last bid of a place wins: it carries the newest session
        self._session_site[place] = sites[session]
        of_bid = np.empty(count, np.int64)
        of_bid[order] = session
        return users[of_bid], sites[of_bid]

    def _win(self, bids: Rows) -> Rows:
        """The impressions that bids lead to, when the page has loaded."""
        won: Rows = bids[self._random.random(len(bids)) < self._market.win_rate[self._campaign(bids)]]
        won["time"] += self._random.integers(_SECOND // 20, _SECOND, len(won))
        return won

    def _click(self, impressions: Rows) -> Rows:
        """The clicks that impressions lead to, after seconds to minutes."""
        chance = self._market.click_rate[self._campaign(impressions)]
        chance = chance * self._market.eagerness[impressions["user"]]
        clicked: Rows = impressions[self._random.random(len(impressions)) < chance]
        delay = _SECOND + self._random.exponential(12 * _SECOND, len(clicked))
        clicked["time"] += np.minimum(delay, 10 * _MINUTE).astype(np.int64)
        return clicked

    def _convert(self, clicks: Rows) -> Rows:
        """The conversions that clicks lead to, after a minute to five days."""
        chance = self._market.conversion_rate[self._campaign(clicks)]
        eager = self._market.eagerness[clicks["user"]]
        converted: Rows = clicks[self._random.random(len(clicks)) < np.minimum(chance * np.sqrt(eager), 0.9)]
        count = len(converted)
        delay = self._random.lognormal(np.log(45 * _MINUTE), 1.8, count)
        converted["time"] += np.clip(delay, _MINUTE, _LONGEST_DELAY).astype(np.int64)
        action = self._draw(self._actions, count)
        converted["action"] = action
        worth = np.array(ACTION_WORTH)[action] * self._random.lognormal(0, 0.5, count)
        converted["amount"] = np.round(worth, 2)
        return converted

    def _settled(self, what: str, rows: Rows) -> Rows:
        """The same rows, in the same order, each at a microsecond that no other `what` has."""
        if len(rows):
            rows["time"] = strictly_after(rows["time"], self._last[what])
            self._last[what] = int(rows["time"][-1])
        return rows

    def _campaign(self, rows: Rows) -> NDArray[np.int32]:
        campaigns: NDArray[np.int32] = self._market.creative_campaign[rows["creative"]]
        return campaigns

    def _draw(self, cumulated: NDArray[np.float64], count: int) -> NDArray[np.int32]:
        # the last sum may fall short of 1 by rounding
        places = np.searchsorted(cumulated, self._random.random(count), side="right")
        return np.minimum(places, len(cumulated) - 1).astype(np.int32)

    def _draw_users(self, count: int) -> NDArray[np.int32]:
        return (self._random.random(count) ** _USER_TAIL * self._market.users).astype(np.int32)

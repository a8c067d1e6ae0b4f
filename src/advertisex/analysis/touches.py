"""The touches and conversions that a question of attribution is about, read from a store as lean columns.

A touch is an impression, or a row of the clicks feed with clicks; a conversion is a row of that feed with
conversions. A row may be both. Users, campaigns and keys become whole numbers frame by frame: text would take many
times the memory, and sorts far slower.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from advertisex.analysis.answered import ANSWER_WINDOW, match_impressions
from advertisex.analysis.events import events
from advertisex.analysis.exact import micros
from advertisex.analysis.lean import owned
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore, Range

Key = Literal["campaign_id", "creative_id", "website"]

#: The column of each key: a website is its registered domain, for it has many pages.
COLUMNS: dict[Key, str] = {"campaign_id": "campaign_id", "creative_id": "creative_id", "website": "domain"}

#: Windows and half-lives are at most a hundred years: times are counted in 64 bits of microseconds.
LONGEST = timedelta(days=36_525)

_CLICKS = ["user_id", "campaign_id", "event_time", "event_id", "clicks", "conversions", "value", "currency"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What belongs to the journey of a conversion.

    Attributes:
        by: what a touch is credited to: its campaign, or creative or website of its impression (of a click: of the
            impression that it answers, see `answered`).
        within_campaign: only touches of the conversion's campaign.
        split: a conversion ends the journey, so that no touch is in two.
        click_window: how long before the conversion a click counts, inclusive.
        view_window: the same for an impression.
    """

    by: Key
    within_campaign: bool
    split: bool
    click_window: timedelta
    view_window: timedelta

    @property
    def column(self) -> str:
        """The column that holds what is credited."""
        return COLUMNS[self.by]


@dataclass(frozen=True, slots=True)
class World:
    """Touches and conversions, each ordered by group, time and event id.

    Attributes:
        conversions: all that end a journey. group (UInt64: the user, or user and campaign), time (Int64, µs),
            conversions (Int64), value (Int64, millionths), currency (String), asked (Boolean: whether it is to be
            attributed; others only end journeys).
        touches: group, time as above, click (Boolean, else a view), key (UInt32, a place in `keys`), own (Int64,
            the place of the conversion that the same row is, else null).
        keys: what touches are credited to, sorted; null last, where any touch has none.
        rows: events read, by feed.
    """

    conversions: pl.DataFrame
    touches: pl.DataFrame
    keys: pl.Series
    rows: dict[str, int]


def read(store: EventStore, scope: Scope, rules: Rules, everyone: bool) -> World:
    """Read the conversions of a scope, and the touches that may belong to them: also from before it.

    Args:
        store: where they are.
        scope: of the conversions.
        rules: which touches may belong to them.
        everyone: whether touches of users without a conversion are read, too.

    Raises:
        AnalysisError: there is no conversion.
    """
    reach = max(rules.click_window, rules.view_window)
    is_of_campaign = pl.lit(True) if scope.campaign is None else pl.col("campaign_id") == scope.campaign
    near = is_of_campaign if rules.within_campaign else pl.lit(True)
    counts = (pl.col("clicks") > 0) | (pl.col("conversions") > 0)
    clicks = events(store, "clicks", _CLICKS, _from(scope, reach), near & counts)
    in_scope = pl.lit(True) if scope.since is None else pl.col("event_time") >= scope.since
    clicks = clicks.with_columns(asked=is_of_campaign & in_scope & (pl.col("conversions") > 0))
    users = clicks.filter("asked")["user_id"].unique()
    if not len(users):
        raise AnalysisError(
            "no conversion is stored there", where=scope.text(), hint="widen the range, or process some first"
        )
    if not everyone:
        near &= pl.col("user_id").is_in(users.implode())
    codes = _Codes(rules)
    clicks = codes.of(clicks.filter(near), "campaign_id")
    is_link_needed = rules.by != "campaign_id"
    columns = list(dict.fromkeys(["user_id", "campaign_id", "event_time", "event_id", rules.column]))
    within = _from(scope, reach + ANSWER_WINDOW if is_link_needed else reach)
    shown = pl.concat(
        [
            codes.nothing,
            *(
                owned(codes.of(frame.filter(near), rules.column))
                for frame in store.scan("impressions", columns, within)
            ),
        ]
    )
    if is_link_needed:
        clicks = match_impressions(clicks.drop("key"), shown.drop("group"))
    return _world(clicks, shown, codes)


def _world(clicks: pl.DataFrame, shown: pl.DataFrame, codes: "_Codes") -> World:
    """The rows of both feeds as conversions and touches in order."""
    order, touch = ["group", "event_time", "event_id"], ["group", "event_time", "event_id", "click", "key", "own"]
    is_click, converts = pl.col("clicks") > 0, pl.col("conversions") > 0
    time = pl.col("event_time").dt.timestamp("us").alias("time")
    ordered = clicks.sort(order).with_columns(own=pl.when(converts).then(converts.cum_sum().cast(pl.Int64) - 1))
    touches = pl.concat(
        [
            ordered.filter(is_click).with_columns(click=pl.lit(True)).select(touch),
            shown.with_columns(click=pl.lit(False), own=pl.lit(None, pl.Int64)).select(touch),
        ]
    )
    keys = touches["key"].unique().cast(pl.String).sort(nulls_last=True)
    return World(
        conversions=ordered.filter(converts).select("group", time, "conversions", micros("value"), "currency", "asked"),
        touches=codes.ranked(touches, keys).sort(order).select("group", time, "click", "key", "own"),
        keys=keys,
        rows={"impressions": shown.height, "clicks": clicks.height},
    )


def _from(scope: Scope, reach: timedelta) -> Range:
    """The scope, begun so much earlier."""
    earliest = datetime.min  # noqa: DTZ901 - times here have no zone
    since = None if scope.since is None else max(scope.since, earliest + reach) - reach
    return Range(since, scope.until, scope.as_of)


class _Codes:
    """Text as whole numbers, the same in every frame of this question."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._user, self._campaign, self._key = (pl.Categorical(pl.Categories.random()) for _ in range(3))
        # Polars forgets the numbers of a category when no column has them any more
        self._held = [pl.Series([], dtype=dtype) for dtype in (self._user, self._campaign, self._key)]

    @property
    def nothing(self) -> pl.DataFrame:
        """No row of what `of` gives."""
        columns = dict.fromkeys(("user_id", "campaign_id", self._rules.column), pl.String)
        empty = pl.DataFrame(schema=columns | {"event_time": pl.Datetime("us"), "event_id": pl.Binary})
        return self.of(empty, self._rules.column)

    def of(self, rows: pl.DataFrame, key: str) -> pl.DataFrame:
        """The rows with user_id, campaign_id (UInt32) and event_id (UInt128) as numbers, with group and key."""
        user, campaign = (
            pl.col(name).cast(dtype).to_physical()
            for name, dtype in (("user_id", self._user), ("campaign_id", self._campaign))
        )
        group = user.cast(pl.UInt64)
        if self._rules.within_campaign:
            group = group * 2**32 + campaign.cast(pl.UInt64).fill_null(2**32 - 1)
        return rows.select(
            pl.exclude("user_id", "campaign_id", "event_id", "creative_id", "domain"),
            user_id=user,
            campaign_id=campaign,
            event_id=pl.col("event_id").bin.reinterpret(dtype=pl.UInt128, endianness="big"),
            group=group,
            key=pl.col(key).cast(self._key),
        )

    def ranked(self, touches: pl.DataFrame, keys: pl.Series) -> pl.DataFrame:
        """The touches with the place of each key: codes depend on what was scanned first."""
        places = pl.DataFrame({"key": keys.cast(self._key)}).with_row_index("place")
        return touches.join(places, on="key", how="left", nulls_equal=True).drop("key").rename({"place": "key"})

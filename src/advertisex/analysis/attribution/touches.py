"""Reads the touches and conversions for attribution from a store.

A touch is an impression or a row of the clicks feed with clicks; a conversion is a row of that feed with conversions. A
row can be both. Users, campaigns and keys are encoded as integers frame by frame: text would take many times the
memory, and sorts far slower.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from advertisex.analysis.impression_match import ANSWER_WINDOW, match_impressions
from advertisex.analysis.keys import Key
from advertisex.analysis.money import check_sum, units
from advertisex.analysis.scan import compact, events, scan
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore, Range

_CLICKS = ["user_id", "campaign_id", "event_time", "event_id", "clicks", "conversions", "value", "currency"]


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules that define the journey of a conversion.

    Attributes:
        by: what a touch is credited to.
        within_campaign: count only touches of the conversion's campaign.
        split: a conversion ends the journey, so that no touch is in two journeys.
        click_window: how long before the conversion a click counts, inclusive.
        view_window: how long before the conversion an impression counts, inclusive.
    """

    by: Key
    within_campaign: bool
    split: bool
    click_window: timedelta
    view_window: timedelta

    @property
    def touch_window(self) -> timedelta:
        """How long before a conversion touches are read."""
        return max(self.click_window, self.view_window)

    @property
    def lookback(self) -> timedelta:
        """How long before a conversion events are read: a click may take its key from an earlier impression."""
        return self.touch_window + (ANSWER_WINDOW if self.by.is_matched else timedelta(0))


@dataclass(frozen=True, slots=True)
class AttributionInput:
    """Touches and conversions, each ordered by group, time and event id.

    Attributes:
        conversions: all conversions that can end a journey: group (UInt64: the user, or user and campaign), time
            (Int64, µs), conversions (Int64), value (Int128, see `units`), currency (String), is_target (Boolean: to be
            attributed; the others only end journeys).
        touches: group and time as above, click (Boolean; false for a view), key (UInt32, index into `keys`), own
            (Int64: index of the conversion, if the row is one itself; else null).
        keys: the keys of all touches, sorted; ends with null if any touch has no key.
        refunds: refunds of the scope: value (Int128, negative) and currency.
        rows: number of events read, by feed.
    """

    conversions: pl.DataFrame
    touches: pl.DataFrame
    keys: pl.Series
    refunds: pl.DataFrame
    rows: dict[str, int]


def read(store: EventStore, scope: Scope, rules: Rules, all_users: bool) -> AttributionInput:
    """Read the conversions of a scope and the touches that may belong to them, including earlier ones.

    Args:
        store: the event store.
        scope: scope of the conversions.
        rules: which touches can belong to a conversion.
        all_users: also read the touches of users without a conversion.

    Raises:
        AnalysisError: the scope contains no conversion, or a sum of their values may overflow.
    """
    is_of_campaign = pl.lit(True) if scope.campaign is None else pl.col("campaign_id") == scope.campaign
    near = is_of_campaign if rules.within_campaign else pl.lit(True)
    clicks, refunds = _read_clicks(store, scope, rules, near)
    users = clicks.filter("is_target")["user_id"].unique()
    if not len(users):
        raise AnalysisError(
            "no conversions found", where=scope.text(), hint="widen the range, or process conversions first"
        )
    if not all_users:
        near &= pl.col("user_id").is_in(users.implode())
    codes = _Codes(rules)
    clicks = codes.of(clicks.filter(near), "campaign_id" if rules.by.is_matched else rules.by.column)
    columns = list(dict.fromkeys(["user_id", "campaign_id", "event_time", "event_id", rules.by.column]))
    within = _from(scope, rules.lookback)
    impressions = pl.concat(
        [
            codes.no_rows,
            *(
                compact(codes.of(frame.filter(near), rules.by.column))
                for frame in scan(store, "impressions", columns, within)
            ),
        ]
    )
    if rules.by.is_matched:
        clicks = match_impressions(clicks.drop("key"), [impressions.drop("group")])
    return _to_input(clicks, impressions, refunds, codes)


def _read_clicks(store: EventStore, scope: Scope, rules: Rules, near: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the clicks and conversions, with is_target, and the refunds of the scope."""
    columns = list(dict.fromkeys([*_CLICKS, *scope.where, *([] if rules.by.is_matched else [rules.by.column])]))
    counts, is_refund = (pl.col("clicks") > 0) | (pl.col("conversions") > 0), pl.col("value") < 0
    rows = events(store, "clicks", columns, _from(scope, rules.touch_window), near & (counts | is_refund))
    check_sum(rows["value"])
    in_scope = pl.lit(True) if scope.since is None else pl.col("event_time") >= scope.since
    is_selected = pl.all_horizontal(in_scope, *scope.conditions("clicks"))
    clicks = rows.filter(counts).with_columns(is_target=is_selected & (pl.col("conversions") > 0))
    unused = [name for name in scope.where if name not in (*_CLICKS, rules.by.column)]
    return clicks.drop(unused), rows.filter(is_refund & is_selected).select(units("value"), "currency")


def _to_input(
    clicks: pl.DataFrame, impressions: pl.DataFrame, refunds: pl.DataFrame, codes: "_Codes"
) -> AttributionInput:
    """Turn the rows of both feeds into sorted conversions and touches."""
    order, touch = ["group", "event_time", "event_id"], ["group", "event_time", "event_id", "click", "key", "own"]
    is_click, converts = pl.col("clicks") > 0, pl.col("conversions") > 0
    time = pl.col("event_time").dt.timestamp("us").alias("time")
    ordered = clicks.sort(order).with_columns(own=pl.when(converts).then(converts.cum_sum().cast(pl.Int64) - 1))
    touches = pl.concat(
        [
            ordered.filter(is_click).with_columns(click=pl.lit(True)).select(touch),
            impressions.with_columns(click=pl.lit(False), own=pl.lit(None, pl.Int64)).select(touch),
        ]
    )
    keys = touches["key"].unique().cast(pl.String).sort(nulls_last=True)
    return AttributionInput(
        conversions=ordered.filter(converts).select(
            "group", time, "conversions", units("value"), "currency", "is_target"
        ),
        touches=touches.with_columns(key=codes.ranked(touches["key"], keys))
        .sort(order)
        .select("group", time, "click", "key", "own"),
        keys=keys,
        refunds=refunds,
        rows={"impressions": impressions.height, "clicks": clicks.height},
    )


def _from(scope: Scope, reach: timedelta) -> Range:
    """The range of the scope, extended to start earlier by `reach`."""
    earliest = datetime.min  # noqa: DTZ901 - naive UTC, like all times here
    since = None if scope.since is None else max(scope.since, earliest + reach) - reach
    return Range(since, scope.until, scope.as_of)


class _Codes:
    """Encodes text as integers, consistently across all frames of one question."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._user, self._campaign, self._key = (pl.Categorical(pl.Categories.random()) for _ in range(3))
        # Polars drops the codes of a category when no column uses it any more
        self._keep_alive = [pl.Series([], dtype=dtype) for dtype in (self._user, self._campaign, self._key)]

    @property
    def no_rows(self) -> pl.DataFrame:
        """An empty frame with the schema of `of`."""
        columns = dict.fromkeys(("user_id", "campaign_id", self._rules.by.column), pl.String)
        empty = pl.DataFrame(schema=columns | {"event_time": pl.Datetime("us"), "event_id": pl.Binary})
        return self.of(empty, self._rules.by.column)

    def of(self, rows: pl.DataFrame, key: str) -> pl.DataFrame:
        """Encode user_id and campaign_id (UInt32) and event_id (UInt128) as integers, and add group and key."""
        user, campaign = (
            pl.col(name).cast(dtype).to_physical()
            for name, dtype in (("user_id", self._user), ("campaign_id", self._campaign))
        )
        group = user.cast(pl.UInt64)
        if self._rules.within_campaign:
            group = group * 2**32 + campaign.cast(pl.UInt64).fill_null(2**32 - 1)
        return rows.select(
            pl.exclude("user_id", "campaign_id", "event_id", key),
            user_id=user,
            campaign_id=campaign,
            event_id=pl.col("event_id").bin.reinterpret(dtype=pl.UInt128, endianness="big"),
            group=group,
            key=pl.col(key).cast(pl.String).cast(self._key),
        )

    def ranked(self, codes: pl.Series, keys: pl.Series) -> pl.Series:
        """Replace the codes of keys, which depend on the scan order, by their indices in `keys` (UInt32)."""
        known = keys.drop_nulls()
        of_known = known.cast(self._key).to_physical().to_numpy()
        indices = np.zeros(of_known.max(initial=0) + 1, np.uint32)
        indices[of_known] = np.arange(len(known))
        return pl.Series("key", indices).gather(codes.to_physical()).fill_null(len(known))

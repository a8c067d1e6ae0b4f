"""Restatement: which numbers changed between two times, and which events changed them.

The store as of a time contains what had been processed by then, and the catalogue that had been imported by then. An
event is late if it was processed after the first time and by the second. Stored events never change, so only late
events and another catalogue can change a number; see `moved_events` for the latter.

    before   the number of a campaign and a day (by event time) as of the first time
    after    the same number as of the second time
    change   after − before

Impressions and bids are row counts; clicks, conversions and value are sums over rows, with exact money. The value is
net: of conversions and refunds. Won and bid_value_won are defined in `bids`; a late impression or bid of another day
or campaign can change them, so it is listed as well. Credits are not restated: compare the attribution as of both times
instead.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import check_limit, check_time
from advertisex.analysis.auctions import AUCTION_WINDOW, Wins, won_between
from advertisex.analysis.late_events import KEY, MEASURES, ORDER, known_before, late_elsewhere, late_events
from advertisex.analysis.money import by_currency, total, totals_by_currency
from advertisex.analysis.moved_events import Moves, moved_events
from advertisex.analysis.scan import scan
from advertisex.analysis.scope import Scope, check_known, check_scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import AMOUNT
from advertisex.stores.contract import EventStore

DEFINITION = "restatement/3"

#: Default limit of listed late events. Counts always cover all events.
LATE_EVENTS = 100

_COUNTS = (*MEASURES, "won")
_SIDES = ("before", "after", "change")

_BY_DAY = "Change by day"
_COUNT_CHOICES = {
    ("impressions", "bids"): "Impressions and bids",
    ("clicks", "conversions"): "Clicks and conversions",
    ("won",): "Bids won",
}


def restatement(
    store: EventStore,
    scope: Scope = Scope(),
    *,
    start: datetime,
    end: datetime | None = None,
    limit: int = LATE_EVENTS,
) -> Answer:
    """Compare the numbers of a scope as of two times.

    Args:
        store: the event store.
        scope: selects the events; the answer's scope has the later time as its `as_of`.
        start: the earlier time, UTC: "before" numbers cover what was processed by then.
        end: the later time, UTC. It is capped at the scope's `as_of` and at the last commit, after which nothing has
            changed; None is the last commit.
        limit: maximum number of late events to list, and of catalogue changes.

    Returns:
        Table `restated`, with the campaigns and days that have a changed number, ordered by both: campaign_id, day
        (Date), new (Boolean: no earlier events), late_events, moved_events (i64), then `_before`, `_after` and
        `_change` for each of impressions, bids, clicks, conversions, won (i64), value and bid_value_won by currency
        (Decimal).
        Table `late_events`, ordered by campaign, day, feed, time and id: campaign_id, day, feed, event_time, event_id
        (hexadecimal text), clicks, conversions (i64), value (Decimal), currency, auction_id, in_scope (Boolean: false
        for events outside the scope that changed which of its bids won), processed_at, ingested_at, topic, partition,
        offset. Table `catalogue_changes`: see `Moves.changes`. Facts: late (i64, by feed), late_elsewhere (i64: late
        events outside the scope), moved (i64, by feed), restated_days and new_days (i64, pairs of campaign and day),
        change (of each measure, and of value and bid_value_won by currency).

    Raises:
        ConfigurationError: the scope, a time or the limit is invalid, or start is after end.
        AnalysisError: the scope contains no events as of either time.
    """
    start, limit = check_time(start, "start"), check_limit(limit)
    check_known(start, store, "start (--from)")
    scope = check_scope(scope, store)
    end = _last(store, scope, start, None if end is None else check_time(end, "end"))
    scope = replace(scope, as_of=end)
    _check_stored(store, scope, start)
    late, first = late_events(store, scope, start, limit)
    wins = won_between(store, scope, start)
    outside = late_elsewhere(store, scope, start, wins)
    listed = pl.concat([first, outside]).bottom_k(limit, by=ORDER).sort(ORDER, nulls_last=True)
    moves = moved_events(store, scope, start)
    touched = _touched(late, wins, moves)
    known = known_before(store, replace(scope, as_of=start), touched.select(KEY))
    added = pl.concat([late, moves.sums])
    changes = _changes(touched, known, pl.concat([known, added]), wins)
    moved = moves.changes
    return Answer(
        question="restatement",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, list(FEEDS)),
        computed_from=_total(_by_feed(known), _by_feed(late), moves.by_feed(entered=True)),
        parameters={"from": start, "to": end, "limit": limit},
        lookback=2 * AUCTION_WINDOW,
        facts={"late": _by_feed(late), "late_elsewhere": outside.height, "moved": moves.by_feed()}
        | _facts(changes, added, wins),
        tables=[
            Table("restated", "Restated campaigns and days", changes),
            Table(
                "late_events",
                "Late events",
                _listed(listed),
                keys=("event_time", "event_id"),
                of=sum(_by_feed(late).values()) + outside.height,
                option="--limit N",
            ),
            Table(
                "catalogue_changes",
                "Creatives that the catalogue moved",
                moved.head(limit),
                keys=("creative_id", "valid_from"),
                of=moved.height,
                option="--limit N",
            ),
        ],
        charts=list(_charts(changes)),
    )


def _charts(changes: pl.DataFrame) -> Iterator[Chart]:
    """Charts of the change by day, to choose from: counts, then money by currency."""
    for columns, choice in _COUNT_CHOICES.items():
        changed = tuple(f"{column}_change" for column in columns)
        yield Chart("restated", "bar", "day", changed, _BY_DAY, choice=choice)
    for column in filter(_is_money, changes.columns):
        kind, *currency = column.removesuffix("_change").split("_", 1)
        yield Chart("restated", "bar", "day", (column,), _BY_DAY, choice=" in ".join([kind.capitalize(), *currency]))


def _is_money(column: str) -> bool:
    return column.startswith(("value", "bid_value_won")) and column.endswith("_change")


def _last(store: EventStore, scope: Scope, start: datetime, end: datetime | None) -> datetime:
    """The later time: the earliest of `end`, the scope's `as_of` and the last commit, but not before `start`."""
    if end is not None and start > end:
        raise ConfigurationError(
            f"the start time {start.isoformat()}Z is after the end time {end.isoformat()}Z",
            hint="`start` (--from) must not be after `end` (--to)",
        )
    ends = (end, scope.as_of, store.settled())
    return max(start, min((time for time in ends if time is not None), default=start))


def _check_stored(store: EventStore, scope: Scope, start: datetime) -> None:
    times = scope, replace(scope, as_of=start)  # all events of a campaign may have moved
    if not any(_has_events(store, feed, each) for each in times for feed in FEEDS):
        raise AnalysisError(
            "no events found",
            where=scope.text(),
            hint="widen the range, choose a later end (--to), or check the campaign's spelling",
        )


def _has_events(store: EventStore, feed: str, scope: Scope) -> bool:
    conditions = scope.conditions(feed)
    if not conditions:
        return store.extent(feed, scope.within).events > 0
    names = {name for condition in conditions for name in condition.meta.root_names()}
    frames = scan(store, feed, sorted(names), scope.within)
    return any(frame.filter(*conditions).height for frame in frames)


def _touched(late: pl.DataFrame, wins: Wins, moves: Moves) -> pl.DataFrame:
    """The campaigns and days that may have a changed number: `KEY`, late_events, moved_events (i64)."""
    keys = pl.concat(rows.select(KEY) for rows in (late, wins.changed, moves.touched)).unique()
    for counts in (late.group_by(KEY).agg(late_events=pl.col("events").sum()), moves.touched):
        keys = keys.join(counts, on=KEY, how="left", nulls_equal=True)
    return keys.with_columns(pl.col("late_events", "moved_events").fill_null(0))


def _changes(touched: pl.DataFrame, known: pl.DataFrame, then: pl.DataFrame, wins: Wins) -> pl.DataFrame:
    """Build the table `restated` from the sums as of both times."""
    table, before, after = touched, _numbers(known, wins.before), _numbers(then, wins.after)
    for side, numbers in (("before", before), ("after", after)):
        named = numbers.rename({name: f"{name}_{side}" for name in numbers.columns if name not in KEY})
        table = table.join(named, on=KEY, how="left", nulls_equal=True)
    names = {*before.columns, *after.columns} - {*KEY, *_COUNTS}
    money = sorted(names, key=lambda name: (name.startswith("bid_value_won"), name))
    new = pl.col("impressions_before").is_null().alias("new")
    absent = {f"{name}_{side}" for name in money for side in _SIDES[:2]} - set(table.columns)
    table = table.with_columns(new, *(pl.lit(None, AMOUNT).alias(name) for name in absent)).with_columns(
        pl.col(f"{name}_{side}" for name in _COUNTS for side in _SIDES[:2]).fill_null(0)
    )
    table = table.with_columns(_change(name) for name in (*_COUNTS, *money))
    columns = [f"{name}_{side}" for name in (*_COUNTS, *money) for side in _SIDES]
    is_changed = pl.any_horizontal(pl.col(name).fill_null(0) != 0 for name in columns if name.endswith("_change"))
    shown = table.filter(is_changed).select(*KEY, "new", "late_events", "moved_events", *columns)
    return shown.sort(KEY, nulls_last=True)


def _change(name: str) -> pl.Expr:
    """After − before; null if both are null."""
    before, after = pl.col(f"{name}_before"), pl.col(f"{name}_after")
    difference = after.fill_null(0) - before.fill_null(0)
    return pl.when(before.is_not_null() | after.is_not_null()).then(difference).alias(f"{name}_change")


def _numbers(rows: pl.DataFrame, won: pl.DataFrame) -> pl.DataFrame:
    """Compute the numbers of each campaign and day: `_COUNTS`, and `value` and `bid_value_won` by currency."""
    parts = [
        rows.group_by(KEY).agg(total(name).cast(pl.Int64) for name in MEASURES),
        won.group_by(KEY).agg(won=pl.len().cast(pl.Int64)),
        by_currency(rows, KEY),
        by_currency(won, KEY, "bid_value_won"),
    ]
    numbers = parts[0]
    for part in parts[1:]:
        numbers = numbers.join(part, on=KEY, how="left", nulls_equal=True)
    return numbers


def _facts(changes: pl.DataFrame, added: pl.DataFrame, wins: Wins) -> dict[str, Any]:
    new = int(changes["new"].sum())
    change: dict[str, int | dict[str, Decimal]] = {name: int(added[name].sum()) for name in MEASURES}
    change |= {"won": wins.after.height - wins.before.height, "value": totals_by_currency(added)}
    return {
        "restated_days": changes.height - new,
        "new_days": new,
        "change": change | {"bid_value_won": totals_by_currency(wins.change, "bid_value_won")},
    }


def _total(*counts: dict[str, int]) -> dict[str, int]:
    return {feed: sum(each[feed] for each in counts) for feed in FEEDS}


def _by_feed(rows: pl.DataFrame) -> dict[str, int]:
    return {feed: int(rows.filter(pl.col("feed") == feed)["events"].sum()) for feed in FEEDS}


def _listed(first: pl.DataFrame) -> pl.DataFrame:
    """Build the table `late_events`."""
    return first.select(
        *KEY, "feed", "event_time", pl.col("event_id").bin.encode("hex"), "clicks", "conversions",
        "value",
        "currency", "auction_id", "in_scope", "processed_at", "ingested_at", "topic", "partition", "offset",
    )  # fmt: skip

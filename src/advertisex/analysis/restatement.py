"""Restatement: which numbers changed between two times, and by which events. An invoice can be explained later.

The store as of a time holds what had been processed by then. An event is late here when it was processed after the
first time and by the second: nothing stored ever changes, so these events are all that makes a difference.

    before   the number of a campaign and a day (UTC, by event time) as of the first time
    after    the same as of the second
    change   after − before, which is what the late events of that campaign and day add up to

Impressions and bids are rows; clicks, conversions and the value of conversions sums over rows, money exactly.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizon
from advertisex.analysis.buckets import DAY
from advertisex.analysis.exact import MONEY, by_currency, decimals, micros, total, totals_by_currency
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore, Range

DEFINITION = "restatement/1"

#: So many late events are listed unless told otherwise; all are counted.
LATE_EVENTS = 100

_MEASURES = ("impressions", "bids", "clicks", "conversions")
_KEY = ["campaign_id", "day"]
_ROW: dict[str, pl.DataType] = {
    "feed": pl.String(),
    "campaign_id": pl.String(),
    "day": pl.Datetime("us"),
    "event_time": pl.Datetime("us"),
    **dict.fromkeys((*_MEASURES, "value"), pl.Int64()),
    "currency": pl.String(),
    "event_id": pl.Binary(),
    "processed_at": pl.Datetime("us"),
    "ingested_at": pl.Datetime("us"),
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
}
_PROVENANCE = ["event_id", "processed_at", "ingested_at", "topic", "partition", "offset"]
_ORDER = [*_KEY, "feed", "event_time", "event_id"]


def restatement(store: EventStore, scope: Scope, start: datetime, end: datetime, *, limit: int = LATE_EVENTS) -> Answer:
    """Compare the numbers of a scope as of two times.

    Args:
        store: where the events are.
        scope: which events; its `as_of` gives way to `end`.
        start: the earlier time, UTC without a zone: what was processed by then was known.
        end: the later time.
        limit: list at most so many late events.

    Returns:
        Table `restated`, of campaigns and days with a changed number, so ordered: campaign_id, day (Datetime µs), new
        (Boolean: nothing was known of them before), late_events (i64), then for each of impressions, bids, clicks,
        conversions (i64) and value by currency (Decimal) `_before`, `_after` and `_change`. Table `late_events`,
        ordered by campaign, day, feed, time and id: campaign_id, day, feed, event_time, event_id (as text), clicks,
        conversions (i64), value (Decimal), currency, processed_at, ingested_at, topic, partition, offset. Facts: late
        (i64, by feed), restated_days and new_days (i64, pairs of campaign and day), change (of each measure, and of
        value by currency).

    Raises:
        ConfigurationError: start does not lie before end, or the limit is negative.
        AnalysisError: nothing was stored there by the later time.
    """
    _check(start, end, limit)
    scope = replace(scope, as_of=end)
    _check_stored(store, scope)
    late, first = _late(store, scope, start, limit)
    known = _known(store, replace(scope, as_of=start), late)
    changes = _changes(known, late)
    return Answer(
        question="restatement",
        definition=DEFINITION,
        scope=scope,
        horizon=horizon(store, scope, list(FEEDS)),
        computed_from=_by_feed(pl.concat([known, late])),
        parameters={"from": start, "to": end, "limit": limit},
        facts=_facts(changes, late),
        tables=[
            Table("restated", "Campaigns and days whose numbers changed", changes),
            Table("late_events", "The events that changed them", _listed(first)),
        ],
        charts=[
            Chart("restated", "bar", "day", ("impressions_change", "clicks_change"), "What late events added, by day")
        ],
    )


def _check(start: datetime, end: datetime, limit: int) -> None:
    if start >= end:
        raise ConfigurationError(
            f"the earlier time {start.isoformat()}Z does not lie before the later one {end.isoformat()}Z",
            mend="let --from lie before --to",
        )
    if limit < 0:
        raise ConfigurationError(f"the limit is negative: {limit}", mend="give 0 or more")


def _check_stored(store: EventStore, scope: Scope) -> None:
    if not any(store.extent(feed, scope.within).events for feed in FEEDS):
        raise AnalysisError(
            "no event was stored there by then", where=scope.text(), mend="widen the range, or give a later --to"
        )


def _late(store: EventStore, scope: Scope, start: datetime, limit: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the late events add up to, as `_summed`, and the first of them whole."""
    keep = pl.col("processed_at") > start
    if scope.campaign is not None:
        keep &= pl.col("campaign_id") == scope.campaign
    first = [pl.DataFrame(schema=_ROW)]

    def rows() -> Iterator[pl.DataFrame]:
        for feed in FEEDS:
            for frame in _counted(store, feed, scope.within, keep, _PROVENANCE):
                first[:] = [pl.concat([*first, frame]).bottom_k(limit, by=_ORDER)]
                yield frame

    sums = _summed(rows())
    return sums, first[0].sort(_ORDER, nulls_last=True)


def _known(store: EventStore, scope: Scope, late: pl.DataFrame) -> pl.DataFrame:
    """What was known before of the late events' campaigns and days, as `_summed`; no other day is read."""
    days = late["day"].unique().sort()
    if not len(days):
        return late
    begin, end = days[0], days[-1] + timedelta(days=1)
    since = begin if scope.since is None else max(begin, scope.since)
    until = end if scope.until is None else min(end, scope.until)
    is_touched = pl.col("event_time").dt.truncate("1d").is_in(days.implode())
    within = Range(since, until, scope.as_of)
    rows = (frame for feed in FEEDS for frame in _counted(store, feed, within, is_touched))
    return _summed(rows).join(late.select(_KEY).unique(), on=_KEY, how="semi", nulls_equal=True)


def _counted(
    store: EventStore, feed: str, within: Range, keep: pl.Expr, provenance: Sequence[str] = ()
) -> Iterator[pl.DataFrame]:
    """Events of a feed as what they count for, frame by frame: the columns of `_ROW`, of the provenance as asked."""
    own = ["clicks", "conversions", "value", "currency"] if feed == "clicks" else []
    read = dict.fromkeys([*keep.meta.root_names(), "campaign_id", "event_time", *own, *provenance])
    none = {name: pl.lit(None, dtype).alias(name) for name, dtype in _ROW.items()}
    counts = {name: pl.lit(int(name == feed), pl.Int64).alias(name) for name in _MEASURES}
    made = none | counts | {name: pl.col(name) for name in (*own, *provenance)} | {"feed": pl.lit(feed).alias("feed")}
    if own:
        made["value"] = pl.when(pl.col("conversions") > 0).then(micros("value")).alias("value")
    made |= {"campaign_id": pl.col("campaign_id"), "event_time": pl.col("event_time"), "day": DAY}
    for frame in store.scan(feed, list(read), within):
        yield frame.filter(keep).select(made[name] for name in _ROW)


def _summed(rows: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Added up by feed, campaign, day and currency: these, events, `_MEASURES`, and value (Int128, null for none)."""
    value = pl.when(pl.col("value").count() > 0).then(total("value")).alias("value")
    sums = [pl.col(name).sum() for name in ("events", *_MEASURES)]
    empty = pl.DataFrame(schema=_ROW).with_columns(events=pl.lit(1, pl.Int64))
    parts = [
        frame.with_columns(events=pl.lit(1, pl.Int64)).group_by("feed", *_KEY, "currency").agg(*sums, value)
        for frame in chain([empty], rows)
    ]
    return pl.concat(parts).group_by("feed", *_KEY, "currency").agg(*sums, value)


def _changes(known: pl.DataFrame, late: pl.DataFrame) -> pl.DataFrame:
    """The table `restated`."""
    sides = [_side(known, "before"), _side(pl.concat([known, late]), "after"), _side(late, "change")]
    table = late.group_by(_KEY).agg(late_events=pl.col("events").sum())
    for side in sides:
        table = table.join(side, on=_KEY, how="left", nulls_equal=True)
    new = pl.col("impressions_before").is_null().alias("new")
    counts = [f"{name}_{side}" for name in _MEASURES for side in ("before", "after", "change")]
    values = dict.fromkeys(name.removesuffix("_after") for name in table.columns if _is_value(name, "after"))
    amounts = [f"{name}_{side}" for name in values for side in ("before", "after", "change")]
    absent = [pl.lit(None, pl.Decimal(38, MONEY)).alias(name) for name in amounts if name not in table.columns]
    changed = pl.any_horizontal(
        pl.col(name).fill_null(0) != 0 for name in [*counts, *amounts] if name.endswith("_change")
    )
    return (
        table.with_columns(new, *absent)
        .filter(changed)
        .with_columns(pl.col(counts).fill_null(0))
        .select(*_KEY, "new", "late_events", *counts, *amounts)
        .sort(_KEY, nulls_last=True)
    )


def _is_value(name: str, side: str) -> bool:
    return name.startswith("value") and name.endswith(f"_{side}")


def _side(rows: pl.DataFrame, side: str) -> pl.DataFrame:
    """The numbers of each campaign and day, each named by the side."""
    counts = rows.group_by(_KEY).agg(total(name).cast(pl.Int64) for name in _MEASURES)
    money = by_currency(rows, _KEY)
    numbers = counts.join(money, on=_KEY, how="left", nulls_equal=True)
    return numbers.rename({name: f"{name}_{side}" for name in numbers.columns if name not in _KEY})


def _facts(changes: pl.DataFrame, late: pl.DataFrame) -> dict[str, Any]:
    new = int(changes["new"].sum())
    change: dict[str, int | dict[str, Decimal]] = {name: int(late[name].sum()) for name in _MEASURES}
    return {
        "late": _by_feed(late),
        "restated_days": changes.height - new,
        "new_days": new,
        "change": change | {"value": totals_by_currency(late)},
    }


def _by_feed(rows: pl.DataFrame) -> dict[str, int]:
    return {feed: int(rows.filter(pl.col("feed") == feed)["events"].sum()) for feed in FEEDS}


def _listed(first: pl.DataFrame) -> pl.DataFrame:
    """The table `late_events`."""
    return first.select(
        *_KEY, "feed", "event_time", pl.col("event_id").bin.encode("hex"), "clicks", "conversions",
        decimals(first["value"], MONEY),
        "currency", "processed_at", "ingested_at", "topic", "partition", "offset",
    )  # fmt: skip

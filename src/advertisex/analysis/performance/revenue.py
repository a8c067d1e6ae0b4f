"""Reads the rows of the clicks feed, each refund with the conversion that it takes back.

A refund that names a transaction counts under the conversion of that transaction: its campaign, type and own fields,
and the impression that it is matched to; of several, the earliest, then the one with the smallest event id. It counts
at its own time. A refund without a known transaction counts under its own fields.
"""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from advertisex.analysis.breakdown import Breakdown
from advertisex.analysis.impression_match import ANSWER_WINDOW, match_impressions
from advertisex.analysis.money import check_sum
from advertisex.analysis.scan import EVENT_ID, readable, scan, scan_events, scan_frames, widened
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore, Range

#: The columns of a row of the clicks feed. `at` is the time at which it counts, `event_time` that of its conversion.
_COLUMNS = ("user_id", "campaign_id", "event_time", "clicks", "conversions", "value", "currency")
_IS_REFUND = pl.col("value") < 0


def clicked_rows(store: EventStore, scope: Scope, by: Breakdown, *own: pl.Expr) -> pl.DataFrame:
    """Read the rows of the clicks feed in a scope.

    Args:
        store: the event store.
        scope: the scope.
        by: the breakdown.
        own: expressions over the rows, named like no column; those of a refund stay its own.

    Returns:
        user_id, campaign_id, event_time, at, clicks, conversions, value, currency, key (see `Breakdown.of`), and the
        expressions; in no particular order.
    """
    extra = [expression.meta.output_name() for expression in own]
    anyone = Scope(scope.since, scope.until, as_of=scope.as_of, zone=scope.zone)
    names = sorted({*_COLUMNS, "transaction_id", "event_id", *_read_by(scope, by)})
    rows = scan_events(store, "clicks", anyone, *map(pl.col, names), *own).with_columns(at="event_time")
    rows = _with_conversions(store, rows, scope, extra).filter(*scope.conditions("clicks"))
    check_sum(rows["value"])
    at_its_time = rows.with_columns(pl.col("event_time").alias("_own_time"), event_time="at")
    keyed = at_its_time.with_columns(by.of("clicks")).with_columns(event_time="_own_time")
    return keyed.select(*_COLUMNS, "at", "key", *extra)


def _read_by(scope: Scope, by: Breakdown) -> set[str]:
    expressions = [*scope.conditions("clicks"), by.of("clicks")]
    return {name for expression in expressions for name in expression.meta.root_names()}


def _with_conversions(store: EventStore, rows: pl.DataFrame, scope: Scope, own: Sequence[str]) -> pl.DataFrame:
    """Replace the fields of refunds by those of their conversions, except the time, the value, the counts and `own`."""
    is_tied = _IS_REFUND & pl.col("transaction_id").is_not_null()
    transactions = rows.filter(is_tied)["transaction_id"].unique()
    if transactions.is_empty():
        return rows
    kept = ["at", "clicks", "conversions", "value", "currency", "transaction_id", *own]
    taken = [name for name in rows.columns if name not in kept]
    is_sold = (pl.col("conversions") > 0) & pl.col("transaction_id").is_in(transactions.implode())
    read = [*taken, "conversions", "transaction_id"]
    scanned = scan(store, "clicks", read, Range(as_of=scope.as_of), among=transactions)
    frames = (frame.filter(is_sold) for frame in scanned)
    empty = pl.DataFrame(schema={name: readable(store, "clicks")[name] for name in read})
    sold = pl.concat([empty, *frames]).drop("conversions").sort("event_time", "event_id")
    sold = sold.unique("transaction_id", keep="first", maintain_order=True)
    is_known = is_tied & pl.col("transaction_id").is_in(sold["transaction_id"].implode())
    tied = rows.filter(is_known.fill_null(False)).select(kept).join(sold, on="transaction_id", how="left")
    return pl.concat([rows.filter(~is_known.fill_null(False)), tied.select(rows.columns)])


def with_matched_keys(store: EventStore, scope: Scope, rows: pl.DataFrame, by: Breakdown) -> pl.DataFrame:
    """Give rows of `clicked_rows` the key of the impression that they are matched to, if they take it from there."""
    if not by.is_matched or rows.is_empty():
        return rows
    first, last = scope.since, scope.until
    for time in rows["event_time"]:  # the conversion of a refund may be before the range, or after it
        first = None if first is None else min(first, time)
        last = None if last is None else max(last, time + timedelta.resolution)
    before = widened(Scope(first, last, as_of=scope.as_of), before=ANSWER_WINDOW)
    own = [*map(pl.col, ("user_id", "campaign_id", "event_time")), EVENT_ID, by.of("impressions")]
    return match_impressions(rows.drop("key"), scan_frames(store, "impressions", before, *own))

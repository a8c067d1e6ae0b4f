"""Our side of a reconciliation: every message that a partner may have counted, whether we count it or not.

A row is one event: stored, or a message that we left out as a duplicate, filtered or rejected. Rows are read frame by
frame, and as often as needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from advertisex.analysis.breakdown import Breakdown
from advertisex.analysis.cost import click_costs, impression_costs
from advertisex.analysis.money import NET, units
from advertisex.analysis.performance.revenue import clicked_rows
from advertisex.analysis.quality.invalid_traffic import REASONS, gather, suspects
from advertisex.analysis.reconciliation.report_feed import COUNTS
from advertisex.analysis.scan import EVENT_ID, scan_frames
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

#: The columns of a row. `left_out` is empty for a stored event, else why it is not one: `duplicates`, `filtered:REASON`
#: or `rejected:REASON`. `suspect` has a bit for each of `REASONS` of invalid traffic; the reasons of an event are never
#: more. Amounts are null where there is none; costs in units of 10⁻¹⁵, revenue of 10⁻¹².
ROW: dict[str, pl.DataType] = {
    "feed": pl.String(),
    "left_out": pl.String(),
    "late": pl.Boolean(),
    "suspect": pl.Int64(),
    "campaign_id": pl.String(),
    "event_time": pl.Datetime("us"),
    **dict.fromkeys(COUNTS, pl.Int64()),
    "cost": pl.Int128(),
    "cost_currency": pl.String(),
    "revenue": pl.Int128(),
    "revenue_currency": pl.String(),
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
}

#: A message of the log, by the event it would be: what `our_rows` needs to know of duplicates.
REPEATED: dict[str, pl.DataType] = {
    "event_id": pl.UInt128(),
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
    "processed_at": pl.Datetime("us"),
}
_PLACE = [pl.col(name) for name in ("topic", "partition", "offset", "processed_at")]


@dataclass(frozen=True)
class OurRows:
    """What our rows are read from.

    Attributes:
        store: the event store.
        scope: the range and campaign, wide enough for every time zone.
        with_cost: whether costs are needed.
        report_time: what was processed later is late; None if that is unknown.
        suspected: event_id (UInt128) and suspect, of the suspected events.
        repeated: `REPEATED`, of the messages that may be duplicates of a stored event.
        others: `ROW`, of messages that were filtered or rejected.
    """

    store: EventStore
    scope: Scope
    with_cost: bool
    report_time: datetime | None
    suspected: pl.DataFrame
    repeated: pl.DataFrame
    others: pl.DataFrame

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield all rows, as `ROW`, in frames of bounded size."""
        for frame in self._impressions():
            yield from self._rows(frame, "impressions")
        for frame in self._clicks():
            yield from self._rows(frame, "clicks")
        yield self.others

    def _impressions(self) -> Iterator[pl.DataFrame]:
        one = pl.lit(1, pl.Int64)
        if self.with_cost:
            for frame in impression_costs(self.store, self.scope, *_PLACE):
                yield frame.rename({"charge": "cost", "currency": "cost_currency"}).with_columns(impressions=one)
            return
        columns = [pl.col("campaign_id"), pl.col("event_time"), EVENT_ID, *_PLACE]
        for frame in scan_frames(self.store, "impressions", self.scope, *columns):
            yield frame.with_columns(impressions=one)

    def _clicks(self) -> Iterator[pl.DataFrame]:
        rows = clicked_rows(self.store, self.scope, Breakdown(), EVENT_ID.alias("own_id"), *_PLACE)
        rows = rows.rename({"currency": "revenue_currency"}).with_columns(revenue=NET).with_columns(units("revenue"))
        if self.with_cost:
            rows = click_costs(self.store, self.scope, rows).rename({"charge": "cost", "currency": "cost_currency"})
        yield rows.drop("event_time").rename({"at": "event_time", "own_id": "event_id"})

    def _rows(self, stored: pl.DataFrame, feed: str) -> Iterator[pl.DataFrame]:
        """The stored events of a frame, and the duplicates of them."""
        flagged = stored.join(self.suspected, on="event_id", how="left")
        place = [name for name in REPEATED if name != "event_id"]
        duplicates = flagged.join(self.repeated, on="event_id", suffix="_again").filter(
            pl.any_horizontal(pl.col(name) != pl.col(f"{name}_again") for name in ("topic", "partition", "offset"))
        )
        again = duplicates.with_columns(pl.col(f"{name}_again").alias(name) for name in place)
        for frame, left_out in ((flagged, ""), (again, "duplicates")):
            if frame.height:
                yield as_rows(frame.with_columns(late=is_late(self.report_time)), feed, pl.lit(left_out))


def as_rows(frame: pl.DataFrame, feed: str, left_out: pl.Expr) -> pl.DataFrame:
    """A frame as `ROW`: counts that it does not have are 0, and other columns null."""
    frame = frame.with_columns(feed=pl.lit(feed), left_out=left_out)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in ROW.items() if name not in frame.columns]
    typed = frame.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in ROW.items())
    return typed.with_columns(pl.col("suspect", *COUNTS).fill_null(0))


def is_late(report_time: datetime | None) -> pl.Expr:
    """Whether a message was processed after the report was made."""
    return pl.lit(value=False) if report_time is None else pl.col("processed_at") > report_time


def suspected_in(store: EventStore, scope: Scope) -> pl.DataFrame:
    """The suspected events of a scope: event_id (UInt128), and suspect (Int64) with a bit for each reason."""
    found = suspects(gather(store, scope)).events
    bits = {reason: 1 << number for number, reason in enumerate(REASONS)}
    flags = found.select("event_id", "reason").unique()
    return flags.group_by("event_id").agg(
        suspect=pl.col("reason").replace_strict(bits, return_dtype=pl.Int64).sum()
    )  # fmt: skip


def sums_of(rows: OurRows) -> pl.DataFrame:
    """Sum up our rows by measure, currency, campaign, quarter of an hour, and how we treated them.

    Returns:
        measure, currency, campaign_id, slot (Datetime, its start in UTC), left_out, late, suspect, amount (Int128) and
        events (i64).
    """
    keys = ["campaign_id", "slot", "left_out", "late", "suspect"]
    measures = {name: pl.lit(None, pl.String) for name in COUNTS} | {
        "cost": pl.col("cost_currency"), "revenue": pl.col("revenue_currency"),
    }  # fmt: skip
    parts = []
    for frame in rows.frames():
        timed = frame.with_columns(slot=pl.col("event_time").dt.truncate("15m"))
        for measure, currency in measures.items():
            counted = timed.filter(pl.col(measure).fill_null(0) != 0).with_columns(currency=currency)
            sums = counted.group_by(*keys, "currency").agg(
                amount=pl.col(measure).cast(pl.Int128).sum(), events=pl.len().cast(pl.Int64)
            )
            parts.append(sums.select(pl.lit(measure).alias("measure"), "currency", *keys, "amount", "events"))
    return (
        pl.concat(parts)
        .group_by("measure", "currency", *keys)
        .agg(pl.col("amount", "events").sum())
        .sort("measure", "currency", *keys)
    )

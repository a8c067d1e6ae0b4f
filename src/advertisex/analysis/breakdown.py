"""What a question groups events by: nothing, a calendar period, or a field, see `keys`.

A field that only the clicks feed has, such as the conversion type, is null for the events of other feeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from advertisex.analysis.calendar import PERIODS, Period, following, limits, local_day, midnight, period, start_of
from advertisex.analysis.fields import fields_of, only_clicks_have
from advertisex.analysis.keys import KEYS, Key, key_of
from advertisex.analysis.scope import Scope
from advertisex.errors import ConfigurationError
from advertisex.stores.contract import EventStore

_GROUPABLE = (pl.String(), pl.Boolean())


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A grouping of events.

    Attributes:
        period: the calendar period, if it is one.
        zone: its time zone.
        field: the field, if it is one.
        is_of_clicks: whether only the clicks feed has the field.
    """

    period: Period | None = None
    zone: str = "UTC"
    field: Key | None = None
    is_of_clicks: bool = False

    @property
    def column(self) -> str | None:
        """The name of the key's column; None without a key."""
        return self.period or (self.field.column if self.field else None)

    @property
    def dtype(self) -> pl.DataType:
        """The dtype of `key`: Datetime for an hour, Date for other periods, else String."""
        if self.period is None:
            return pl.String()
        return pl.Datetime("us") if self.period == "hour" else pl.Date()

    @property
    def is_matched(self) -> bool:
        """Whether a row of the clicks feed takes its key from the impression that it is matched to."""
        return self.field is not None and self.field.is_matched

    def of(self, feed: str) -> pl.Expr:
        """The key of an event of a feed, in a column `key`; null for a click that takes it from its impression."""
        if self.period is not None:
            return period(self.period, self.zone).alias("key")
        has_none = self.is_matched if feed == "clicks" else self.is_of_clicks
        if self.field is None or has_none:
            return pl.lit(None, self.dtype).alias("key")
        return self.field.text

    def edges(self, store: EventStore, scope: Scope) -> list[datetime]:
        """The times at which the key of impressions of a scope may change (naive UTC): where a period begins.

        They also include the beginning of the period after the last impression. A field does not depend on the time.
        """
        extent = store.extent("impressions", scope.within)
        if self.period is None or extent.first is None or extent.last is None:
            return []
        first, last = (start_of(local_day(time, self.zone), self.period) for time in (extent.first, extent.last))
        begin, end = (midnight(day, self.zone) for day in (first, following(last, self.period)))
        return limits(begin, end, self.period, self.zone)

    def named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give the column `key` its own name and dtype; without a key, drop it."""
        if self.field is not None:
            return self.field.named(rows)
        return rows.drop("key") if self.period is None else rows.rename({"key": self.period})


def breakdown_of(
    store: EventStore, by: object, zone: str, feeds: Sequence[str], periods: tuple[Period, ...] = PERIODS
) -> Breakdown:
    """Find the breakdown that a question names.

    Args:
        store: the event store.
        by: a period or a field; None groups nothing.
        zone: time zone of periods.
        feeds: the feeds that the question covers besides the clicks feed.
        periods: the periods that it can be broken down by.

    Raises:
        ConfigurationError: it is neither a period nor a field of all these feeds, or of the clicks feed alone.
    """
    if by is None:
        return Breakdown(zone=zone)
    for one in periods:
        if isinstance(by, str) and one == by:
            return Breakdown(one, zone)
    if isinstance(by, str) and by not in KEYS and only_clicks_have(store, by, [*feeds, "clicks"]):
        dtype = fields_of(store, "clicks")[by]
        if dtype not in _GROUPABLE or by in ("transaction_id", "click_id"):
            raise ConfigurationError(f"by (--by): cannot group by {by!r}", hint="use a text or a flag")
        return Breakdown(zone=zone, field=Key(by, dtype, is_matched=False), is_of_clicks=True)
    return Breakdown(zone=zone, field=key_of(store, by, feeds, ("conversion_type", *periods)))

"""What a question groups events by: nothing, a calendar period, or a field, see `keys`.

A field that only the clicks feed has, such as the conversion type, is null for impressions.
"""

from dataclasses import dataclass

import polars as pl

from advertisex.analysis.calendar import PERIODS, Period, period
from advertisex.analysis.fields import fields_of
from advertisex.analysis.keys import KEYS, Key, key_of
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
        of_impressions: whether impressions have the field.
    """

    period: Period | None = None
    zone: str = "UTC"
    field: Key | None = None
    of_impressions: bool = True

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

    def of_impression(self) -> pl.Expr:
        """The key of an impression, in a column `key`."""
        return self._of_event() if self.of_impressions else self._nothing()

    def of_click(self) -> pl.Expr:
        """The key of a row of the clicks feed, in a column `key`; null if it takes it from its impression."""
        return self._nothing() if self.field is not None and self.field.is_matched else self._of_event()

    def _of_event(self) -> pl.Expr:
        if self.period is not None:
            return period(self.period, self.zone).alias("key")
        return self._nothing() if self.field is None else self.field.text

    def _nothing(self) -> pl.Expr:
        return pl.lit(None, self.dtype).alias("key")

    def named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give the column `key` its own name and dtype; without a key, drop it."""
        if self.field is not None:
            return self.field.named(rows)
        return rows.drop("key") if self.period is None else rows.rename({"key": self.period})


def breakdown_of(store: EventStore, by: object, zone: str, periods: tuple[Period, ...] = PERIODS) -> Breakdown:
    """Find the breakdown that a question names.

    Raises:
        ConfigurationError: it is neither a period nor a field of the impressions or the clicks feed.
    """
    if by is None:
        return Breakdown(zone=zone)
    for one in periods:
        if one == by:
            return Breakdown(one, zone)
    clicks = fields_of(store, "clicks")
    if isinstance(by, str) and by not in KEYS and by in clicks and by not in fields_of(store, "impressions"):
        if clicks[by] not in _GROUPABLE or by in ("user_id", "transaction_id", "click_id"):
            raise ConfigurationError(f"by (--by): cannot group by {by!r}", hint="use a text or a flag")
        return Breakdown(zone=zone, field=Key(by, clicks[by], is_matched=False), of_impressions=False)
    return Breakdown(zone=zone, field=key_of(store, by, ["impressions"], ("conversion_type", *periods)))

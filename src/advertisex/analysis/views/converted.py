"""Converts the amounts that a question reads to one currency.

An amount is converted by the rate of the day (of the zone) of its event; a budget or a rate of the catalogue by that of
the day on which its flight begins. The result is rounded half to even, to 12 decimal places, amount by amount: so it
does not depend on the question, and parts add up to their whole. An amount without a currency stays as it is.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction

import polars as pl

from advertisex.analysis.calendar import period
from advertisex.analysis.money import decimals
from advertisex.analysis.views.rates import OLDEST, Rates
from advertisex.analysis.views.view import View, counted
from advertisex.errors import AnalysisError
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import AMOUNT
from advertisex.model import MONEY
from advertisex.stores.contract import EventStore, Range

#: Products of integers are exact below this.
_INTEGERS = 2**125
_ONE = 10**MONEY


class Converted(View):
    """A store whose amounts are in one currency.

    Args:
        store: the store.
        rates: the exchange rates.
        currency: the currency, a code of ISO 4217.
        zone: time zone of the days.
    """

    def __init__(self, store: EventStore, rates: Rates, currency: str, zone: str = "UTC") -> None:
        super().__init__(store)
        self._factors, self._currency, self._zone = rates.to(currency), currency, zone

    def scan(
        self,
        feed: str,
        columns: Sequence[str],
        within: Range,
        slices: range | None = None,
        among: pl.Series | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Stored events of a feed with converted amounts.

        Raises:
            AnalysisError: a rate is missing.
        """
        money = [one.name for one in FEEDS[feed].fields if one.kind == "amount"]
        asked = [name for name in columns if name in money]
        if not asked and "currency" not in columns:
            yield from self._store.scan(feed, columns, within, slices, among)
            return
        # an event without an amount has nothing to convert, and keeps its currency
        read = list(dict.fromkeys([*columns, *money, "currency", "event_time"]))
        for frame in self._store.scan(feed, read, within, slices, among):
            yield self._converted(frame, money).select(columns)

    def count(self, feed: str, by: Sequence[str], within: Range, edges: Sequence[datetime] = ()) -> pl.DataFrame:
        """Count the events of a feed by the values of columns, see `EventStore.count`."""
        if "currency" in by:
            return counted(self, feed, by, within, edges)
        return self._store.count(feed, by, within, edges)

    def campaigns(self, as_of: datetime | None = None) -> pl.DataFrame:
        """The flights of the catalogue, with converted budgets and rates.

        Raises:
            AnalysisError: a rate is missing.
        """
        flights = self._store.campaigns(as_of)
        dated = flights.with_columns(event_time="start")
        return self._converted(dated, ["budget", "rate"]).select(flights.columns)

    def _converted(self, rows: pl.DataFrame, money: Sequence[str]) -> pl.DataFrame:
        """Convert the amounts of rows with a currency and an event_time, in unchanged order."""
        is_foreign = (pl.col("currency") != self._currency) & pl.any_horizontal(
            pl.col(name).is_not_null() for name in money
        )
        numbered = rows.with_row_index("_row")
        foreign = numbered.filter(is_foreign)
        if foreign.is_empty():
            return rows
        dated = foreign.with_columns(period("day", self._zone).alias("_day")).sort("_day")
        joined = dated.join_asof(
            self._factors,
            left_on="_day",
            right_on="date",
            by="currency",
            tolerance=OLDEST,
            check_sortedness=False,  # both are sorted; Polars cannot check it by group, and warns
        )
        for day, currency in joined.filter(pl.col("numerator").is_null()).select("_day", "currency").head(1).rows():
            raise AnalysisError(
                f"no rate from {currency} to {self._currency} on {day}, nor in the {OLDEST.days} days before",
                hint="add it to the file of --rates",
            )
        amounts = [_product(joined[name], joined["numerator"], joined["denominator"]) for name in money]
        done = joined.with_columns(*amounts, currency=pl.lit(self._currency)).select(numbered.columns)
        return pl.concat([numbered.filter(~is_foreign.fill_null(False)), done]).sort("_row").drop("_row")


def _product(amounts: pl.Series, numerators: pl.Series, denominators: pl.Series) -> pl.Series:
    """Multiply amounts by fractions, rounding half to even to the places of an amount."""
    units, by = pl.col("units").cast(pl.Int128), pl.col("by")
    frame = pl.DataFrame({"units": amounts.to_physical(), "times": numerators, "by": denominators})
    largest = frame.select(units.abs().max(), pl.col("times").max()).row(0)
    if (largest[0] or 0) * (largest[1] or 0) >= _INTEGERS:
        return _product_of_large(amounts, numerators, denominators)
    product = units * pl.col("times")
    quotient = product.abs() // by
    rest = 2 * (product.abs() - quotient * by)
    is_up = (rest > by) | ((rest == by) & (quotient % 2 == 1))
    rounded = (quotient + is_up.cast(pl.Int128)).alias("rounded")
    sign = pl.when(product < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    whole, part = (pl.col("rounded") // _ONE).cast(pl.String), (pl.col("rounded") % _ONE).cast(pl.String)
    text = pl.concat_str(pl.col("sign"), whole, pl.lit("."), part.str.zfill(MONEY))
    return frame.select(rounded, sign.alias("sign")).select(text.cast(AMOUNT).alias(amounts.name)).to_series()


def _product_of_large(amounts: pl.Series, numerators: pl.Series, denominators: pl.Series) -> pl.Series:
    """The same where the product may not fit in 128 bits."""
    rows = zip(amounts.to_physical(), numerators, denominators, strict=True)
    rounded = [None if units is None else round(Fraction(units * times, by)) for units, times, by in rows]
    return decimals(pl.Series(amounts.name, rounded, pl.Int128), MONEY)

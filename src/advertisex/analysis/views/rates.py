"""Exchange rates: how much of one currency a unit of another one is, by day."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from advertisex.catalogue.csv_file import CsvTable, opened_table
from advertisex.feeds.words import ISO_4217

#: A day without a rate has the latest one before it, at most this old: markets are closed on weekends and holidays.
OLDEST = timedelta(days=7)

#: The columns of rates: one unit of `from` is `rate` units of `to`.
RATE_COLUMNS: dict[str, pl.DataType] = {
    "date": pl.Date(),
    "from": pl.String(),
    "to": pl.String(),
    "rate": pl.Decimal(38, 12),
}

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RATE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_FORM = "the columns, separated by commas, are date, from, to, rate"


@dataclass(frozen=True, slots=True)
class Rates:
    """Exchange rates to convert amounts with.

    Attributes:
        rows: `RATE_COLUMNS`.
    """

    rows: pl.DataFrame

    def to(self, currency: str) -> pl.DataFrame:
        """The factors that convert other currencies to this one, by day.

        A rate in the other direction divides; where both are given on a day, the direct one is used.

        Returns:
            currency, date, numerator and denominator (Int128), sorted by date: an amount × numerator / denominator is
            the same in the other currency.
        """
        units, one = pl.col("rate").to_physical().cast(pl.Int128), pl.lit(10**12, pl.Int128)
        direct = self.rows.filter(pl.col("to") == currency).select(
            pl.col("from").alias("currency"), "date", numerator=units, denominator=one
        )
        inverse = self.rows.filter(pl.col("from") == currency).select(
            pl.col("to").alias("currency"), "date", numerator=one, denominator=units
        )
        both = pl.concat([direct, inverse]).unique(["currency", "date"], keep="first", maintain_order=True)
        return both.sort("date")


def read_rates(path: Path) -> Rates:
    """Read exchange rates from a CSV file with the columns date, from, to and rate.

    Raises:
        ConfigurationError: the file cannot be read, a column or a value is missing, repeated or invalid, or a pair of
            currencies has two rates on a day.
    """
    with opened_table(path, "the rates", _FORM) as table:
        table.require(RATE_COLUMNS, RATE_COLUMNS, _FORM)
        rows = table.frame(RATE_COLUMNS, lambda values, line: _row(values, line, table))
        again = rows.filter(pl.struct("date", "from", "to").is_duplicated()).sort("line")
        for line in again["line"].tail(1):
            raise table.error(line, "a second rate of the same currencies and day", "give one rate for each day")
    return Rates(rows.drop("line"))


def _row(values: Mapping[str, str], line: int, table: CsvTable) -> tuple[Any, ...]:
    day, rate = values["date"], values["rate"]
    if not _DAY.fullmatch(day):
        raise table.error(line, f"invalid date {day!r}", "write it as 2026-01-31")
    try:
        at = date.fromisoformat(day)
    except ValueError:
        raise table.error(line, f"invalid date {day!r}", "write it as 2026-01-31") from None
    for name in ("from", "to"):
        if values[name] not in ISO_4217:
            raise table.error(line, f"unknown currency {values[name]!r}", "use codes of ISO 4217 in upper case: EUR")
    if values["from"] == values["to"]:
        raise table.error(line, "a rate from a currency to itself", "give two currencies")
    if not _RATE.fullmatch(rate) or not Decimal(rate):
        raise table.error(line, f"invalid rate {rate!r}", "write it as 1.0843, above 0, with at most 12 decimal places")
    return at, values["from"], values["to"], Decimal(rate)

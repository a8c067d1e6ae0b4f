"""What makes the rows of campaigns valid, whatever they were read from."""

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from advertisex.feeds.words import ISO_4217
from advertisex.limits import Limit
from advertisex.model import CAMPAIGN_COLUMNS, RATE_TYPES

MAX_AMOUNT = Limit(10**18, "units", of="a budget or a rate in the catalogue", beyond="an error of the file")
MAX_COUNT = Limit(10**15, "events", of="a booked count in the catalogue", beyond="an error of the file")

_REQUIRED = ("campaign_id", "start", "end")
_AMOUNTS, _COUNTS = ("budget", "rate"), ("impressions", "clicks", "conversions")

_RATE, _RATE_TYPE, _CURRENCY = pl.col("rate"), pl.col("rate_type"), pl.col("currency")
_FLIGHT = "the flight of campaign {campaign_id!r} from {start} UTC"


class Fault(NamedTuple):
    """What is wrong with a row, by its index, and a hint."""

    row: int
    what: str
    hint: str


#: Conditions of an invalid row, with what is wrong, as a template over the columns, and a hint.
_RULES: tuple[tuple[pl.Expr, str, str], ...] = (
    (
        pl.any_horizontal(pl.col(_REQUIRED).is_null()),
        "empty campaign_id, start or end",
        "give all three for each flight",
    ),
    (
        pl.col("start") >= pl.col("end"),
        f"{_FLIGHT} ends at {{end}} UTC",
        "it must end after it starts; a date as end includes that day, a time is excluded",
    ),
    (
        pl.all_horizontal(pl.col(*_AMOUNTS, *_COUNTS).is_null()),
        f"nothing is booked for {_FLIGHT}",
        "give a budget, impressions, clicks, conversions, or a rate",
    ),
    *(
        (~pl.col(name).is_between(0, int(most)), f"invalid {name} {{{name}}}", f"it must be between 0 and {most:,}")
        for names, most in ((_AMOUNTS, MAX_AMOUNT), (_COUNTS, MAX_COUNT))
        for name in names
    ),
    (
        _RATE.is_null() != _RATE_TYPE.is_null(),
        f"{_FLIGHT} has only one of rate and rate_type",
        f"give both, with one of {', '.join(RATE_TYPES)} as rate_type, or none",
    ),
    (
        ~_RATE_TYPE.is_in(RATE_TYPES),
        "unknown rate_type {rate_type!r}",
        f"expected one of {', '.join(RATE_TYPES)}",
    ),
    (
        ~_CURRENCY.is_in(sorted(ISO_4217)),
        "unknown currency {currency!r}",
        "write a code of ISO 4217, such as EUR",
    ),
    (
        _CURRENCY.is_null() & pl.any_horizontal(pl.col(_AMOUNTS).is_not_null()),
        f"{_FLIGHT} has a budget or a rate without a currency",
        "give its currency, such as EUR",
    ),
)


def first_fault(rows: pl.DataFrame) -> Fault | None:
    """The first row that is not valid, by itself or beside the other flights of its campaign.

    Args:
        rows: `CAMPAIGN_COLUMNS`, and any other columns.
    """
    numbered = rows.select(*CAMPAIGN_COLUMNS).with_row_index("row")
    found = next(_first(numbered, _RULES), None)
    return found or next(_first(_beside(numbered), _BESIDE), None)


def _first(rows: pl.DataFrame, rules: tuple[tuple[pl.Expr, str, str], ...]) -> Iterator[Fault]:
    """The faults of the first row that has any."""
    broken = [condition.fill_null(value=False).alias(str(number)) for number, (condition, *_) in enumerate(rules)]
    faulty = rows.with_columns(broken).filter(pl.any_horizontal(map(str, range(len(rules)))))
    for row in faulty.sort("row").head(1).iter_rows(named=True):
        for number, (_, what, hint) in enumerate(rules):
            if row[str(number)]:
                yield Fault(row["row"], what.format_map(row), hint)


#: The same for flights in the order of their start, beside the one before and the first currency of their campaign.
_BESIDE = (
    (
        pl.col("start") < pl.col("previous_end"),
        f"{_FLIGHT} overlaps another one, which ends at {{previous_end}} UTC",
        "flights of a campaign must not overlap: a date as end includes that day",
    ),
    (
        pl.col("first_currency") != _CURRENCY,
        "campaign {campaign_id!r} has flights in {first_currency} and in {currency}",
        "give all flights of a campaign in one currency",
    ),
)


def _beside(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        previous_end=pl.col("end").shift().over("campaign_id", order_by=["start", "row"]),
        first_currency=_CURRENCY.drop_nulls().first().over("campaign_id"),
    )

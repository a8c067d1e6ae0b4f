"""The rules that feeds share, each one Polars expression with its reason code.

Columns they see: the standardised ones, and `raw.NAME` (text as it came) for fields that are not text.
`raw.*` and `host` are dropped before an event is stored.
"""

from collections.abc import Iterable
from datetime import UTC

import polars as pl

from advertisex.feeds.feed import Field, Rule, TimeReading

#: Texts that stand for "no user" in the wild; counting them as one makes a giant user that is nobody.
PLACEHOLDERS = (
    "null", "(null)", "<null>", "none", "nil", "undefined", "nan", "n/a", "-", "--", "0", "unknown",
    "[object object]", "00000000-0000-0000-0000-000000000000",
)  # fmt: skip

#: One row stands for at most so many clicks or conversions.
MAX_COUNT = 1_000_000_000

#: One row is worth at most so much of its currency: a sum of such, in millionths, is exact.
MAX_AMOUNT = 1_000_000_000_000

_CONTROL = r"[\x00-\x1f\x7f-\x9f]"


def missing(field: Field) -> Rule:
    """A required field that is absent, null or empty."""
    column = raw(field)
    return Rule("missing_field", field.name, column.is_null() | (column == ""), "must be given")


def raw(field: Field) -> pl.Expr:
    """The text of a field as it came."""
    return pl.col(field.name if field.kind == "text" else f"raw.{field.name}")


def wrong_type(field: Field) -> Rule:
    """A count or an amount that is not a number."""
    noun = "a whole number" if field.kind == "count" else "a number"
    given = raw(field).is_not_null() & (raw(field) != "")
    return Rule("wrong_type", field.name, given & pl.col(field.name).is_null(), f"must be {noun}")


def bad_timestamp(field: Field) -> Rule:
    """A timestamp that none of the known notations reads."""
    return Rule("bad_timestamp", field.name, pl.col("event_time").is_null(), "must be a timestamp in a known notation")


def out_of_range(field: Field, times: TimeReading) -> Rule:
    """A timestamp before the earliest believed moment, or later than its ingestion allows."""
    time = pl.col("event_time")
    earliest = times.earliest.astimezone(UTC).replace(tzinfo=None)
    broken = (time < earliest) | (time > pl.col("ingested_at") + times.future)
    hours = times.future.total_seconds() / 3600
    says = f"must be after {earliest:%Y-%m-%d}, and at most {hours:g} hours later than its ingestion"
    return Rule("timestamp_out_of_range", field.name, broken, says)


def bad_website(field: Field) -> Rule:
    """A website that is neither an http(s) URL nor a bare host."""
    broken = pl.col(field.name).is_not_null() & pl.col("host").is_null()
    return Rule("bad_website", field.name, broken, "must be an http(s) URL or a host name")


def placeholder(field: Field) -> Rule:
    """A user id that stands for no user."""
    broken = pl.col(field.name).str.to_lowercase().is_in(PLACEHOLDERS)
    return Rule("placeholder_user_id", field.name, broken, "must be a user, not a placeholder")


def control_character(field: Field) -> Rule:
    """A control character (Unicode category Cc) in an identifier."""
    return Rule(
        "control_character",
        field.name,
        pl.col(field.name).str.contains(_CONTROL),
        "must hold no control character",
    )


def negative(field: Field) -> Rule:
    """A count below zero."""
    return Rule("negative_count", field.name, pl.col(field.name) < 0, "must not be negative")


def too_large(field: Field) -> Rule:
    """A count that no row of a log can stand for; a sum of such would overflow."""
    return Rule("count_too_large", field.name, pl.col(field.name) > MAX_COUNT, f"must be at most {MAX_COUNT:,}")


def bad_amount(field: Field) -> Rule:
    """A money amount that is negative, NaN or infinite."""
    amount = pl.col(field.name)
    return Rule("bad_amount", field.name, (amount < 0) | ~amount.is_finite(), "must be finite and not negative")


def too_much(field: Field) -> Rule:
    """A money amount that nobody pays; sums of such could not be exact."""
    return Rule("amount_too_large", field.name, pl.col(field.name) > MAX_AMOUNT, f"must be at most {MAX_AMOUNT:,}")


def usual_rules(fields: Iterable[Field], times: TimeReading) -> tuple[Rule, ...]:
    """The rules that follow from the kinds of the fields, in the order in which they are tried."""
    fields = tuple(fields)
    time = next(f for f in fields if f.kind == "time")
    numbers = [f for f in fields if f.kind in ("count", "amount")]
    return (
        *(missing(f) for f in fields if f.required),
        *(wrong_type(f) for f in numbers),
        bad_timestamp(time),
        out_of_range(time, times),
        *(bad_website(f) for f in fields if f.name == "website"),
        *(placeholder(f) for f in fields if f.name == "user_id"),
        *(control_character(f) for f in fields if f.is_id),
        *(negative(f) for f in numbers if f.kind == "count"),
        *(too_large(f) for f in numbers if f.kind == "count"),
        *(bad_amount(f) for f in numbers if f.kind == "amount"),
        *(too_much(f) for f in numbers if f.kind == "amount"),
    )

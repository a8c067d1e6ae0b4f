"""The validation rules that feeds share. Each is a Polars expression with a reason code.

Rules see the standardised columns, `ingested_at`, and `raw.NAME` (the text as sent) for fields that are not text.
`raw.*` and `host` are dropped before an event is stored.
"""

from collections.abc import Iterable
from datetime import UTC

import polars as pl

from advertisex.feeds.feed import Field, Rule, TimeReading

#: Values that sources send for "no user". Accepting one would merge all such users into one.
PLACEHOLDERS = (
    "null", "(null)", "<null>", "none", "nil", "undefined", "nan", "n/a", "-", "--", "0", "unknown",
    "[object object]", "00000000-0000-0000-0000-000000000000",
)  # fmt: skip

#: Maximum number of clicks or conversions in one row.
MAX_COUNT = 1_000_000_000

#: Maximum amount in one row, in units of its currency. Sums of such amounts, in millionths, are exact.
MAX_AMOUNT = 1_000_000_000_000

_CONTROL = r"[\x00-\x1f\x7f-\x9f]"


def missing(field: Field) -> Rule:
    """A required field is absent, null or empty."""
    column = raw(field)
    return Rule("missing_field", field.name, column.is_null() | (column == ""), "must be given")


def raw(field: Field) -> pl.Expr:
    """Return the column with the text of a field as sent."""
    return pl.col(field.name if field.is_text else f"raw.{field.name}")


def wrong_type(field: Field) -> Rule:
    """A count or an amount is not a number."""
    noun = "a whole number" if field.kind == "count" else "a number"
    given = raw(field).is_not_null() & (raw(field) != "")
    return Rule("wrong_type", field.name, given & pl.col(field.name).is_null(), f"must be {noun}")


def bad_timestamp(field: Field) -> Rule:
    """A timestamp is in none of the supported formats."""
    return Rule(
        "bad_timestamp", field.name, pl.col("event_time").is_null(), "must be a timestamp in a supported format"
    )


def out_of_range(field: Field, times: TimeReading) -> Rule:
    """A timestamp is before the earliest accepted instant, or too far after its ingestion."""
    time = pl.col("event_time")
    earliest = times.earliest.astimezone(UTC).replace(tzinfo=None)
    broken = (time < earliest) | (time > pl.col("ingested_at") + times.future)
    hours = times.future.total_seconds() / 3600
    description = f"must not be before {earliest:%Y-%m-%d} or more than {hours:g} hours after its ingestion"
    return Rule("timestamp_out_of_range", field.name, broken, description)


def bad_website(field: Field) -> Rule:
    """A website is neither an http(s) URL nor a host name."""
    broken = pl.col(field.name).is_not_null() & pl.col("host").is_null()
    return Rule("bad_website", field.name, broken, "must be an http(s) URL or a host name")


def placeholder(field: Field) -> Rule:
    """A user id is a placeholder such as `null` or `undefined`."""
    broken = pl.col(field.name).str.to_lowercase().is_in(PLACEHOLDERS)
    return Rule("placeholder_user_id", field.name, broken, "must be a user id, not a placeholder")


def control_character(field: Field) -> Rule:
    """An identifier contains a control character (Unicode category Cc)."""
    return Rule(
        "control_character",
        field.name,
        pl.col(field.name).str.contains(_CONTROL),
        "must not contain control characters",
    )


def negative(field: Field) -> Rule:
    """A count is negative."""
    return Rule("negative_count", field.name, pl.col(field.name) < 0, "must not be negative")


def count_too_large(field: Field) -> Rule:
    """A count is implausibly large; sums of such counts would overflow."""
    return Rule("count_too_large", field.name, pl.col(field.name) > MAX_COUNT, f"must be at most {MAX_COUNT:,}")


def bad_amount(field: Field) -> Rule:
    """An amount of money is negative, NaN or infinite."""
    amount = pl.col(field.name)
    return Rule("bad_amount", field.name, (amount < 0) | ~amount.is_finite(), "must be finite and not negative")


def amount_too_large(field: Field) -> Rule:
    """An amount of money is implausibly large; sums of such amounts would not be exact."""
    return Rule("amount_too_large", field.name, pl.col(field.name) > MAX_AMOUNT, f"must be at most {MAX_AMOUNT:,}")


def default_rules(fields: Iterable[Field], times: TimeReading) -> tuple[Rule, ...]:
    """Return the rules implied by the kinds of the fields, in the order of evaluation."""
    fields = tuple(fields)
    time = next(f for f in fields if f.kind == "time")
    numbers = [f for f in fields if f.kind in ("count", "amount")]
    return (
        *(missing(f) for f in fields if f.required),
        *(wrong_type(f) for f in numbers),
        bad_timestamp(time),
        out_of_range(time, times),
        *(bad_website(f) for f in fields if f.kind == "website"),
        *(placeholder(f) for f in fields if f.kind == "user"),
        *(control_character(f) for f in fields if f.is_id),
        *(negative(f) for f in numbers if f.kind == "count"),
        *(count_too_large(f) for f in numbers if f.kind == "count"),
        *(bad_amount(f) for f in numbers if f.kind == "amount"),
        *(amount_too_large(f) for f in numbers if f.kind == "amount"),
    )

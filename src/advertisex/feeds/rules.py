"""The validation rules that feeds share. Each is a Polars expression with a reason code.

Rules see the standardised columns, `ingested_at`, and `raw.NAME` (the text as sent; null for a missing value) for
fields that are not text.
`raw.*` and `host` are dropped before an event is stored.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC

import polars as pl

from advertisex.feeds.feed import Feed, Field, OwnKind, Rule, TimeReading
from advertisex.feeds.words import MISSING
from advertisex.limits import Limit
from advertisex.times import micros_of

#: Values that sources send for "no user". Accepting one would merge all such users into one.
PLACEHOLDERS = (*filter(None, MISSING), "0", "(null)", "<null>", "nil", "undefined", "unknown", "[object object]")
#: An advertising id of zeros: its owner has switched it off.
_ZEROS = r"^[0-]{32,}$"

MAX_COUNT = Limit(1_000_000_000, "events", of="the count in one row of the clicks feed", beyond="rejected")

MAX_AMOUNT = Limit(10**18, "units", of="an amount in one row", beyond="rejected")

#: Lucene, and so Elasticsearch, indexes no longer id, and DuckDB holds 2,048 values of a column in memory at once.
MAX_TEXT = Limit(32_766, "bytes", of="the text in one field", beyond="rejected as `text_too_long`")

#: A decimal number, and the texts of floating-point values that are not one.
NUMBER = r"(?i)^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$"
#: The text of a number below zero, also of one that rounds to zero.
_BELOW_ZERO = r"^-[0.]*[1-9]"
_NOT_FINITE = r"(?i)^[+-]?(?:nan|inf|infinity)$"
#: A number whose last three digits may be a group of thousands or decimals, and one with several groups.
GROUPED = r"^[+-]?[1-9][0-9]{0,2}(?:[.,][0-9]{3})+$"
_AMBIGUOUS = (
    "must be a whole number without groups of digits, which could be decimals: "
    "name the separators with --decimal or --thousands"
)
#: What a value must be, by kind.
_EXPECTED: dict[str, str] = {
    "count": "a whole number",
    "amount": "a number such as 1234.5: name other marks with --decimal and --thousands, drop currency signs",
    "flag": "true or false",
}
#: A number as spreadsheets write it from 12 digits on; other texts with an e, such as 1e10, are ids.
_SCIENTIFIC = r"^-?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,}$"

#: Kinds whose text may be something else.
_PARSED = ("count", "amount", "flag")

_CONTROL = r"[\x00-\x1f\x7f-\x9f]"


def missing(field: Field) -> Rule:
    """A required field is absent, null, empty, or spelled as a missing value (`MISSING`)."""
    return Rule("missing_field", field.name, raw(field).is_null(), "must be given")


def raw(field: Field) -> pl.Expr:
    """Return the column with the text of a field as sent."""
    return pl.col(field.name if field.is_text else f"raw.{field.name}")


def unread(field: Field) -> Iterator[Rule]:
    """The rules for a count, an amount or a flag that is something else."""
    broken = raw(field).is_not_null() & pl.col(field.name).is_null()
    if field.kind == "count":
        yield Rule("ambiguous_number", field.name, broken & raw(field).str.contains(GROUPED), _AMBIGUOUS)
    if field.kind == "amount":
        broken &= ~raw(field).str.contains(NUMBER) & ~raw(field).str.contains(_NOT_FINITE)
    yield Rule("wrong_type", field.name, broken, f"must be {_EXPECTED[field.kind]}")


def bad_timestamp(field: Field) -> Rule:
    """A timestamp is in none of the supported formats."""
    return Rule(
        "bad_timestamp",
        field.name,
        pl.col("event_time").is_null(),
        "must be a timestamp in a supported format: name another one with --time-format",
    )


def out_of_range(field: Field, times: TimeReading) -> Rule:
    """A timestamp is before the earliest accepted instant, or too far after its ingestion."""
    time = pl.col("event_time")
    earliest = times.earliest.astimezone(UTC)
    # as an integer: Polars casts a literal datetime at once, and starts its threads for it
    broken = (time < pl.lit(micros_of(earliest)).cast(pl.Datetime("us"))) | (
        time > pl.col("ingested_at") + times.future
    )
    hours = times.future.total_seconds() / 3600
    description = f"must not be before {earliest:%Y-%m-%d} or more than {hours:g} hours after its ingestion"
    return Rule("timestamp_out_of_range", field.name, broken, description)


def bad_website(field: Field) -> Rule:
    """A website is neither an http(s) URL nor a host name."""
    broken = pl.col(field.name).is_not_null() & pl.col("host").is_null()
    return Rule("bad_website", field.name, broken, "must be an http(s) URL or a host name")


def placeholder(field: Field) -> Rule:
    """A user id is a placeholder such as `null` or `undefined`."""
    broken = pl.col(field.name).str.to_lowercase().is_in(PLACEHOLDERS) | pl.col(field.name).str.contains(_ZEROS)
    return Rule("placeholder_user_id", field.name, broken, "must be a user id, not a placeholder")


def control_character(field: Field) -> Rule:
    """An identifier contains a control character (Unicode category Cc)."""
    return Rule(
        "control_character",
        field.name,
        pl.col(field.name).str.contains(_CONTROL),
        "must not contain control characters",
    )


def scientific_notation(field: Field) -> Rule:
    """An identifier is a number in scientific notation: a spreadsheet has dropped its last digits."""
    return Rule(
        "scientific_notation",
        field.name,
        pl.col(field.name).str.contains(_SCIENTIFIC),
        "must have all its digits: export the column as text",
    )


def too_long(field: Field) -> Rule:
    """A text is implausibly long; stores would need much memory for many of them."""
    broken = pl.col(field.name).str.len_bytes() > MAX_TEXT
    return Rule("text_too_long", field.name, broken, f"must have at most {MAX_TEXT:,} bytes")


def negative(field: Field) -> Rule:
    """A count is negative."""
    return Rule("negative_count", field.name, pl.col(field.name) < 0, "must not be negative")


def count_too_large(field: Field) -> Rule:
    """A count is implausibly large; sums of such counts would overflow."""
    return Rule("count_too_large", field.name, pl.col(field.name) > MAX_COUNT, f"must be at most {MAX_COUNT:,}")


def bad_amount(field: Field, may_be_negative: pl.Expr | None = None) -> Rule:
    """An amount of money is NaN, infinite, or negative where it must not be."""
    is_negative = raw(field).str.contains(_BELOW_ZERO)
    if may_be_negative is not None:
        is_negative &= ~may_be_negative.fill_null(value=False)
    broken = is_negative | raw(field).str.contains(_NOT_FINITE)
    return Rule("bad_amount", field.name, broken, "must be finite and not negative")


def amount_too_large(field: Field) -> Rule:
    """An amount of money is implausibly large; sums of such amounts would not be exact."""
    unread = pl.col(field.name).is_null() & raw(field).str.contains(NUMBER)
    broken = (pl.col(field.name).abs() > MAX_AMOUNT) | unread
    return Rule("amount_too_large", field.name, broken, f"must be between -{MAX_AMOUNT:,} and {MAX_AMOUNT:,}")


def default_rules(
    fields: Iterable[Field], times: TimeReading, may_be_negative: Mapping[str, pl.Expr] | None = None
) -> tuple[Rule, ...]:
    """Return the rules implied by the kinds of the fields, in the order of evaluation.

    Args:
        fields: the fields of a feed.
        times: which timestamps are accepted.
        may_be_negative: for an amount, in which rows it may be negative (Boolean expression).
    """
    fields = tuple(fields)
    time = next(f for f in fields if f.kind == "time")
    return (
        *(missing(f) for f in fields if f.required),
        *(rule for f in fields if f.kind in _PARSED for rule in unread(f)),
        bad_timestamp(time),
        out_of_range(time, times),
        *(bad_website(f) for f in fields if f.kind == "website"),
        *(placeholder(f) for f in fields if f.kind == "user"),
        *(control_character(f) for f in fields if f.is_id),
        *(scientific_notation(f) for f in fields if f.is_id),
        *(too_long(f) for f in fields if f.is_text),
        *(rule for f in fields for rule in _bounds(f, may_be_negative or {})),
    )


def with_own_fields(feed: Feed, own: Mapping[str, OwnKind]) -> Feed:
    """Return the feed with further stored fields, given as name -> kind, and the rules of their kinds."""
    added = tuple(Field(name, kind, f"own field: {kind}") for name, kind in own.items())
    rules = [rule for f in added if f.kind in _PARSED for rule in unread(f)]
    rules += [too_long(f) for f in added if f.is_text]
    rules += [rule for f in added for rule in _bounds(f, {})]
    return replace(feed, fields=(*feed.fields, *added), rules=(*feed.rules, *rules))


def _bounds(field: Field, may_be_negative: Mapping[str, pl.Expr]) -> Iterator[Rule]:
    """The rules on the value of a number."""
    if field.kind == "count":
        yield from (negative(field), count_too_large(field))
    if field.kind == "amount":
        yield from (bad_amount(field, may_be_negative.get(field.name)), amount_too_large(field))

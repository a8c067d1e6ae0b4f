"""Standardise stage: parses text into typed columns with one meaning for all sources.

Nothing is rejected here: a text that cannot be parsed becomes null beside its `raw.NAME`, for the validate stage.
A missing value, however it is spelled, is null in both.
"""

import polars as pl

from advertisex.feeds import Feed, Field
from advertisex.feeds.feed import AMOUNT
from advertisex.feeds.rules import GROUPED, NUMBER
from advertisex.feeds.words import FALSE, ISO_4217, TRUE
from advertisex.processing.missing import missing
from advertisex.processing.timestamps import read_timestamps
from advertisex.processing.websites import read_hosts

#: A whole number, also with decimals that are zero: a column of counts with gaps is often written as decimal numbers.
_WHOLE = r"^[+-]?[0-9]+(?:\.0+)?$"
_CODE = r"^[A-Za-z]{3}$"  # ASCII only: other letters can become ASCII in upper case


def standardise(decoded: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """Parse the text columns of a decoded frame.

    Returns:
        `row`, the feed's text columns, `event_time` (µs, UTC), counts (i64), amounts (Decimal, rounded half to even at
        12 places), flags (Boolean), and `raw.NAME` (String) for each field that is not text; if the feed has a website,
        also `host` (String, null if invalid). Currency codes become upper case. A placeholder for a user stays.
    """
    typed = [f for f in feed.fields if not f.is_text]
    given = decoded.with_columns(_given(decoded[f.name], f) for f in feed.fields)
    frame = given.with_columns(
        *(pl.col(f.name).alias(f"raw.{f.name}") for f in typed),
        *(_parsed(f) for f in typed if f.kind != "time"),
    ).with_columns(_currency(f.name) for f in feed.fields if f.kind == "currency")
    time = next(f for f in feed.fields if f.kind == "time")
    columns = [read_timestamps(frame[time.name], feed.times).alias("event_time")]
    columns += [read_hosts(frame[f.name]) for f in feed.fields if f.kind == "website"]
    frame = frame.drop(time.name).with_columns(columns)
    return frame.with_columns(computed.value.alias(computed.column) for computed in feed.computed)


def _given(text: pl.Series, field: Field) -> pl.Series:
    """The texts, with null for a missing value."""
    absent = text.fill_null("") == "" if field.kind == "user" else missing(text)
    return text if absent.sum() == text.null_count() else text.set(absent, None)


def _parsed(field: Field) -> pl.Expr:
    text = pl.col(field.name)
    match field.kind:
        case "count":
            whole = text.str.extract(r"^[+]?(-?[0-9]+)").cast(pl.Int64, strict=False)
            is_whole = text.str.contains(_WHOLE) & ~text.str.contains(GROUPED)
            return pl.when(is_whole).then(whole).alias(field.name)
        case "flag":
            lower = text.str.to_lowercase()
            return pl.when(lower.is_in(TRUE)).then(True).when(lower.is_in(FALSE)).then(False).alias(field.name)
        case _:
            # Polars rounds half to even, as IEEE 754 and Python's decimal do; -0 becomes 0
            return pl.when(text.str.contains(NUMBER)).then(text.cast(AMOUNT, strict=False)).alias(field.name)


def _currency(name: str) -> pl.Expr:
    """An ISO 4217 code in upper case; other text as sent."""
    upper = pl.col(name).str.to_uppercase()
    return (
        pl.when(pl.col(name).str.contains(_CODE) & upper.is_in(list(ISO_4217))).then(upper).otherwise(name).alias(name)
    )

"""Standardise stage: parses text into typed columns with one meaning for all sources.

Nothing is rejected here: a text that cannot be parsed becomes null beside its `raw.NAME`, for the validate stage.
"""

import polars as pl

from advertisex.feeds import Feed, Field
from advertisex.processing.timestamps import read_timestamps
from advertisex.processing.websites import read_hosts

_WHOLE = r"^[+-]?[0-9]+(?:\.0+)?$"
_NUMBER = r"(?i)^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf|infinity)$"


def standardise(decoded: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """Parse the text columns of a decoded frame.

    Returns:
        `row`, the feed's text columns, `event_time` (µs, UTC), counts (i64), amounts (f64), and
        `raw.NAME` (String) for each field that is not text; if the feed has a website, also `host` (String, null if
        invalid). Empty optional text becomes null.
    """
    optional = [f.name for f in feed.fields if f.is_text and not f.required]
    typed = [f for f in feed.fields if not f.is_text]
    frame = decoded.with_columns(
        *(pl.when(pl.col(name) != "").then(name).alias(name) for name in optional),
        *(pl.col(f.name).alias(f"raw.{f.name}") for f in typed),
        *(_number(f) for f in typed if f.kind != "time"),
    )
    time = next(f for f in feed.fields if f.kind == "time")
    columns = [read_timestamps(frame[time.name], feed.times).alias("event_time")]
    columns += [read_hosts(frame[f.name]) for f in feed.fields if f.kind == "website"]
    frame = frame.drop(time.name).with_columns(columns)
    return frame.with_columns(computed.value.alias(computed.column) for computed in feed.computed)


def _number(field: Field) -> pl.Expr:
    text = pl.col(field.name)
    if field.kind == "count":
        whole = text.str.extract(r"^[+]?(-?[0-9]+)")
        return pl.when(text.str.contains(_WHOLE)).then(whole.cast(pl.Int64, strict=False)).alias(field.name)
    number = text.cast(pl.Float64, strict=False)
    number = pl.when(number == 0).then(0.0).otherwise(number)  # -0 is 0: one event must not become two
    return pl.when(text.str.contains(_NUMBER)).then(number).alias(field.name)

"""Identify stage: an event's id is a hash of its content, so that writing it twice is a no-op.

`event_id` is the 128-bit XXH3 of the feed's name and the identity columns in canonical form: each as its length in
bytes, a colon and its text (a netstring), and `~` for null; times as microseconds since the epoch, amounts without
trailing zeros. The encoding is unambiguous at field borders.

`user_slice` is the 64-bit XXH3 of the user id modulo 4096.
"""

import polars as pl
from xxhash import xxh3_64_intdigest, xxh3_128_digest

from advertisex.feeds import Feed
from advertisex.model import USER_SLICES


def identify(events: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """Add `event_id` (Binary, 16 bytes) and `user_slice` (Int16, from 0 to 4095)."""
    canonical = events.select(_canonical(events, feed)).to_series().cast(pl.Binary)
    ids = list(map(xxh3_128_digest, canonical.to_list()))
    hashes = list(map(xxh3_64_intdigest, events["user_id"].cast(pl.Binary).to_list()))
    slices = pl.Series("user_slice", hashes, dtype=pl.UInt64) % USER_SLICES
    return events.with_columns(pl.Series("event_id", ids, dtype=pl.Binary), slices.cast(pl.Int16))


def first_of_each(identified: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first row of each `event_id`, and the repeated rows; both in order."""
    first = identified["event_id"].is_first_distinct()
    return (identified, identified.clear()) if first.all() else (identified.filter(first), identified.filter(~first))


def _canonical(events: pl.DataFrame, feed: Feed) -> pl.Expr:
    parts: list[pl.Expr] = [pl.lit(f"{feed.name};")]
    for name in feed.identity:
        text = _text(name, events.schema[name])
        nulls = events[name].null_count()
        if 0 < nulls == events.height:
            parts.append(pl.lit("~"))
        elif nulls:
            netstring = pl.concat_str(text.str.len_bytes().cast(pl.String), pl.lit(":"), text)
            parts.append(netstring.fill_null("~"))
        else:
            parts += [text.str.len_bytes().cast(pl.String), pl.lit(":"), text]
    return pl.concat_str(parts)


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Datetime:
        return column.dt.timestamp("us").cast(pl.String)
    text = column if dtype == pl.String else column.cast(pl.String)
    # the text of an amount has 12 decimal places
    return text.str.strip_chars_end("0").str.strip_chars_end(".") if dtype == pl.Decimal else text

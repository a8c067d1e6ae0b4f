"""Identify stage: an event's id is a hash of its content, so that writing it twice is a no-op.

`event_id` is the 128-bit XXH3 of the feed's name and the identity columns in canonical form: each as its length in
bytes, a colon and its text (a netstring), and `~` for null; times as microseconds since the epoch. The encoding is
unambiguous at field borders.
"""

import polars as pl
from xxhash import xxh3_128_digest

from advertisex.feeds import Feed


def identify(events: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """Add `event_id` (Binary, 16 bytes)."""
    canonical = events.select(_canonical(events, feed)).to_series().cast(pl.Binary)
    ids = list(map(xxh3_128_digest, canonical.to_list()))
    return events.with_columns(pl.Series("event_id", ids, dtype=pl.Binary))


def first_of_each(identified: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The first row of each `event_id`, in order, and the number of repeated rows."""
    first = identified["event_id"].is_first_distinct()
    repeated = len(first) - int(first.sum())
    return (identified.filter(first) if repeated else identified), repeated


def _canonical(events: pl.DataFrame, feed: Feed) -> pl.Expr:
    parts: list[pl.Expr] = [pl.lit(f"{feed.name};")]
    for name in feed.identity:
        text = _text(name, events.schema[name])
        if events[name].null_count():
            netstring = pl.concat_str(text.str.len_bytes().cast(pl.String), pl.lit(":"), text)
            parts.append(netstring.fill_null("~"))
        else:
            parts += [text.str.len_bytes().cast(pl.String), pl.lit(":"), text]
    return pl.concat_str(parts)


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Datetime:
        return column.dt.timestamp("us").cast(pl.String)
    return column if dtype == pl.String else column.cast(pl.String)

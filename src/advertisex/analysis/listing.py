"""The events behind a number, one by one: whose each is, and where its message is, so that others can look it up."""

from datetime import datetime, timedelta

import polars as pl

from advertisex.analysis.events import events
from advertisex.analysis.lean import hexadecimal
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore, Range

#: So many events are listed for each reason unless told otherwise; all are counted.
LISTED = 100

#: What is listed of an event, but for why it is.
_SHOWN = ["feed", "event_time", "event_id", "user_id", "campaign_id", "topic", "partition", "offset"]
_LAST = datetime.max  # noqa: DTZ901 - UTC without a zone, as all times here


def earliest(found: pl.DataFrame, limit: int) -> pl.DataFrame:
    """The first rows by event_time and event_id, at most `limit`."""
    return found.bottom_k(limit, by=["event_time", "event_id"]).sort("event_time", "event_id")


def listed(store: EventStore, chosen: pl.DataFrame) -> pl.DataFrame:
    """Read events again, with all that is shown of them.

    Only here do ids become text, and only the events' own range is read: what is doubted may be millions.

    Args:
        store: where they are.
        chosen: feed, event_time, event_id (UInt128, see `lean`), and what else says why they are listed.

    Returns:
        The same rows: what else they have, then feed, event_time, event_id (as text), user_id, campaign_id, topic,
        partition (i32) and offset (i64).
    """
    asked = chosen.with_columns(hexadecimal(chosen["event_id"]))
    known = [_read(store, feed, asked.filter(pl.col("feed") == feed)) for feed in FEEDS]
    rows = asked.join(pl.concat(known), on=["feed", "event_id"], how="left", maintain_order="left")
    return rows.select(pl.exclude(_SHOWN), *_SHOWN)


def _read(store: EventStore, feed: str, asked: pl.DataFrame) -> pl.DataFrame:
    ids = asked["event_id"].str.decode("hex").unique()
    within = Range(_LAST) if asked.is_empty() else _around(asked["event_time"].sort())
    names = ["event_id", "user_id", "campaign_id", "topic", "partition", "offset"]
    rows = events(store, feed, names, within, pl.col("event_id").is_in(ids.implode()))
    return rows.with_columns(pl.col("event_id").bin.encode("hex"), feed=pl.lit(feed))


def _around(rising: pl.Series) -> Range:
    """All these times; ids are unique, so that no other bound is needed."""
    first, last = rising[0], rising[-1]
    return Range(first, None if last == _LAST else last + timedelta(microseconds=1))

"""Lists the events behind a number, with their user, campaign and log position, so that they can be looked up."""

from datetime import datetime, timedelta

import polars as pl

from advertisex.analysis.scan import events, hexadecimal
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore, Range

#: Default limit of listed events for each reason. Counts always cover all events.
LISTED = 100

#: The listed columns, besides the reason.
_SHOWN = ["feed", "event_time", "event_id", "user_id", "campaign_id", "topic", "partition", "offset"]
_LAST = datetime.max  # noqa: DTZ901 - naive UTC, like all times here


def earliest(found: pl.DataFrame, limit: int) -> pl.DataFrame:
    """Return the first `limit` rows by event_time and event_id."""
    return found.bottom_k(limit, by=["event_time", "event_id"]).sort("event_time", "event_id")


def listed(store: EventStore, chosen: pl.DataFrame, as_of: datetime | None) -> pl.DataFrame:
    """Look up the full details of selected events.

    Millions of events may be suspect, so ids become text only here, and only for the events to list.

    Args:
        store: the event store.
        chosen: feed, event_time, event_id (UInt128, see `EVENT_ID`), and columns that give the reason.
        as_of: the time that the question is answered as of; the catalogue of that time gives the campaign.

    Returns:
        The same rows: the columns that give the reason, then feed, event_time, event_id (hexadecimal text), user_id,
        campaign_id, topic, partition (i32) and offset (i64).
    """
    requested = chosen.with_columns(hexadecimal(chosen["event_id"]))
    known = [_read(store, feed, requested.filter(pl.col("feed") == feed), as_of) for feed in FEEDS]
    rows = requested.join(pl.concat(known), on=["feed", "event_id"], how="left", maintain_order="left")
    return rows.select(pl.exclude(_SHOWN), *_SHOWN)


def _read(store: EventStore, feed: str, requested: pl.DataFrame, as_of: datetime | None) -> pl.DataFrame:
    ids = requested["event_id"].str.decode("hex").unique()
    within = covering(requested["event_time"].sort(), as_of)
    names = ["event_id", "user_id", "campaign_id", "topic", "partition", "offset"]
    rows = events(store, feed, names, within, pl.col("event_id").is_in(ids.implode()))
    return rows.with_columns(pl.col("event_id").bin.encode("hex"), feed=pl.lit(feed))


def covering(ordered: pl.Series, as_of: datetime | None) -> Range:
    """The range from the first to the last of these times, both inclusive; without any, one without events."""
    if ordered.is_empty():
        return Range(_LAST)
    first, last = ordered[0], ordered[-1]
    return Range(first, None if last == _LAST else last + timedelta(microseconds=1), as_of)

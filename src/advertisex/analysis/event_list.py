"""The events behind a number: those that count as impressions, clicks, conversions or bids within a scope.

    events   stored events of the feed that count as this, each of which may count several
    count    the sum of what they count: the number that other questions give for the same scope

Each event is named by the position of its message in the log, so that the message can be looked up.
"""

from datetime import timedelta

import polars as pl

from advertisex.analysis.answer import Answer, Table, horizons
from advertisex.analysis.arguments import check_limit, one_of
from advertisex.analysis.listing import LISTED, covering, earliest
from advertisex.analysis.scan import EVENT_ID, events, hexadecimal, readable, scan_frames
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

DEFINITION = "events/1"

#: What can be counted: the feed, and the column that says how many an event counts; None: each event counts one.
COUNTED: dict[str, tuple[str, str | None]] = {
    "impressions": ("impressions", None),
    "clicks": ("clicks", "clicks"),
    "conversions": ("clicks", "conversions"),
    "bids": ("bids", None),
}
_POSITION = pl.format("{}/{}/{}", "topic", "partition", "offset").alias("message")
_LEFT_OUT = ("event_id", "user_slice", "topic", "partition", "offset")


def list_events(store: EventStore, scope: Scope = Scope(), *, of: str = "impressions", limit: int = LISTED) -> Answer:
    """List the events behind a number, the first ones by time.

    Args:
        store: the event store.
        scope: selects the events.
        of: what they count as, one of `COUNTED`.
        limit: maximum number of events listed.

    Returns:
        Facts: events and count (i64), see above. Table `rows`, by event time: message (text: topic, partition and
        offset), event_time, the fields of the feed with those of the catalogue, ingested_at and processed_at.

    Raises:
        ConfigurationError: the scope, `of` or the limit is invalid.
        AnalysisError: the scope contains no such events.
    """
    check_limit(limit)
    feed, counted = COUNTED[one_of(of, list(COUNTED), "of (--of)")]
    scope = check_scope(scope, store, [feed])
    number = pl.lit(1, pl.Int64) if counted is None else pl.col(counted)
    columns = (pl.col("event_time"), EVENT_ID, number.alias("number"))
    first, read, found, count = pl.DataFrame(), 0, 0, 0
    for frame in scan_frames(store, feed, scope, *columns):
        counting = frame.filter(pl.col("number") > 0)
        first = earliest(pl.concat([first, counting], how="diagonal"), limit)
        read, found, count = read + frame.height, found + counting.height, count + int(counting["number"].sum())
    if not found:
        raise AnalysisError(f"no {of} found", where=scope.text())
    return Answer(
        question="events",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, [feed]),
        computed_from={feed: read},
        parameters={"of": of},
        facts={"events": found, "count": count},
        tables=[_table(of, _whole(store, feed, scope, first), found)],
        lookback=timedelta(0),
    )


def _table(of: str, rows: pl.DataFrame, found: int) -> Table:
    texts = [name for name, dtype in rows.schema.items() if dtype == pl.String and name != "message"]
    return Table("rows", of.capitalize(), rows, ("message",), found, "--limit", prose=tuple(texts))


def _whole(store: EventStore, feed: str, scope: Scope, first: pl.DataFrame) -> pl.DataFrame:
    """Look up all columns of events; only those that are listed become text."""
    known = readable(store, feed)
    shown = [name for name in known if name not in ("event_time", "ingested_at", "processed_at", *_LEFT_OUT)]
    times = ["ingested_at", "processed_at"]
    ids = hexadecimal(first["event_id"]).str.decode("hex")
    within = covering(first["event_time"], scope.as_of)
    rows = events(store, feed, list(known), within, pl.col("event_id").is_in(ids.implode()))
    return rows.sort("event_time", "event_id").select(_POSITION, "event_time", *shown, *times)

"""The tables of the embedded store, with a comment on every table and column, because users query them with SQL."""

from collections.abc import Iterator, Mapping

import duckdb
import polars as pl

from advertisex.feeds import FEEDS, Feed
from advertisex.feeds.feed import AMOUNT
from advertisex.stores.format import FORMAT, field_changed

_TYPES: dict[pl.DataType, str] = {
    pl.String(): "VARCHAR",
    pl.Int64(): "BIGINT",
    AMOUNT: "DECIMAL(38,12)",
    pl.Boolean(): "BOOLEAN",
    pl.Datetime("us"): "TIMESTAMP",
}
_DTYPES = {kind: dtype for dtype, kind in _TYPES.items()}

_EVENT = (
    ("event_id", "UUID NOT NULL", "identity: 128-bit hash of the event's content; unique in the table"),
    ("user_slice", "SMALLINT NOT NULL", "hash of the user, 0 to 4095"),
)
_POSITION = (
    ("topic", "VARCHAR NOT NULL", "topic of the message"),
    ("partition", "INTEGER NOT NULL", "partition of the message"),
    ("offset", "BIGINT NOT NULL", "offset of the message"),
)
_PROVENANCE = (
    *_POSITION,
    ("ingested_at", "TIMESTAMP NOT NULL", "when the message was appended to the log (UTC)"),
    ("processed_at", "TIMESTAMP NOT NULL", "when the batch was stored (UTC)"),
)
_REJECTS = (
    *_POSITION,
    ("feed", "VARCHAR NOT NULL", "impressions, clicks or bids"),
    ("kind", "VARCHAR NOT NULL", "rejected, filtered (excluded by the policy) or conflict (a duplicate that differs)"),
    ("stage", "VARCHAR NOT NULL", "decode, validate, filter or store"),
    ("reason", "VARCHAR NOT NULL", "reason code"),
    ("detail", "VARCHAR NOT NULL", "field and value that caused it"),
    ("payload", "BLOB NOT NULL", "the message, as received; of a longer one, its first 16,384 bytes"),
    ("bytes", "BIGINT NOT NULL", "size of the whole message"),
    ("ingested_at", "TIMESTAMP NOT NULL", "when the message was appended to the log (UTC)"),
    ("processed_at", "TIMESTAMP NOT NULL", "when the batch was stored (UTC)"),
    ("replayed_to", "VARCHAR", "position of its replay in the log, topic/partition/offset; null if not replayed"),
    ("resolution", "VARCHAR", "id of the resolution that marked it as dealt with; null if it is open"),
)
_REJECT_PARTS = (
    *_POSITION,
    ("part", "INTEGER NOT NULL", "1 is the part behind the first 16,384 bytes, and so on"),
    ("payload", "BLOB NOT NULL", "up to 16,384 bytes of the message"),
)
_LEDGER = (
    ("topic", "VARCHAR NOT NULL", "topic of the partition"),
    ("partition", "INTEGER NOT NULL", "partition"),
    ("next_offset", "BIGINT NOT NULL", "next offset to process: the checkpoint"),
    ("read", "BIGINT NOT NULL", "messages read = stored + duplicate + filtered + rejected + erased"),
    ("stored", "BIGINT NOT NULL", "events stored"),
    ("duplicate", "BIGINT NOT NULL", "events whose identity was already stored"),
    ("filtered", "BIGINT NOT NULL", "valid events excluded by the policy"),
    ("rejected", "BIGINT NOT NULL", "messages that are not a valid event"),
    ("erased", "BIGINT NOT NULL", "messages of erased users; nothing of them is kept"),
    ("conflict", "BIGINT NOT NULL", "duplicates that differ from the stored event; outside the balance"),
    ("redelivered", "BIGINT NOT NULL", "positions processed again after a crash; outside the balance"),
    ("removed", "BIGINT NOT NULL", "stored events that retention removed; outside the balance"),
    ("removed_rejects", "BIGINT NOT NULL", "rejects that retention removed; outside the balance"),
    ("lost", "BIGINT NOT NULL", "offsets that the log no longer gave: removed unread, or damaged and skipped"),
    ("log", "VARCHAR", "identity of the log that the offsets belong to"),
    ("append_id", "VARCHAR", "identifies the append of the last message read; null if the log has no such thing"),
)
_COMMITS = (
    ("topic", "VARCHAR NOT NULL", "topic of the partition"),
    ("partition", "INTEGER NOT NULL", "partition"),
    ("feed", "VARCHAR NOT NULL", "impressions, clicks or bids"),
    ("start", "BIGINT NOT NULL", "first offset of the batch"),
    ("end", "BIGINT NOT NULL", "offset after the batch"),
    ("committed_at", "TIMESTAMP NOT NULL", "when the batch was stored (UTC)"),
    *((name, kind, f"in this batch: {description}") for name, kind, description in _LEDGER[3:-2]),
    ("change", "VARCHAR", "id of the erasure or the retention that moved these counts; null for a batch"),
)
_NOTES = (
    ("kind", "VARCHAR NOT NULL", "kind of note"),
    ("key", "VARCHAR NOT NULL", "key of the note within its kind"),
    ("document", "BLOB NOT NULL", "JSON"),
)
_CATALOGUE = (
    ("imported_at", "TIMESTAMP NOT NULL", "commit time of the import (UTC); the latest one holds"),
    ("creative_id", "VARCHAR NOT NULL", "creative"),
    ("campaign_id", "VARCHAR NOT NULL", "campaign of the creative"),
    ("advertiser_id", "VARCHAR", "advertiser of the campaign"),
    ("valid_from", "TIMESTAMP", "event time from which the row holds (UTC); null: always"),
)
_CAMPAIGNS = (
    ("imported_at", "TIMESTAMP NOT NULL", "commit time of the import (UTC); the latest one holds"),
    ("campaign_id", "VARCHAR NOT NULL", "campaign"),
    ("start", "TIMESTAMP NOT NULL", "start of the flight (UTC), inclusive"),
    ("end", "TIMESTAMP NOT NULL", "end of the flight (UTC), exclusive"),
    ("budget", "DECIMAL(38,12)", "budget of the flight"),
    ("impressions", "BIGINT", "booked impressions"),
    ("clicks", "BIGINT", "booked clicks"),
    ("conversions", "BIGINT", "booked conversions"),
    ("rate_type", "VARCHAR", "what the rate pays for: cpm (1,000 impressions), cpc, cpa or fixed (the whole flight)"),
    ("rate", "DECIMAL(38,12)", "agreed rate"),
    ("currency", "VARCHAR", "currency of budget and rate (ISO 4217)"),
)
_IMPORTS = (("imported_at", "TIMESTAMP NOT NULL PRIMARY KEY", "commit time of the import (UTC)"),)
_STORE = (
    ("format", "INTEGER NOT NULL", "format of the store: another one needs `advertisex rebuild`"),
    ("rebuilt_at", "TIMESTAMP", "when the store was rebuilt from the log (UTC); null if never"),
)
_TABLES = {
    "store": ("one row about the store itself", _STORE, ""),
    "rejects": ("rejected and filtered messages and conflicting duplicates, whole", _REJECTS, ""),
    "reject_parts": ("what follows the first 16,384 bytes of rejects", _REJECT_PARTS, ""),
    "ledger": (
        "one row per partition: the checkpoint and the counts",
        _LEDGER,
        ", PRIMARY KEY (topic, partition)",
    ),
    "commits": ("ledger history: what each commit added to the ledger", _COMMITS, ""),
    "catalogue": ("creatives with their campaigns, one complete set of rows for each import", _CATALOGUE, ""),
    "campaigns": ("flights of campaigns as booked, one complete set of rows for each import", _CAMPAIGNS, ""),
    "catalogue_imports": ("imports of the catalogue", _IMPORTS, ""),
    "notes": ("small documents about the events, such as alert states", _NOTES, ", PRIMARY KEY (kind, key)"),
}


def statements() -> Iterator[str]:
    """The SQL that creates every table of a new store."""
    for feed in FEEDS.values():
        yield from _table(feed.name, feed.description, (*_EVENT, *_feed_columns(feed), *_PROVENANCE))
    for name, (description, columns, key) in _TABLES.items():
        yield from _table(name, description, columns, key)
    yield f"INSERT INTO store VALUES ({FORMAT}, NULL)"


def format_of(db: duckdb.DuckDBPyConnection) -> int | None:
    """The format of a database: None if it has no tables, 1 if it was made before stores had a format."""
    tables = {name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if tables and "store" not in tables:
        db.execute("SELECT 1 FROM ledger LIMIT 0")  # fails if the tables are not ours
    if not tables:
        return None
    rows = db.execute("SELECT format FROM store").fetchall() if "store" in tables else []
    return int(rows[0][0]) if rows else 1


def own_columns(db: duckdb.DuckDBPyConnection, feed: str) -> dict[str, pl.DataType]:
    """The feed-specific columns of a table of events, with their dtypes."""
    others = {name for name, _, _ in (*_EVENT, *_PROVENANCE)}
    query = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index"
    return {name: _DTYPES[kind] for name, kind in db.execute(query, (feed,)).fetchall() if name not in others}


def added_columns(feed: Feed, known: Mapping[str, pl.DataType]) -> Iterator[str]:
    """The SQL that adds the columns of own fields.

    Raises:
        ConfigurationError: the table has a column of that name and another type.
    """
    for name, dtype in feed.columns.items():
        if name not in known:
            yield f'ALTER TABLE {feed.name} ADD COLUMN "{name}" {_TYPES[dtype]}'
            yield f'COMMENT ON COLUMN {feed.name}."{name}" IS {_quoted(feed.comments[name])}'
        elif known[name] != dtype:
            raise field_changed(feed.name, name)


def _feed_columns(feed: Feed) -> Iterator[tuple[str, str, str]]:
    required = {f.column for f in feed.fields if f.required}
    for name, dtype in feed.columns.items():
        yield name, _TYPES[dtype] + (" NOT NULL" if name in required else ""), feed.comments[name]


def _table(name: str, description: str, columns: tuple[tuple[str, str, str], ...], key: str = "") -> Iterator[str]:
    body = ", ".join(f'"{column}" {kind}' for column, kind, _ in columns)
    yield f"CREATE TABLE {name} ({body}{key})"
    yield f"COMMENT ON TABLE {name} IS {_quoted(description)}"
    for column, _, comment in columns:
        yield f'COMMENT ON COLUMN {name}."{column}" IS {_quoted(comment)}'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

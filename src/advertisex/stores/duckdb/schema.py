"""The tables of the embedded store, with a comment on every table and column, because users query them with SQL."""

from collections.abc import Iterator

import polars as pl

from advertisex.feeds import FEEDS, Feed

_TYPES: dict[pl.DataType, str] = {
    pl.String(): "VARCHAR",
    pl.Int64(): "BIGINT",
    pl.Float64(): "DOUBLE",
    pl.Datetime("us"): "TIMESTAMP",
}

_EVENT = (("event_id", "UUID NOT NULL", "identity: 128-bit hash of the event's content; unique in the table"),)
_PROVENANCE = (
    ("topic", "VARCHAR NOT NULL", "topic of the message"),
    ("partition", "INTEGER NOT NULL", "partition of the message"),
    ("offset", "BIGINT NOT NULL", "offset of the message"),
    ("ingested_at", "TIMESTAMP NOT NULL", "when the message was appended to the log (UTC)"),
    ("processed_at", "TIMESTAMP NOT NULL", "when the batch was stored (UTC)"),
)
_REJECTS = (
    ("topic", "VARCHAR NOT NULL", "topic of the message"),
    ("partition", "INTEGER NOT NULL", "partition of the message"),
    ("offset", "BIGINT NOT NULL", "offset of the message"),
    ("feed", "VARCHAR NOT NULL", "impressions, clicks or bids"),
    ("kind", "VARCHAR NOT NULL", "rejected (bad message) or filtered (valid event, excluded by the policy)"),
    ("stage", "VARCHAR NOT NULL", "decode, validate or filter"),
    ("reason", "VARCHAR NOT NULL", "reason code"),
    ("detail", "VARCHAR NOT NULL", "field and value that caused it"),
    ("payload", "BLOB NOT NULL", "the whole message, as received"),
    ("ingested_at", "TIMESTAMP NOT NULL", "when the message was appended to the log (UTC)"),
    ("processed_at", "TIMESTAMP NOT NULL", "when the batch was stored (UTC)"),
    ("replayed_to", "VARCHAR", "position of its replay in the log, topic/partition/offset; null if not replayed"),
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
    ("erased", "BIGINT DEFAULT 0", "messages of erased users; nothing of them is kept"),
    ("replayed", "BIGINT NOT NULL", "positions processed again after a crash, already counted"),
    ("log", "VARCHAR", "identity of the log that the offsets belong to"),
)
_COMMITS = (
    ("topic", "VARCHAR NOT NULL", "topic of the partition"),
    ("partition", "INTEGER NOT NULL", "partition"),
    ("feed", "VARCHAR NOT NULL", "impressions, clicks or bids"),
    ("start", "BIGINT NOT NULL", "first offset of the batch"),
    ("end", "BIGINT NOT NULL", "offset after the batch"),
    ("committed_at", "TIMESTAMP NOT NULL", "when the batch was stored (UTC)"),
    *((name, kind, f"in this batch: {description}") for name, kind, description in _LEDGER[3:-1]),
    ("erasure", "VARCHAR", "id of the erasure that moved these counts; null for a batch"),
)
_NOTES = (
    ("kind", "VARCHAR NOT NULL", "kind of note"),
    ("key", "VARCHAR NOT NULL", "key of the note within its kind"),
    ("document", "BLOB NOT NULL", "JSON"),
)
_TABLES = {
    "rejects": ("rejected and filtered messages, whole", _REJECTS, ""),
    "ledger": (
        "one row per partition: the checkpoint and the counts",
        _LEDGER,
        ", PRIMARY KEY (topic, partition)",
    ),
    "commits": ("ledger history: what each commit added to the ledger", _COMMITS, ""),
    "notes": ("small documents about the events, such as alert states", _NOTES, ", PRIMARY KEY (kind, key)"),
}


def statements() -> Iterator[str]:
    """The SQL that creates every table; it does not change tables that exist."""
    for feed in FEEDS.values():
        yield from _table(feed.name, feed.description, (*_EVENT, *_feed_columns(feed), *_PROVENANCE))
    for name, (description, columns, key) in _TABLES.items():
        yield from _table(name, description, columns, key)


def _feed_columns(feed: Feed) -> Iterator[tuple[str, str, str]]:
    required = {f.column for f in feed.fields if f.required}
    for name, dtype in feed.columns.items():
        yield name, _TYPES[dtype] + (" NOT NULL" if name in required else ""), feed.comments[name]


def _table(name: str, description: str, columns: tuple[tuple[str, str, str], ...], key: str = "") -> Iterator[str]:
    body = ", ".join(f'"{column}" {kind}' for column, kind, _ in columns)
    yield f"CREATE TABLE IF NOT EXISTS {name} ({body}{key})"
    for column, kind, _ in columns:  # a store of an earlier version may lack some
        if "NOT NULL" not in kind:
            yield f'ALTER TABLE {name} ADD COLUMN IF NOT EXISTS "{column}" {kind}'
    yield f"COMMENT ON TABLE {name} IS {_quoted(description)}"
    for column, _, comment in columns:
        yield f'COMMENT ON COLUMN {name}."{column}" IS {_quoted(comment)}'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

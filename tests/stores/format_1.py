"""A DuckDB store of format 1, as versions made it before stores had a format."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

_PROVENANCE = (
    '"topic" VARCHAR NOT NULL, "partition" INTEGER NOT NULL, "offset" BIGINT NOT NULL, '
    '"ingested_at" TIMESTAMP NOT NULL, "processed_at" TIMESTAMP NOT NULL'
)
_COUNTS = (
    '"read" BIGINT NOT NULL, "stored" BIGINT NOT NULL, "duplicate" BIGINT NOT NULL, "filtered" BIGINT NOT NULL, '
    '"rejected" BIGINT NOT NULL, "erased" BIGINT DEFAULT 0, "replayed" BIGINT NOT NULL'
)
_TABLES = {
    "impressions": '"event_id" UUID NOT NULL, "user_id" VARCHAR NOT NULL, "event_time" TIMESTAMP NOT NULL, '
    '"website" VARCHAR NOT NULL, "creative_id" VARCHAR NOT NULL, "auction_id" VARCHAR, "user_agent" VARCHAR, '
    '"domain" VARCHAR, "campaign_id" VARCHAR, "advertiser_id" VARCHAR, ' + _PROVENANCE,
    "clicks": '"event_id" UUID NOT NULL, "user_id" VARCHAR NOT NULL, "event_time" TIMESTAMP NOT NULL, '
    '"campaign_id" VARCHAR NOT NULL, "conversion_type" VARCHAR, "clicks" BIGINT, "conversions" BIGINT, '
    '"value" DOUBLE, "currency" VARCHAR, "user_agent" VARCHAR, ' + _PROVENANCE,
    "bids": '"event_id" UUID NOT NULL, "user_id" VARCHAR NOT NULL, "event_time" TIMESTAMP NOT NULL, '
    '"creative_id" VARCHAR, "auction_id" VARCHAR, "amount" DOUBLE, "currency" VARCHAR, "website" VARCHAR, '
    '"country" VARCHAR, "device" VARCHAR, "targeting" VARCHAR, "domain" VARCHAR, "campaign_id" VARCHAR, '
    '"advertiser_id" VARCHAR, ' + _PROVENANCE,
    "rejects": '"topic" VARCHAR NOT NULL, "partition" INTEGER NOT NULL, "offset" BIGINT NOT NULL, '
    '"feed" VARCHAR NOT NULL, "kind" VARCHAR NOT NULL, "stage" VARCHAR NOT NULL, "reason" VARCHAR NOT NULL, '
    '"detail" VARCHAR NOT NULL, "payload" BLOB NOT NULL, "ingested_at" TIMESTAMP NOT NULL, '
    '"processed_at" TIMESTAMP NOT NULL, "replayed_to" VARCHAR',
    "ledger": '"topic" VARCHAR NOT NULL, "partition" INTEGER NOT NULL, "next_offset" BIGINT NOT NULL, '
    + _COUNTS
    + ', "log" VARCHAR, PRIMARY KEY (topic, partition)',
    "commits": '"topic" VARCHAR NOT NULL, "partition" INTEGER NOT NULL, "feed" VARCHAR NOT NULL, '
    '"start" BIGINT NOT NULL, "end" BIGINT NOT NULL, "committed_at" TIMESTAMP NOT NULL, '
    + _COUNTS
    + ', "erasure" VARCHAR',
    "notes": '"kind" VARCHAR NOT NULL, "key" VARCHAR NOT NULL, "document" BLOB NOT NULL, PRIMARY KEY (kind, key)',
}


def create(
    path: Path,
    ledger: Sequence[tuple[str, int, str]] = (),
    notes: Mapping[tuple[str, str], bytes] | None = None,
    marks: Mapping[tuple[str, int], str] | None = None,
) -> None:
    """Create a store of format 1.

    Args:
        path: its file.
        ledger: topic, messages read (all of partition 0, from offset 0) and identity of the log.
        notes: documents by kind and key.
        marks: position of the replay, by topic and offset of the reject.
    """
    with duckdb.connect(str(path)) as db:
        for name, columns in _TABLES.items():
            db.execute(f"CREATE TABLE {name} ({columns})")
        for topic, read, log in ledger:
            db.execute("INSERT INTO ledger VALUES (?, 0, ?, ?, ?, 0, 0, 0, 0, 0, ?)", (topic, read, read, read, log))
        for (kind, key), document in (notes or {}).items():
            db.execute("INSERT INTO notes VALUES (?, ?, ?)", (kind, key, document))
        for (topic, offset), replay in (marks or {}).items():
            db.execute(
                "INSERT INTO rejects VALUES (?, 0, ?, 'clicks', 'rejected', 'validate', 'missing_field', '', '', "
                "'2026-11-01', '2026-11-01', ?)",
                (topic, offset, replay),
            )

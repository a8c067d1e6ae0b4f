"""Erase users from the embedded store: delete them in one transaction, then rewrite the file without their bytes.

DuckDB does not overwrite deleted rows: they stay in the file until their space is reused.
"""

from collections import Counter
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

from advertisex.feeds import FEEDS
from advertisex.model import Partition
from advertisex.stores.duckdb.commit import add_counts
from advertisex.stores.duckdb.frames import frame_of, registered
from advertisex.stores.removal import COUNTED_AS, REMOVED_COLUMNS, Removal, moved_counts


def delete(db: duckdb.DuckDBPyConnection, removal: Removal, commit_time: datetime) -> pl.DataFrame:
    """Delete events and rejects and move their counts, in the caller's transaction."""
    removed: Counter[tuple[Partition, str, str]] = Counter()
    for feed in FEEDS:
        deleted_rows = db.execute(
            f"DELETE FROM {feed} WHERE user_id IN (SELECT unnest(?)) RETURNING topic, partition", (list(removal.users),)
        )
        removed.update((Partition(*row), feed, "event") for row in deleted_rows.fetchall())
    removed.update(_delete_rejects(db, removal.rejects))
    by_partition: dict[tuple[Partition, str], Counter[str]] = {}
    for (partition, feed, kind), count in removed.items():
        by_partition.setdefault((partition, feed), Counter())[kind] += count
    for (partition, feed), counts in by_partition.items():
        add_counts(db, partition, feed, moved_counts(counts), commit_time, change=removal.erasure)
    return _removed_by(db, removal.erasure)


def _removed_by(db: duckdb.DuckDBPyConnection, erasure: str) -> pl.DataFrame:
    """All that an erasure removed, including earlier attempts, from the ledger history: `REMOVED_COLUMNS`."""
    sums = ", ".join(f"sum(-{counts[-1]}) AS {kind}" for kind, counts in COUNTED_AS.items())
    history = frame_of(db, f"SELECT feed, {sums} FROM commits WHERE change = ? GROUP BY feed", [erasure])
    counts = history.unpivot(list(COUNTED_AS), index="feed", variable_name="kind", value_name="count")
    removed: pl.DataFrame = counts.cast(pl.Schema(REMOVED_COLUMNS)).filter(pl.col("count") > 0)
    return removed.sort("feed", "kind")


def _delete_rejects(db: duckdb.DuckDBPyConnection, rejects: pl.DataFrame) -> Counter[tuple[Partition, str, str]]:
    if rejects.is_empty():
        return Counter()
    with registered(db, "gone", rejects.select("topic", "partition", "offset")):
        db.execute(
            'DELETE FROM reject_parts p USING gone g WHERE p.topic = g.topic AND p."partition" = g."partition" '
            'AND p."offset" = g."offset"'
        )
        deleted = db.execute(
            'DELETE FROM rejects r USING gone g WHERE r.topic = g.topic AND r."partition" = g."partition" '
            'AND r."offset" = g."offset" RETURNING r.topic, r."partition", feed, kind'
        ).fetchall()
    return Counter((Partition(topic, number), feed, kind) for topic, number, feed, kind in deleted)


def copy_live_rows(db: duckdb.DuckDBPyConnection, new: Path) -> None:
    """Copy the live rows of a store to a new file. `db` can be closed afterwards."""
    db.execute("CHECKPOINT")
    (name,) = db.execute("SELECT current_database()").fetchone() or ("",)
    db.execute(f"ATTACH '{_quoted(str(new))}' AS fresh")
    try:
        db.execute(f'COPY FROM DATABASE "{_doubled(name)}" TO fresh')
        db.execute("CHECKPOINT fresh")
    finally:
        db.execute("DETACH fresh")


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _doubled(text: str) -> str:
    return text.replace('"', '""')

"""Remove what is below the floor from the embedded store, in one transaction."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import duckdb
import msgspec

from advertisex.feeds import FEEDS
from advertisex.model import Counts, Partition
from advertisex.stores.duckdb.commit import add_counts, floor_of
from advertisex.stores.retention import FLOOR, RETENTION, Floor, name_of_removal


def period_start(time: datetime) -> datetime:
    """The start of the day: the embedded store drops whole days."""
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def drop(db: duckdb.DuckDBPyConnection, floor: datetime, commit_time: datetime) -> Counts:
    """Raise the floor, remove what is below it and count it, in the caller's transaction."""
    before = floor_of(db)
    if before is not None and floor <= before.since:
        return Counts()
    document = msgspec.json.encode(Floor(floor, None if before is None else before.since, is_complete=True))
    db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (RETENTION, FLOOR, document))
    removed: dict[tuple[Partition, str], Counter[str]] = {}
    for of, feed, name, count in [*_delete_events(db, floor), *_delete_rejects(db, floor)]:
        removed.setdefault((of, feed), Counter())[name] += count
    for (of, feed), counts in removed.items():
        add_counts(db, of, feed, Counts(**counts), commit_time, change=name_of_removal(floor))
    return sum((Counts(**counts) for counts in removed.values()), Counts())


def _delete_events(db: duckdb.DuckDBPyConnection, floor: datetime) -> Iterator[tuple[Partition, str, str, int]]:
    for feed in FEEDS:
        counts = db.execute(
            f"SELECT topic, partition, count(*) FROM {feed} WHERE event_time < ? GROUP BY ALL ORDER BY ALL", (floor,)
        ).fetchall()
        if counts:
            db.execute(f"DELETE FROM {feed} WHERE event_time < ?", (floor,))
        for topic, number, count in counts:
            yield Partition(topic, number), feed, "removed", count


def _delete_rejects(db: duckdb.DuckDBPyConnection, floor: datetime) -> Iterator[tuple[Partition, str, str, int]]:
    counts = db.execute(
        "SELECT topic, partition, feed, count(*) FROM rejects WHERE ingested_at < ? GROUP BY ALL ORDER BY ALL", (floor,)
    ).fetchall()
    if counts:
        db.execute(
            'DELETE FROM reject_parts p USING rejects r WHERE p.topic = r.topic AND p."partition" = r."partition" '
            'AND p."offset" = r."offset" AND r.ingested_at < ?',
            (floor,),
        )
        db.execute("DELETE FROM rejects WHERE ingested_at < ?", (floor,))
    for topic, number, feed, count in counts:
        yield Partition(topic, number), feed, "removed_rejects", count

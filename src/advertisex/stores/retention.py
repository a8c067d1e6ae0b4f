"""Retention: the floor below which a store keeps nothing, and its note.

Events are removed by event time, in whole periods; rejects by ingestion time. An event below the floor that arrives
later is filtered (reason `expired`), so that its message is kept whole like any other filtered one, until its own
ingestion time is below the floor. A message that was ingested before the floor and is processed after it, as in a
rebuild from a long log, leaves no reject at all: it is counted as a removed one at once.

The time of an event is part of its identity. A duplicate of a removed event is therefore below the floor, too.
"""

from datetime import datetime

import msgspec
import polars as pl

from advertisex.stores.contract import EventStore, RejectQuery

#: Kind of the note that records the floor. A rebuild carries it over by `EventStore.drop_before`.
RETENTION = "retention"
#: Key of that note.
FLOOR = "floor"
#: Reason code of events below it that arrive later.
EXPIRED = "expired"


class Floor(msgspec.Struct, frozen=True):
    """The floor of a store.

    Attributes:
        since: the time below which nothing is kept.
        previous: the floor before; everything below it was removed earlier.
        is_complete: whether everything below `since` is removed and counted.
    """

    since: datetime
    previous: datetime | None = None
    is_complete: bool = False


def floor_in(document: bytes | None) -> Floor | None:
    """The floor in its note, if there is one."""
    return None if document is None else msgspec.json.decode(document, type=Floor)


def name_of_removal(since: datetime) -> str:
    """The id in the ledger history of what was removed below a floor."""
    return f"retention-{since.isoformat()}"


def without_expired(rejects: pl.DataFrame, kept_since: datetime | None) -> pl.DataFrame:
    """The rejects of an outcome that are stored: those that were not ingested before the floor."""
    return rejects if kept_since is None else rejects.filter(pl.col("ingested_at") >= kept_since)


def removed_before(store: EventStore) -> datetime | None:
    """The floor of a store, if any event or reject was removed or expired below it; else None.

    Answers and doctor say so then, and only then: a floor alone has changed no number.
    """
    kept_since = store.kept_since()
    if kept_since is None:
        return None
    floor = floor_in(store.notes(RETENTION).get(FLOOR))
    is_counted = floor is not None and floor.is_complete
    has_removed = any(row.counts.removed or row.counts.removed_rejects for row in store.ledger())
    has_expired = has_removed or not store.reject_counts(RejectQuery(reason=EXPIRED)).is_empty()
    return None if is_counted and not has_expired else kept_since


def expired_in(store: EventStore) -> int:
    """How many open rejects of a store are events that arrived below its floor."""
    if store.kept_since() is None:
        return 0
    return int(store.reject_counts(RejectQuery(kind="filtered", reason=EXPIRED, resolved=False))["count"].sum())


def is_newer(floor: datetime | None, than: datetime | None) -> bool:
    """Whether a store's floor is newer than that of an outcome."""
    return floor is not None and (than is None or floor > than)

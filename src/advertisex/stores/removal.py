"""What an erasure removes from a store, and how that moves the counts of the ledger."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from advertisex.model import Counts, Partition


@dataclass(frozen=True, slots=True)
class Removal:
    """What an erasure removes.

    Attributes:
        erasure: id of the erasure; a repeated attempt counts nothing twice.
        users: ids of the users, as stored, whose events are removed.
        rejects: topic, partition, offset, feed and kind of the rejects to remove.
        bounds: next offset of each partition when the erasure started. Anything stored at or after it was left by an
            interrupted commit and never counted.
    """

    erasure: str
    users: Collection[str]
    rejects: pl.DataFrame
    bounds: Mapping[Partition, int]


#: Columns of what an erasure removed: rows by feed and kind (`event`, `filtered`, `rejected` or `conflict`).
REMOVED_COLUMNS: dict[str, pl.DataType] = {"feed": pl.String(), "kind": pl.String(), "count": pl.Int64()}
#: The ledger counts that include rows of each kind until they are erased. The first is in the balance.
COUNTED_AS: dict[str, tuple[str, ...]] = {
    "event": ("stored",),
    "filtered": ("filtered",),
    "rejected": ("rejected",),
    "conflict": ("duplicate", "conflict"),
}


def moved_counts(removed: Mapping[str, int]) -> Counts:
    """What an erasure adds to the ledger, given the number of removed rows by kind (see `COUNTED_AS`)."""
    moved = Counter(erased=sum(removed.values()))
    for kind, count in removed.items():
        moved.subtract(dict.fromkeys(COUNTED_AS[kind], count))
    return Counts(**moved)


def removed_rows(moved: Counts) -> dict[str, int]:
    """The number of removed rows by kind, given what an erasure added to the ledger: the inverse of `moved_counts`."""
    return {kind: -getattr(moved, counts[-1]) for kind, counts in COUNTED_AS.items()}

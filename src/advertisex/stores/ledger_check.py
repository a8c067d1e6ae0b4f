"""Checks of the ledger that all stores share: its counts against the contents, and its place against an outcome."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from advertisex.errors import LedgerMoved
from advertisex.model import Finding, LedgerRow, Partition, Span


class Held(NamedTuple):
    """Stored events and rejects of one partition, below the next offset of its ledger row and from the floor on."""

    events: int = 0
    rejects: int = 0


def counted(ledger: Sequence[LedgerRow], held: Mapping[Partition, Held]) -> Finding:
    """Compare each ledger row with the stored events and rejects of its partition."""
    wrong = []
    for row in ledger:
        has, counts = held.get(Partition(row.topic, row.partition), Held()), row.counts
        for what, found, expected in (
            ("events", has.events, counts.stored - counts.removed),
            (
                "rejects",
                has.rejects,
                counts.filtered + counts.rejected + counts.conflict - counts.removed_rejects,
            ),
        ):
            if found != expected:
                wrong.append(f"{row.topic}/{row.partition} has {found:,} {what}, but the ledger counts {expected:,}")
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return Finding(
        "store's counts",
        not wrong,
        wrong[0] + more if wrong else "equal to the ledger's counts",
        "the store was changed by something else: restore it from a backup, or run `advertisex rebuild`",
    )


#: Why a ledger may not be where an outcome starts, see `ledger_moved`.
MOVED_ON = "the ledger has moved on"
USER_ERASED = "a user was erased in the meantime"
FLOOR_MOVED = "retention removed older events in the meantime"


def ledger_moved(span: Span, why: str) -> LedgerMoved:
    """The exception for a span that another worker has processed, or that was processed before such a change."""
    return LedgerMoved(
        f"{why}; this batch was not written",
        where=f"{span.topic}/{span.partition}/{span.start}",
        hint="run `advertisex process` again to continue from the ledger",
    )

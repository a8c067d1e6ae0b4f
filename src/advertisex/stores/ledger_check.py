"""Compare the contents of a store with its ledger; shared by all stores."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from advertisex.model import Finding, LedgerRow, Partition


class Held(NamedTuple):
    """Stored events and rejects of one partition, below the next offset of its ledger row."""

    events: int = 0
    rejects: int = 0


def counted(ledger: Sequence[LedgerRow], held: Mapping[Partition, Held]) -> Finding:
    """Compare each ledger row with the stored events and rejects of its partition."""
    wrong = []
    for row in ledger:
        has, counts = held.get(Partition(row.topic, row.partition), Held()), row.counts
        for what, found, expected in (
            ("events", has.events, counts.stored),
            ("rejects", has.rejects, counts.filtered + counts.rejected + counts.conflict),
        ):
            if found != expected:
                wrong.append(f"{row.topic}/{row.partition} has {found:,} {what}, but the ledger counts {expected:,}")
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return Finding(
        "store's counts",
        not wrong,
        wrong[0] + more if wrong else "equal to the ledger's counts",
        "the store was changed by something else: restore it from a backup, "
        "or create a new one and run `advertisex process` to read the log again",
    )

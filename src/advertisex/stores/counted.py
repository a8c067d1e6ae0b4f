"""Whether a store holds what its ledger counts: told by every store alike."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from advertisex.batches import LedgerRow, Partition
from advertisex.findings import Finding


class Held(NamedTuple):
    """What a store holds of the messages of one partition that its ledger has counted."""

    events: int = 0
    rejects: int = 0


def counted(ledger: Sequence[LedgerRow], held: Mapping[Partition, Held]) -> Finding:
    """Compare the ledger, row by row, with what is held."""
    wrong = []
    for row in ledger:
        has, counts = held.get(Partition(row.topic, row.partition), Held()), row.counts
        for what, found, said in (
            ("events", has.events, counts.stored),
            ("rejects", has.rejects, counts.filtered + counts.rejected),
        ):
            if found != said:
                wrong.append(f"{row.topic}/{row.partition} holds {found:,} {what}, the ledger counts {said:,}")
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return Finding(
        "store's counts",
        not wrong,
        wrong[0] + more if wrong else "it holds what the ledger counts",
        "something else has changed the store: restore it from a copy, "
        "or begin a new one and run `advertisex process`, which reads the log anew",
    )

"""The ledger as a JSON document."""

from collections.abc import Sequence
from typing import Any

from advertisex.model import COUNT_NAMES, Counts, LedgerRow


def counts_dict(counts: Counts) -> dict[str, int]:
    """Return the counts as a JSON object."""
    return {name: getattr(counts, name) for name in COUNT_NAMES}


def ledger_dict(rows: Sequence[LedgerRow]) -> dict[str, Any]:
    """Return the ledger as a JSON object: rows, total, balanced."""
    total = sum((row.counts for row in rows), Counts())
    return {
        "rows": [
            {
                "topic": row.topic,
                "partition": row.partition,
                "next_offset": row.next_offset,
                **counts_dict(row.counts),
            }
            for row in rows
        ],
        "total": counts_dict(total),
        "balanced": all(row.counts.balanced for row in rows),
    }

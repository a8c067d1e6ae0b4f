"""Reports messages that the log no longer gives."""

import structlog

from advertisex.model import LedgerRow, Partition

_LOG = structlog.get_logger(__name__)


def warn_of_lost(partition: Partition, count: int) -> None:
    """Log a warning that retention deleted messages of a partition before they were read."""
    where = f"{partition.topic}/{partition.partition}"
    _LOG.warning("messages lost: deleted by retention before they were read", partition=where, count=count)


def lost_before(row: LedgerRow) -> int:
    """Number of messages before the ledger's position that an embedded log did not give any more.

    In Kafka, offsets have gaps for other reasons, too.
    """
    return max(0, row.next_offset - row.counts.read)

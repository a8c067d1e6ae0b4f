"""Reports messages that the log no longer gives."""

import structlog

from advertisex.model import Partition

_LOG = structlog.get_logger(__name__)


#: Why messages are lost.
REMOVED, DAMAGED = "deleted by retention before they were read", "damaged and skipped"


def warn_of_lost(partition: Partition, count: int, why: str = REMOVED) -> None:
    """Log a warning that messages of a partition are lost."""
    where = f"{partition.topic}/{partition.partition}"
    _LOG.warning(f"messages lost: {why}", partition=where, count=count)

"""Whether what comes is of the log that the ledger is of: offsets mean something in their own log only."""

from collections.abc import Mapping, Sequence

from advertisex.batches import LedgerRow, Partition
from advertisex.errors import StoreError


def check_same_log(of: Partition, known: str, comes: str) -> None:
    """Refuse another log than that of the ledger; one that has no identity is taken at its word.

    Args:
        of: the partition.
        known: the identity of the log that its ledger row is of; empty where it does not say.
        comes: the identity of the log that is read.

    Raises:
        StoreError: they are two logs.
    """
    if known and comes and known != comes:
        raise StoreError(
            "the ledger is that of another log: the topic, or the whole log, was made anew or replaced since",
            where=f"{of.topic}/{of.partition}: log {comes}, and not {known}",
            hint="bring the old log back, or begin a new store for this one",
        )


def check_same_logs(ledger: Sequence[LedgerRow], logs: Mapping[str, str]) -> None:
    """Refuse other logs than those of the ledger, before anything is read.

    Args:
        ledger: of the store.
        logs: by topic, the identity of the log that will be read.

    Raises:
        StoreError: a topic is another log.
    """
    for row in ledger:
        check_same_log(Partition(row.topic, row.partition), row.log, logs.get(row.topic, ""))

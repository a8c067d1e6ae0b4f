"""Check that messages come from the log that the ledger belongs to: offsets are only valid within one log."""

from collections.abc import Mapping, Sequence

from advertisex.errors import StoreError
from advertisex.model import LedgerRow, Partition


def check_same_log(of: Partition, known: str, actual: str) -> None:
    """Reject a log other than the ledger's; a log without an identity is accepted.

    Args:
        of: the partition.
        known: identity of the log in the partition's ledger row; may be empty.
        actual: identity of the log that is read; may be empty.

    Raises:
        StoreError: the identities differ.
    """
    if known and actual and known != actual:
        raise StoreError(
            "the ledger belongs to another log: the topic or the whole log was recreated or replaced",
            where=f"{of.topic}/{of.partition}: log {actual}, expected {known}",
            hint="restore the old log, or run `advertisex rebuild` to make a new store from this one",
        )


def check_same_logs(ledger: Sequence[LedgerRow], logs: Mapping[str, str]) -> None:
    """Reject logs other than the ledger's, before anything is read.

    Args:
        ledger: all rows of the store's ledger.
        logs: identity of the log to be read, by topic.

    Raises:
        StoreError: the log of a topic is not the ledger's.
    """
    for row in ledger:
        check_same_log(Partition(row.topic, row.partition), row.log, logs.get(row.topic, ""))

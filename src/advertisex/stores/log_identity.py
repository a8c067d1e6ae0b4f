"""Check that messages come from the log that the ledger belongs to: offsets are only valid within one log.

A log that was emptied has no identity yet, so it is also checked that the log reaches as far as the ledger. An older
copy of the log has its identity, so it is also checked that its messages are those that were processed.
"""

from collections.abc import Collection, Mapping, Sequence

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


def check_log_reaches(ledger: Sequence[LedgerRow], ends: Mapping[Partition, int], topics: Collection[str]) -> None:
    """Reject a log that ends before the ledger: it was emptied or restored from an old copy, or a topic was deleted.

    Args:
        ledger: all rows of the store's ledger, read before `ends`.
        ends: the end offset of each partition of the log.
        topics: the topics to check.

    Raises:
        StoreError: a partition ends before the ledger's position, or is missing.
    """
    for row in ledger:
        end = ends.get(Partition(row.topic, row.partition), 0)
        if row.topic in topics and end < row.next_offset:
            raise StoreError(
                f"the ledger is at offset {row.next_offset:,}, but the log ends at {end:,}: it was emptied or replaced",
                where=f"{row.topic}/{row.partition}",
                hint="restore the log, or run `advertisex rebuild` to make a new store from this one",
            )


def check_same_appends(ledger: Sequence[LedgerRow], appends: Mapping[Partition, str]) -> None:
    """Reject a log that was restored from an older copy and then appended to: it uses offsets again.

    Args:
        ledger: all rows of the store's ledger.
        appends: the log's `append_ids` before the positions in these rows.

    Raises:
        StoreError: the message before a position is not the one that was processed.
    """
    for row in ledger:
        if not is_same_append(row.append_id, appends.get(Partition(row.topic, row.partition), "")):
            raise StoreError(
                "other messages are in the log than those that were processed: an older copy of it was restored and "
                "then appended to",
                where=f"{row.topic}/{row.partition}, up to offset {row.next_offset - 1:,}",
                hint="restore the log that was processed, or run `advertisex rebuild` to read this one from its start",
            )


def positions_in(ledger: Sequence[LedgerRow]) -> dict[Partition, int]:
    """The next offset of each partition in these rows."""
    return {Partition(row.topic, row.partition): row.next_offset for row in ledger}


def is_same_append(known: str, actual: str) -> bool:
    """Whether an append may be the one that the ledger knows; one without an id may."""
    return not known or not actual or known == actual

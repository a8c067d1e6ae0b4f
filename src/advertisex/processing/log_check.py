"""Checks that the log is the one that the store's ledger belongs to, before anything of it is used or changed."""

from collections.abc import Collection

from advertisex.logs.contract import EventLog
from advertisex.stores.contract import EventStore
from advertisex.stores.log_identity import check_log_reaches, check_same_appends, check_same_logs, positions_in


def check_log(log: EventLog, store: EventStore, topics: Collection[str]) -> None:
    """Check that the log is the one that the store's ledger belongs to, and no older copy of it.

    Args:
        log: the log.
        store: the store.
        topics: the topics that must reach as far as the ledger.

    Raises:
        StoreError: it is another log, ends before the ledger, or has other messages than those that were processed.
        LogError: the log cannot be read.
    """
    ledger = store.ledger()  # before the ends, which only grow
    check_same_logs(ledger, log.identities(list(topics)))
    check_log_reaches(ledger, log.end_offsets(topics), topics)
    check_same_appends(ledger, log.append_ids(positions_in(ledger)))

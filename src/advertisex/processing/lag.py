"""Computes how far processing is behind the log."""

from collections.abc import Collection

from advertisex.logs.contract import EventLog
from advertisex.model import Partition
from advertisex.stores.contract import EventStore


def lags(log: EventLog, store: EventStore, topics: Collection[str]) -> dict[Partition, int]:
    """The lag of each partition of the topics: offsets between the ledger and the end of what can be read.

    Messages that an open transaction holds back are not part of it: see `EventLog.held_back`.

    Raises:
        LogError: the log cannot be read.
        StoreError: the store cannot be read.
    """
    done, starts = store.positions(), log.start_offsets(topics)
    return {p: max(0, end - max(done.get(p, 0), starts.get(p, 0))) for p, end in log.end_offsets(topics).items()}

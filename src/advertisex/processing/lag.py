"""Computes how far processing is behind the log."""

from collections.abc import Collection

from advertisex.logs.contract import EventLog
from advertisex.model import Partition
from advertisex.stores.contract import EventStore


def lags(log: EventLog, store: EventStore, topics: Collection[str]) -> dict[Partition, int]:
    """The lag of each partition of the topics: offsets that the log keeps between the ledger and its end.

    Raises:
        LogError: the log cannot be read.
        StoreError: the store cannot be read.
    """
    done, starts = store.positions(), log.start_offsets()
    ends = {partition: end for partition, end in log.end_offsets().items() if partition.topic in topics}
    return {p: max(0, end - max(done.get(p, 0), starts.get(p, 0))) for p, end in ends.items()}

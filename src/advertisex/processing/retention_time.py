"""The time from which retention counts back: that of the clock, unless the clock is far later than all data.

A removal cannot be undone. A clock that was once a month fast must not remove a month that is to be kept.
"""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

from advertisex.errors import LogDamaged
from advertisex.logs.contract import EventLog
from advertisex.stores.contract import EventStore
from advertisex.times import time_of

#: How far the clock is believed after the last commit and the newest message.
_BELIEVED = timedelta(days=1)


def retention_time(now: datetime, store: EventStore, log: EventLog, topics: Collection[str]) -> datetime | None:
    """The time from which retention counts back, naive UTC; None if the log and the store are empty.

    Args:
        now: the time of the clock.
        store: its last commit counts as data.
        log: the time at which its newest message was appended counts, too.
        topics: the topics of the feeds.

    Returns:
        The time of the clock, but at most a day after the newest data.

    Raises:
        LogError: the log cannot be read.
        StoreError: the store cannot be read.
    """
    newest = store.settled()
    if newest is None or newest + _BELIEVED < now:
        newest = max((time for time in (newest, _newest_message(log, topics)) if time is not None), default=None)
    return None if newest is None else min(now, newest + _BELIEVED)


def _newest_message(log: EventLog, topics: Collection[str]) -> datetime | None:
    """When the last message of any topic was appended; None without messages."""
    starts, times = log.start_offsets(topics), list[int]()
    for of, end in log.end_offsets(topics).items():
        if end > starts.get(of, 0):
            with suppress(LogDamaged):  # it has no time
                times += log.read(of.topic, of.partition, end - 1, 1).ingested_at
    return time_of(max(times)).replace(tzinfo=None) if times else None

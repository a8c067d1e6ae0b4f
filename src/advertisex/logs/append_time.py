"""When a message was appended, as far as the log's record of it is plausible.

A producer sets the time of a Kafka record, in milliseconds: one in seconds, microseconds or nanoseconds is decades or
millennia away. The clock of a machine that appends to an embedded log may have been wrong. Such a time is replaced by
the time of reading.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from advertisex.times import micros_of

#: Kafka's first release. Seconds read as milliseconds are in January 1970.
_EARLIEST = micros_of(datetime(2011, 1, 1, tzinfo=UTC))
#: Every store keeps times up to here: Elasticsearch counts 63 bits of nanoseconds.
_LATEST = micros_of(datetime(2262, 1, 1, tzinfo=UTC))
#: How far a time may be in the future by our clock.
_FUTURE = timedelta(days=1) // timedelta(microseconds=1)


def append_times(times: Sequence[int], now: int, *, by_server: bool = False) -> tuple[list[int], int]:
    """Replace implausible times.

    Args:
        times: when messages were appended, in microseconds since the epoch (UTC).
        now: the time of reading. If it is implausible itself, only times that no store can keep are replaced.
        by_server: whether the clock of the log's server set the times; it may differ from ours by any time.

    Returns:
        The times, with `now` in place of the implausible ones; and the number of these.
    """
    clock_is_right = now >= _EARLIEST
    low = _EARLIEST if clock_is_right else 0
    high = now + _FUTURE if clock_is_right and not by_server else _LATEST
    if not times or (low <= min(times) and max(times) <= high):
        return list(times), 0
    plausible = [low <= time <= high for time in times]
    return [time if good else now for time, good in zip(times, plausible, strict=True)], plausible.count(False)

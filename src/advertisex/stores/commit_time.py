"""The commit time: one timestamp for the events, the rejects and the ledger row of a batch."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Returns the current time, naive UTC.
Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """The current time of this machine, naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def micros_of(moment: datetime) -> int:
    """A time, naive UTC, in microseconds since the epoch."""
    return (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def time_of(micros: int) -> datetime:
    """The time, naive UTC, of a number of microseconds since the epoch."""
    return (_EPOCH + timedelta(microseconds=micros)).replace(tzinfo=None)


def commit_time_after(last: datetime | None, clock: Clock = utc_now) -> datetime:
    """The current time, or 1 µs after the last commit if the clock is behind that."""
    now = clock()
    return now if last is None else max(now, last + timedelta(microseconds=1))

"""The commit time: one timestamp for the events, the rejects and the ledger row of a batch."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Returns the current time, naive UTC.
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The current time of this machine, naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def commit_time_after(last: datetime | None, clock: Clock = utc_now) -> datetime:
    """The current time, or 1 µs after the last commit if the clock is behind that."""
    now = clock()
    return now if last is None else max(now, last + timedelta(microseconds=1))

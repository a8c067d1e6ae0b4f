"""The time that a batch is stored under: one for its events, its rejects and its commit."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Tells the time, UTC without a zone.
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time of this machine, UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def commit_time_after(last: datetime | None, clock: Clock = utc_now) -> datetime:
    """What the clock says, or just after the last commit where it was set back since."""
    now = clock()
    return now if last is None else max(now, last + timedelta(microseconds=1))

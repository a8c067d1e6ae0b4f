"""Helpers for your own tests: an in-memory log and store, and a clock that you set.

`advertisex.testing.contracts` has the contract suites, for your own logs and stores.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from advertisex.logs.contract import EventLog
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.contract import EventStore
from advertisex.stores.open import open_store
from advertisex.times import micros_of

__all__ = ["ManualClock", "memory_log", "memory_store"]


def memory_log(*, clock: Clock = utc_now) -> EventLog:
    """Create an embedded log in memory. All threads can use it; closing it discards its contents.

    Args:
        clock: returns the time of an append, naive UTC.
    """
    return SqliteLog(Path(":memory:"), clock=lambda: micros_of(clock()))


def memory_store(*, clock: Clock = utc_now) -> EventStore:
    """Create an embedded store in memory. Any thread can read it, even during a commit; closing it discards everything.

    Args:
        clock: returns the time of a commit, naive UTC.
    """
    return open_store("duckdb:///:memory:", read_only=False, clock=clock)


class ManualClock:
    """A clock that moves only when it is advanced. Pass its `now` as a clock: `memory_store(clock=clock.now)`.

    Args:
        start: the initial time; UTC unless it has an offset.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC).replace(tzinfo=None) if start.tzinfo else start

    def now(self) -> datetime:
        """The time, naive UTC."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move the time forward, or back if `by` is negative."""
        self._now += by

    def sleep(self, seconds: float) -> None:
        """Move the time forward instead of waiting."""
        self.advance(timedelta(seconds=seconds))

"""Reports a last commit in the future: the clock was fast when it was made, or is slow now.

Later commits follow it, whatever the time. Processing warns of it, and notes in the store that it has: from then on
`advertisex doctor` mentions it, but not as a failure, unless the clock goes on to be fast.
"""

from datetime import datetime, timedelta

import structlog

from advertisex.model import Finding
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)
_KIND, _KEY = "clock", "last-commit"
#: How far the clocks of two machines that use one store may differ.
_SKEW = timedelta(minutes=5)
#: Commits follow one in the future in steps of a microsecond; a later one was made by a clock that is fast.
_FOLLOWING = timedelta(seconds=1)
_HINT = "check the clock; until that time, a question with an earlier --as-of leaves out what is stored now"


def warn_of_clock(store: EventStore, now: datetime) -> bool:
    """Log a warning if the last commit is in the future, and return whether it is.

    Args:
        store: the store.
        now: the current time, naive UTC.
    """
    last = store.settled()
    is_future = last is not None and last > now + _SKEW
    if last is not None and is_future:
        _LOG.warning(_text(last), hint=_HINT)
    return is_future


def note_clock(store: EventStore, now: datetime) -> None:
    """Do as `warn_of_clock`, and note that the warning was given.

    Raises:
        StoreError: the store cannot be written.
    """
    if warn_of_clock(store, now) and (last := store.settled()) is not None:
        store.take_note(_KIND, {_KEY: last.isoformat().encode()})


def clock_finding(store: EventStore, now: datetime) -> Finding:
    """Whether the last commit is in the future, and processing has not warned of that yet."""
    last, noted = store.settled(), store.notes(_KIND).get(_KEY)
    if last is None or last <= now + _SKEW:
        return Finding("commit times", True, "none lies in the future")
    if noted is not None and last <= datetime.fromisoformat(noted.decode()) + _FOLLOWING:
        return Finding("commit times", True, f"{_text(last)}; later ones follow it; {_HINT}")
    return Finding("commit times", False, _text(last), f"{_HINT}; the next `advertisex process` goes on from there")


def _text(last: datetime) -> str:
    return f"the last commit is at {last:%Y-%m-%d %H:%M:%S} UTC, in the future: the clock was fast, or is slow now"

"""Reports messages that open transactions hold back."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import structlog

from advertisex.logs.contract import EventLog, HeldBack
from advertisex.logs.held_back import HINT, is_overdue, since_text
from advertisex.model import Partition
from advertisex.processing.periodic import periodic
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.times import micros_of

_LOG = structlog.get_logger(__name__)
_CHECK_SECONDS = 60.0


def warn_of_held_back(log: EventLog, topics: Collection[str]) -> None:
    """Log a warning for each partition of which open transactions hold back messages.

    Raises:
        LogError: the log cannot be read.
    """
    for partition, held in sorted(log.held_back(topics).items()):
        _warn(partition, held)


@contextmanager
def watching_transactions(
    open_log: Callable[[], EventLog],
    topics: Collection[str],
    on_failure: Callable[[], None],
    clock: Clock = utc_now,
    seconds: float = _CHECK_SECONDS,
) -> Iterator[None]:
    """Warn once of each transaction that holds back messages for more than a minute, until the block exits."""
    warned: set[tuple[Partition, int | None]] = set()

    def check() -> None:
        now = micros_of(clock())
        for partition, held in sorted(log.held_back(topics).items()):
            if is_overdue(held, now) and (partition, held.since) not in warned:
                warned.add((partition, held.since))
                _warn(partition, held)

    with open_log() as log, periodic("check for open transactions", seconds, check, on_failure):
        yield


def _warn(partition: Partition, held: HeldBack) -> None:
    _LOG.warning(
        "an open transaction holds back messages: they are processed when its producer ends it",
        partition=f"{partition.topic}/{partition.partition}",
        at_most=held.offsets,
        since=since_text(held),
        hint=HINT,
    )

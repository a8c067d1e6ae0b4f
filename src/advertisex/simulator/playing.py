"""Runs a simulation in real time: messages with current event times, at a constant rate, until interrupted."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS, Feed
from advertisex.logs.contract import EventLog
from advertisex.simulator.publishing import append
from advertisex.simulator.settings import SimulationSettings
from advertisex.simulator.simulation import Simulation
from advertisex.simulator.truth import Truth
from advertisex.stores.commit_time import utc_now
from advertisex.times import micros_of

_TICK_SECONDS = 0.25
_USERS = 50_000


class Clock(Protocol):
    """The clock that `play` uses."""

    def now(self) -> datetime:
        """The current time, naive UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block for that many seconds."""
        ...


class SystemClock(Clock):
    """The system clock."""

    def now(self) -> datetime:
        return utc_now()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def play(
    log: EventLog,
    settings: SimulationSettings,
    rate: float,
    clock: Clock | None = None,
    on_progress: Callable[[int], None] | None = None,
    feeds: Mapping[str, Feed] = FEEDS,
) -> Truth:
    """Append `rate` messages per second, with current event times, until KeyboardInterrupt.

    Args:
        log: the log to append to.
        settings: the seed, the users and the faults; events, start and duration are ignored.
        rate: messages per second over all feeds.
        clock: defaults to the system clock.
        on_progress: called after each tick with the number of messages so far.
        feeds: feeds by name; they determine the topics.

    Returns:
        The truth about the messages appended.

    Raises:
        ConfigurationError: the rate is not above 0, or above 1,000,000.
        LogError: the log cannot be written.
    """
    if not 0 < rate <= 1e6:
        raise ConfigurationError(
            f"invalid rate: {rate:g} messages per second", hint="set --rate to more than 0 and at most 1,000,000/s"
        )
    clock = clock or SystemClock()
    if settings.users is None:
        settings = replace(settings, users=_USERS)
    simulation = Simulation(settings, "log", messages_per_second=rate)
    lower = micros_of(clock.now())
    started = lower / 1e6

    def tick(upper: int) -> None:
        target = round(rate * (upper / 1e6 - started))
        append(log, simulation.until(lower, upper, target), feeds)

    # KeyboardInterrupt is raised in the main thread only. A tick runs in a worker thread, so its messages are either
    # all appended and counted or none is, and the truth stays exact.
    pending: Future[None] | None = None
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="simulator") as worker:
        try:
            while True:
                clock.sleep(_TICK_SECONDS)
                upper = max(lower, micros_of(clock.now()))  # the system clock may be set back
                pending = worker.submit(tick, upper)
                pending.result()
                lower = upper
                if on_progress:
                    on_progress(simulation.messages)
        except KeyboardInterrupt:
            pass
    if pending:
        pending.result()  # raises if the log failed during the interrupt: the truth would be wrong
    return simulation.truth()

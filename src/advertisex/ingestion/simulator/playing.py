"""A simulation in real time: messages of now, at a steady rate, until somebody interrupts."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS, Feed
from advertisex.ingestion.simulator.publishing import append
from advertisex.ingestion.simulator.settings import SimulationSettings
from advertisex.ingestion.simulator.simulation import Simulation
from advertisex.ingestion.simulator.truth import Truth
from advertisex.logs.contract import EventLog

_TICK_SECONDS = 0.25
_USERS = 50_000


class Clock(Protocol):
    """What playing needs of time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's time."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)


def play(
    log: EventLog,
    settings: SimulationSettings,
    rate: float,
    clock: Clock | None = None,
    on_progress: Callable[[int], None] | None = None,
    feeds: Mapping[str, Feed] = FEEDS,
) -> Truth:
    """Append messages at `rate` a second, with event times of now, until KeyboardInterrupt; the truth so far.

    Args:
        log: where to.
        settings: the seed, the users and the faults; events, start and duration say nothing here.
        rate: messages a second over all feeds.
        clock: None is the machine's.
        on_progress: called after each tick with the number of messages so far.
        feeds: by name; their topics are appended to.

    Raises:
        ConfigurationError: the rate is not above 0, or beyond a million.
        LogError: the log cannot be written.
    """
    if not 0 < rate <= 1e6:
        raise ConfigurationError(
            f"cannot play {rate:g} messages a second", hint="give a --rate between 0 and 1,000,000/s"
        )
    clock = clock or SystemClock()
    if settings.users is None:
        settings = replace(settings, users=_USERS)
    simulation = Simulation(settings, "log", messages_per_second=rate)
    started = clock.now()
    lower = int(started * 1e6)

    def tick(upper: int) -> None:
        target = round(rate * (upper / 1e6 - started))
        append(log, simulation.until(lower, upper, target), feeds)

    # An interrupt reaches the main thread only: a tick in a thread of its own is appended and counted whole,
    # or not begun, so that the truth is exact.
    ticking: Future[None] | None = None
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="simulator") as worker:
        try:
            while True:
                clock.sleep(_TICK_SECONDS)
                upper = max(lower, int(clock.now() * 1e6))  # the machine's clock may be set back
                ticking = worker.submit(tick, upper)
                ticking.result()
                lower = upper
                if on_progress:
                    on_progress(simulation.messages)
        except KeyboardInterrupt:
            pass
    if ticking:
        ticking.result()  # had the log failed under the interrupt, the truth would be wrong
    return simulation.truth()

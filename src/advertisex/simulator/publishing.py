"""Publishes a simulation to an event log at full speed."""

from collections.abc import Callable, Iterator, Mapping

from advertisex.feeds import FEEDS, Feed
from advertisex.logs.contract import EventLog
from advertisex.simulator.settings import SimulationSettings
from advertisex.simulator.simulation import Chunk, Simulation
from advertisex.simulator.truth import Truth


def messages(settings: SimulationSettings) -> Iterator[tuple[str, list[bytes]]]:
    """Yield (feed name, messages) pairs, each feed's messages in order of arrival; nothing is written."""
    for chunk in Simulation(settings, "log").chunks():
        yield from chunk.messages.items()


def publish_simulation(
    log: EventLog,
    settings: SimulationSettings,
    on_progress: Callable[[int], None] | None = None,
    feeds: Mapping[str, Feed] = FEEDS,
) -> Truth:
    """Append all messages of a simulation to the feeds' topics.

    Args:
        log: the log to append to.
        settings: what to simulate.
        on_progress: called after each chunk with the number of messages so far.
        feeds: feeds by name; they determine the topics.

    Returns:
        The truth about the messages.

    Raises:
        LogError: the log cannot be written.
    """
    simulation = Simulation(settings, "log")
    for chunk in simulation.chunks():
        append(log, chunk, feeds)
        if on_progress:
            on_progress(simulation.messages)
    return simulation.truth()


def append(log: EventLog, chunk: Chunk, feeds: Mapping[str, Feed]) -> None:
    """Append a chunk to the feeds' topics.

    Raises:
        LogError: the log cannot be written.
    """
    for feed, payloads in chunk.messages.items():
        log.append(feeds[feed].topic, payloads)

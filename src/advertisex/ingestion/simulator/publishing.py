"""A simulation into an event log, at full speed."""

from collections.abc import Callable, Iterator, Mapping

from advertisex.feeds import FEEDS, Feed
from advertisex.ingestion.simulator.settings import SimulationSettings
from advertisex.ingestion.simulator.simulation import Chunk, Simulation
from advertisex.ingestion.simulator.truth import Truth
from advertisex.logs.contract import EventLog


def messages(settings: SimulationSettings) -> Iterator[tuple[str, list[bytes]]]:
    """Feed names and runs of messages, each feed's in the order of arrival; nothing is written anywhere."""
    for chunk in Simulation(settings, "log").chunks():
        yield from chunk.messages.items()


def publish_simulation(
    log: EventLog,
    settings: SimulationSettings,
    on_progress: Callable[[int], None] | None = None,
    feeds: Mapping[str, Feed] = FEEDS,
) -> Truth:
    """Append all messages of a simulation to the feeds' topics; the truth about them.

    Args:
        log: where to.
        settings: what to simulate.
        on_progress: called after each chunk with the number of messages so far.
        feeds: by name; their topics are appended to.

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
    for feed, run in chunk.messages.items():
        log.append(feeds[feed].topic, run)

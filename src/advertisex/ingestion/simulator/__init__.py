"""A seeded generator of realistic traffic with known faults, and the exact truth about it.

The flow: market → traffic (good events) → arrivals (faults, repetitions, delays) → spoiling and formats
(bytes), driven chunk by chunk by `simulation`, into files, a log at full speed, or a log in real time.
"""

from advertisex.ingestion.simulator.files import settings_text, write_context, write_files
from advertisex.ingestion.simulator.kinds import FILTERED, REJECTED
from advertisex.ingestion.simulator.market import BLOCKED_SITES, BLOCKED_USERS
from advertisex.ingestion.simulator.playing import Clock, SystemClock, play
from advertisex.ingestion.simulator.publishing import messages, publish_simulation
from advertisex.ingestion.simulator.settings import DEFAULT_START, FaultRates, SimulationSettings
from advertisex.ingestion.simulator.simulation import Chunk, Simulation
from advertisex.ingestion.simulator.truth import AnalysisTruth, FeedTruth, Truth

__all__ = [
    "BLOCKED_SITES",
    "BLOCKED_USERS",
    "DEFAULT_START",
    "FILTERED",
    "REJECTED",
    "AnalysisTruth",
    "Chunk",
    "Clock",
    "FaultRates",
    "FeedTruth",
    "Simulation",
    "SimulationSettings",
    "SystemClock",
    "Truth",
    "messages",
    "play",
    "publish_simulation",
    "settings_text",
    "write_context",
    "write_files",
]

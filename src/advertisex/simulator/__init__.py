"""A seeded generator of realistic ad traffic with known faults, and the exact truth about it.

Data flow: market → traffic (good events) → arrivals (faults, duplicates, delays) → spoiling and formats (bytes).
`simulation` drives it chunk by chunk; the output goes to files, or to a log at full speed or in real time.
"""

from advertisex.simulator.files import (
    CAMPAIGNS_FILE,
    CATALOGUE_FILE,
    FILE_NAMES,
    settings_text,
    write_context,
    write_files,
    write_truth,
)
from advertisex.simulator.kinds import FILTERED, REJECTED
from advertisex.simulator.market import BLOCKED_SITES, BLOCKED_USERS
from advertisex.simulator.playing import Clock, SystemClock, play
from advertisex.simulator.publishing import messages, publish_simulation
from advertisex.simulator.settings import DEFAULT_START, FaultRates, SimulationSettings
from advertisex.simulator.simulation import Chunk, Simulation
from advertisex.simulator.truth import AnalysisTruth, FeedTruth, Truth

__all__ = [
    "BLOCKED_SITES",
    "BLOCKED_USERS",
    "CAMPAIGNS_FILE",
    "CATALOGUE_FILE",
    "DEFAULT_START",
    "FILE_NAMES",
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
    "write_truth",
]

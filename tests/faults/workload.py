"""What a round does: inputs with a known truth, and the commands that read them. Everything follows from a seed."""

import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from fastavro.write import Writer

from advertisex.feeds.bids import AVRO_SCHEMA
from advertisex.simulator import Simulation, SimulationSettings, Truth
from advertisex.simulator.csv_rows import HEADER
from advertisex.simulator.kinds import FEED_NAMES
from advertisex.simulator.settings import FaultRates
from tests.faults.hostile import HOSTILE

EVENTS = 4_000
#: As many as exceed the smallest limit of the embedded log.
EVENTS_WITH_RETENTION = 9_000
ENDINGS = {"impressions": "ndjson", "clicks": "csv", "bids": "avro"}


@dataclass(frozen=True)
class Step:
    """A command, and what is written while it runs.

    Attributes:
        arguments: the command line.
        delivers: the part of each feed that is written to its followed folder while the command runs.
        pages: the part of a feed that the API returns from then on.
        done: what an error says if an attempt that was killed had completed the command.
        environment: variables of its environment.
        expires: whether the log's retention removes afterwards what was processed.
    """

    arguments: tuple[str, ...]
    delivers: Mapping[str, int] = field(default_factory=dict)
    pages: int | None = None
    done: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    expires: bool = False

    def __str__(self) -> str:
        return " ".join(self.arguments)

    @property
    def follows(self) -> bool:
        """Whether the command runs until it is interrupted."""
        return self.arguments[0] == "run" or "--follow" in self.arguments


@dataclass(frozen=True)
class Workload:
    """Inputs and commands.

    Attributes:
        seed: what they were drawn from.
        parts: the records of each feed, in two parts.
        truth: what the simulator knows about all of them, hostile messages left out.
        user: the user who is erased.
        catalogues: two versions of the catalogue.
        steps: the commands.
        retained: whether the log removes what was processed.
    """

    seed: object
    parts: Sequence[Mapping[str, Sequence[bytes]]]
    truth: Truth
    user: str
    catalogues: Sequence[str]
    steps: Sequence[Step]
    retained: bool

    def file_of(self, feed: str, part: int) -> bytes:
        """A whole part as a file."""
        return file_of(feed, self.parts[part][feed])


def file_of(feed: str, records: Sequence[bytes]) -> bytes:
    """Records as a file of their feed's format."""
    if feed == "bids":
        out = io.BytesIO()
        container = Writer(out, AVRO_SCHEMA, codec="deflate", sync_marker=b"sync" * 4)
        for start in range(0, len(records), 100):
            block = records[start : start + 100]
            container.write_block(_Block(len(block), io.BytesIO(b"".join(block))))
        container.flush()
        return out.getvalue()
    lines = b"".join(record + b"\n" for record in records)
    return HEADER + lines if feed == "clicks" else lines


class _Block(NamedTuple):
    """What `Writer.write_block` reads of a block."""

    num_records: int
    bytes_: io.BytesIO


def workload(
    seed: object, *, processing: Sequence[str] = (), retention: Mapping[str, str] | None = None, order: bool = True
) -> Workload:
    """Draw a workload.

    Args:
        seed: decides everything.
        processing: further arguments of `process`.
        retention: variables of a `process` that removes from the log what was processed.
        order: whether the log keeps the order of a feed; otherwise there are no conflicts, because the first one wins.
    """
    chance = random.Random(f"workload {seed}")
    streamed = [set(chance.sample(FEED_NAMES, chance.choice([0, 1, 2]))), set[str]()]
    by_run = chance.random() < 0.7
    retained = chance.random() < 0.3
    rates = FaultRates(duplicate=0.05, conflict=0 if any(streamed) or by_run or not order else 0.2)
    events = EVENTS_WITH_RETENTION if retained else EVENTS
    settings = SimulationSettings(events=events, seed=chance.randrange(1_000_000), faults=rates)
    simulation = Simulation(settings, "files")
    records: dict[str, list[bytes]] = {feed: [] for feed in FEED_NAMES}
    for chunk in simulation.chunks():
        for feed, messages in chunk.messages.items():
            records[feed].extend(messages)
    user = _frequent_user(records["impressions"], chance)
    for feed, messages in HOSTILE.items():
        for message in messages:
            records[feed].insert(chance.randrange(len(records[feed])), message)
    cuts = {feed: chance.randrange(len(messages) // 4, 3 * len(messages) // 4) for feed, messages in records.items()}
    parts = [
        {feed: messages[: cuts[feed]] for feed, messages in records.items()},
        {feed: messages[cuts[feed] :] for feed, messages in records.items()},
    ]
    limit = retention or {} if retained else {}
    managing = _managing(user)[: 3 if retained else 4]  # a rebuild needs the whole log
    between = chance.sample(managing, len(managing))
    middle = len(between) // 2
    process = Step(
        ("process", *processing, "--batch-size", str(chance.choice([200, 500, 1_000]))),
        environment=limit,
        expires=retained,
    )
    first = [_delivery(feed, 0, streamed[0], chance) for feed in FEED_NAMES]
    if by_run:
        second = [Step(("run",), {"clicks": 1, "bids": 1}, pages=1)]
    else:
        second = [_delivery(feed, 1, streamed[1], chance) for feed in FEED_NAMES]
    steps = [
        *first,
        process,
        *chain.from_iterable(between[:middle]),
        *second,
        process,
        *chain.from_iterable(between[middle:]),
        process,
    ]
    return Workload(seed, parts, simulation.truth(), user, _catalogues(simulation.catalogue_rows), steps, retained)


def _delivery(feed: str, part: int, streamed: set[str], chance: random.Random) -> Step:
    if feed in streamed:
        return Step(("ingest", feed, f"in/{feed}", "--follow", "--every", "50ms"), {feed: part})
    return Step(("ingest", feed, f"parts/{part}.{feed}.{ENDINGS[feed]}"))


def _managing(user: str) -> list[list[Step]]:
    replay = ("rejects", "replay", "--reason", "bad_timestamp", "--set", "timestamp=2026-01-06T07:08:09Z", "--yes")
    return [
        [Step(("catalogue", "import", "catalogue2.csv"))],
        [Step(("erase", "--yes", "--", user))],
        [Step(replay)],
        [Step(("rebuild",), done="of an earlier rebuild is still kept"), Step(("rebuild", "--drop-old"))],
    ]


def _frequent_user(impressions: Sequence[bytes], chance: random.Random) -> str:
    users: list[str] = []
    for message in impressions[:500]:
        try:
            document: Any = json.loads(message)
        except ValueError:
            continue
        if isinstance(document, dict) and str(document.get("user_id", "")).startswith("u") and "timestamp" in document:
            users.append(document["user_id"])
    return chance.choice([user for user in users if user[1:].isdigit()])


def _catalogues(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """The simulator's catalogue, and one in which every tenth creative belongs to another campaign."""
    other = [(row[0], "cmp000", "adv01") if number % 10 == 0 else row for number, row in enumerate(rows)]
    header = ("creative_id", "campaign_id", "advertiser_id")
    return ["".join(f"{','.join(row)}\n" for row in [header, *version]) for version in (rows, other)]

"""Counts what a campaign did, and sums it up."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.faults.plan import Fault


@dataclass
class Report:
    """What was done and found.

    Attributes:
        rounds: completed rounds, by pair.
        commands: commands that ran.
        events: messages that the completed rounds read.
        kills: commands and workers that SIGKILL ended, by pair.
        faults: faults by kind; those that came after the end of their command, or never, are counted as `late`.
        rebalances: generations of the consumer groups.
        peak: the largest peak memory of a command, in bytes.
        failures: what was wrong, each with what is needed to repeat it.
        left_out: faults that cannot be injected here.
    """

    seed: str = ""
    seconds: float = 0.0
    rounds: Counter[str] = field(default_factory=Counter)
    commands: int = 0
    events: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    rebalances: int = 0
    peak: int = 0
    failures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, other: Self) -> None:
        """Add what another chain did."""
        self.rounds += other.rounds
        self.commands += other.commands
        self.events += other.events
        self.kills += other.kills
        self.faults += other.faults
        self.rebalances += other.rebalances
        self.peak = max(self.peak, other.peak)
        self.failures += other.failures
        self.left_out = sorted({*self.left_out, *other.left_out})

    def lacking(self, pairs: Collection[str]) -> list[str]:
        """What a campaign on these pairs must have done, and this one has not."""
        found = [
            f"{what} on {pair}"
            for pair in dict.fromkeys(pairs)
            for what, counts in (("a round under faults", self.rounds), ("a SIGKILL", self.kills))
            if not counts[pair]
        ]
        return found + ["a rebalance"] * ("servers" in pairs and not self.rebalances)

    def line(self) -> str:
        """Everything as one line of JSON."""
        return json.dumps(vars(self))

    def summary(self) -> str:
        """Everything as a sentence or two."""
        rounds = ", ".join(f"{count} {pair}" for pair, count in sorted(self.rounds.items())) or "none"
        kills = ", ".join(f"{count} {pair}" for pair, count in sorted(self.kills.items())) or "none"
        faults = ", ".join(f"{kind} {count}" for kind, count in self.faults.most_common())
        left_out = f"; left out here: {', '.join(self.left_out)}" if self.left_out else ""
        parts = [
            f"faults: seed {self.seed}, {self.seconds / 60:.1f} min",
            f"rounds: {rounds}",
            f"messages {self.events:,}",
            f"commands {self.commands:,}",
            f"SIGKILLs: {kills}",
            f"rebalances {self.rebalances}",
            f"peak memory {self.peak >> 20} MiB",
            f"faults: {faults}{left_out}",
            f"failures {len(self.failures)}",
        ]
        return "; ".join(parts)


def described(round_: str, problems: Sequence[str], played: Sequence[tuple[float, str, Fault | None]]) -> str:
    """A failure: what was wrong, the seed, and the timed list of the commands and their faults."""
    lines = [f"{seconds:8.2f} s  {command}  [{fault or 'undisturbed'}]" for seconds, command, fault in played]
    return "\n".join([f"FAILED {round_}", *(f"  {problem}" for problem in problems), *(f"  {line}" for line in lines)])

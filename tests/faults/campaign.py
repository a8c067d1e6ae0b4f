"""Plays rounds: the same commands undisturbed and under faults, until the time is over."""

import os
import random
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from typing import NoReturn

from tests.faults.checks import (
    Result,
    differences,
    orphans_of,
    problems_of,
    result_of,
    secrets_in_files,
)
from tests.faults.endings import play_ending
from tests.faults.inject import Attempt, missing_tools
from tests.faults.pairs import PAIRS, Pair
from tests.faults.plan import Fault, plan
from tests.faults.report import Report, described
from tests.faults.streams import Streams
from tests.faults.truth import truth_problems
from tests.faults.workload import Step, workload
from tests.faults.world import Ended, World

#: Rounds on one workload; each needs an undisturbed run.
ROUNDS = 6
#: Faults that end the command at once, and before how many seconds half a row may wait for its rest meanwhile: after
#: ten, it is read.
_SHORT, _SOON = {"kill", "interrupt"}, 5.0


class Round:
    """One run of a workload, under a plan of faults or undisturbed."""

    def __init__(self, world: World, seed: object, usual: Mapping[str, float], report: Report) -> None:
        self._world, self._usual, self._report = world, usual, report
        self._chance = random.Random(f"round {seed}")
        self._streams = Streams(world.workload, world.folder, self._chance)
        self._began = time.monotonic()
        self.problems: list[str] = []
        self.played: list[tuple[float, str, Fault | None]] = []
        self.seconds: dict[str, float] = {}

    def play(self, faults: list[list[Fault]]) -> None:
        """Run all steps, each first under its faults and then to its end; stop at the first problem."""
        for step, some in zip(self._world.workload.steps, faults, strict=True):
            self._step(step, some)
            if self.problems:
                return

    def _step(self, step: Step, faults: list[Fault]) -> None:
        self._streams.begin(step.delivers)
        base = self._ends()
        if step.pages is not None:
            self._world.api.records = list(self._world.workload.parts[step.pages]["impressions"])
        wanted = {feed: len(self._world.workload.parts[part][feed]) for feed, part in step.delivers.items()}
        if step.pages is not None:
            wanted["impressions"] = self._world.api.read_once
        usual = self._usual.get(str(step), 0.0)
        attempt = Attempt(self._world, step, usual, self._streams.write)
        self._world.api.unreliable = self._chance if faults else None
        for fault in faults:
            self._note(step, fault)
            is_soon = fault.kind in _SHORT and fault.at * usual < _SOON
            self._streams.halves = self._world.pair.is_embedded and is_soon
            ended = attempt.under(fault)
            self._streams.complete()
            self._report.faults[fault.kind if attempt.hit else f"{fault.kind} (late)"] += 1
            self._check(ended)
            if self.problems:
                return
            if not step.follows and any(one.code == 0 and one.command == str(step) for one in ended):
                break
        self._world.api.unreliable = None
        self._note(step, None)
        self._streams.write_rest()
        last = attempt.undisturbed(lambda: self._arrived(base, wanted))
        self.seconds[str(step)] = last.seconds
        self._check([last])
        if step.follows:
            self._check_log(step, base, wanted, last)
        if last.code != 0 and not (step.done and step.done in last.err):
            self.problems.append(f"{step}: undisturbed, it ended with {last.code}: {last.err.strip()[-1000:]}")
        elif step.expires:
            self._world.pair.expire(self._world)

    def _check_log(self, step: Step, base: Mapping[str, int], wanted: Mapping[str, int], last: Ended) -> None:
        """What is followed is in the log: once, beside the embedded one."""
        ends = self._ends()
        new = {feed: ends.get(feed, 0) - base.get(feed, 0) for feed in wanted}
        if any(
            new[feed] != count if self._world.pair.is_embedded else new[feed] < count for feed, count in wanted.items()
        ):
            self.problems.append(f"{step}: {new} messages were appended instead of {wanted}; {last.err[-800:]}")

    def _arrived(self, base: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
        ends = self._ends()
        return all(ends.get(feed, 0) >= base.get(feed, 0) + count for feed, count in wanted.items())

    def _ends(self) -> dict[str, int]:
        """The number of messages in the log, by feed."""
        return self._world.pair.ends(self._world)

    def _note(self, step: Step, fault: Fault | None) -> None:
        self.played.append((time.monotonic() - self._began, str(step), fault))

    def _check(self, ended: list[Ended]) -> None:
        self._report.commands += len(ended)
        killed = sum((one.code == -9) + one.killed_workers for one in ended)
        self._report.kills[self._world.pair.name] += killed
        self._report.peak = max(self._report.peak, *(one.peak for one in ended))
        for one in ended:
            self.problems.extend(problems_of(one))
            if left := orphans_of(one.session):
                self.problems.append(f"{one.command}: left processes: {', '.join(left)}")


class Campaign:
    """A chain of rounds on one pair.

    Args:
        pair: the log and the store.
        seed: decides everything but the moments.
        report: what was done is added to it.
    """

    def __init__(self, pair: Pair, seed: str, report: Report) -> None:
        self._pair, self._seed, self._report = pair, seed, report
        self._folder = Path(tempfile.mkdtemp(prefix="advertisex-faults-"))

    def run(self, seconds: float) -> None:
        """Play rounds until one failed, or the time is over; the first one is always played."""
        deadline = time.monotonic() + seconds
        workloads = (f"{self._seed}.{number}" for number in count())
        try:
            for _ in chain.from_iterable(map(self._workload, workloads)):
                if time.monotonic() > deadline or self._report.failures:
                    break
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _workload(self, seed: str) -> Iterator[None]:
        """Play a workload undisturbed, and then under several plans; stop after each."""
        self._drawn = workload(
            seed,
            processing=self._pair.processing,
            retention=self._pair.retention,
            order=self._pair.is_embedded,
        )
        expected, usual = self._undisturbed(seed)
        for number in range(ROUNDS if expected else 1):
            if expected:
                self._disturbed(f"{seed}.{number}", expected, usual)
            yield

    def _undisturbed(self, seed: str) -> tuple[Result | None, dict[str, float]]:
        with self._world(f"{seed}.undisturbed") as world:
            played = Round(world, seed, {}, self._report)
            played.play([[] for _ in world.workload.steps])
            found = None
            if not played.problems:
                found = result_of(world)
                played.problems.extend([*found.ledger, *truth_problems(world, found), *secrets_in_files(world)])
            self._report.left_out = sorted(missing_tools(world.has_disk))
            self._fail(f"{self._pair.name} seed {seed} undisturbed", played, world)
        return found, played.seconds

    def _disturbed(self, seed: str, expected: Result, usual: Mapping[str, float]) -> None:
        with self._world(seed) as world:
            played = Round(world, seed, usual, self._report)
            possible = {k: w for k, w in self._pair.weights.items() if k not in missing_tools(world.has_disk)}
            played.play(plan(seed, [step.arguments[0] for step in world.workload.steps], possible))
            if not played.problems:
                found = result_of(world)
                played.problems.extend([*differences(found, expected), *secrets_in_files(world)])
            if not played.problems:
                ending, problems = play_ending(world, expected, seed)
                self._report.faults[ending] += 1
                played.problems.extend(problems)
            self._report.rounds[self._pair.name] += 1
            self._report.events += sum(self._pair.ends(world).values())
            self._report.rebalances += self._pair.rebalances(seed)
            self._fail(f"{self._pair.name} seed {seed}", played, world)

    def _world(self, run: str) -> World:
        return World(self._folder / run, self._drawn, self._pair, run)

    def _fail(self, name: str, played: Round, world: World) -> None:
        if played.problems:
            if kept := os.environ.get("FAULTS_KEEP"):
                shutil.copytree(world.folder.parent, Path(kept) / world.folder.parent.name)
            self._report.failures.append(described(name, played.problems, played.played))


def interrupt_once() -> None:
    """Take the first SIGINT or SIGTERM as Ctrl-C, and ignore further ones: they must not stop the clean-up."""

    def interrupt(*_: object) -> NoReturn:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)  # Python reports what SIG_IGN meets on its way
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


def run_chain(pair: str, seed: str, seconds: float) -> Report:
    """Run one chain, in a process of its own; return what it did. SIGINT and SIGTERM end it, after it cleaned up."""
    interrupt_once()
    report = Report()
    try:
        with closing(PAIRS[pair]()) as servers:
            Campaign(servers, seed, report).run(seconds)
    except Exception:  # noqa: BLE001 - the campaign's own faults are reported with the seed, too
        report.failures.append(f"FAILED {pair} seed {seed}\n{traceback.format_exc()}")
    return report

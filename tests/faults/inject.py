"""Runs one command under one fault."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from tests.faults.clock import MovedClock, can_move_clock
from tests.faults.plan import Fault
from tests.faults.workload import Step
from tests.faults.world import DISK_BYTES, Ended, Running, World, remount

#: Seconds that a disk stays full.
_FULL_SECONDS = 1.5
#: Which tool or right a kind of fault needs.
NEEDS = {
    "kill at call": "strace",
    "kill at network call": "strace",
    "disk error": "strace",
    "clock": "a C compiler",
    "full disk": "a disk of its own (root)",
    "read-only disk": "a disk of its own (root)",
}


@cache
def can_trace() -> bool:
    """Whether strace can kill a process at a system call."""
    if not shutil.which("strace"):
        return False
    command = ["strace", "-D", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=openat", "-e", "inject=openat:signal=KILL"]
    return subprocess.run([*command, "true"], stderr=subprocess.DEVNULL, check=False).returncode == -signal.SIGKILL


def missing_tools(world_has_disk: bool) -> set[str]:
    """The kinds of faults that cannot be injected here."""
    has = {
        "strace": can_trace(),
        "a C compiler": can_move_clock(),
        "a disk of its own (root)": world_has_disk,
    }
    return {kind for kind, need in NEEDS.items() if not has[need]}


class Attempt:
    """One attempt of a command.

    Attributes:
        hit: whether the last fault came while the command ran, and could be injected.

    Args:
        world: where it runs.
        step: the command.
        usual: seconds that it takes; one that follows, to read what there is, and then it is interrupted.
        meanwhile: called once after it was started, to write what it follows.
    """

    def __init__(self, world: World, step: Step, usual: float, meanwhile: Callable[[], None]) -> None:
        self._world, self._step, self._usual, self._meanwhile = world, step, usual, meanwhile
        self.hit = False

    def under(self, fault: Fault) -> list[Ended]:
        """Run it under a fault; return how it ended, and how others ended that ran beside it."""
        self.hit = False
        return _HOW[fault.kind](self, fault)

    def kill(self, fault: Fault) -> list[Ended]:
        running = self._start_until(fault)
        self.hit = running.signal(signal.SIGKILL)
        return [running.wait()]

    def interrupt(self, fault: Fault) -> list[Ended]:
        running = self._start_until(fault)
        self.hit = running.signal(signal.Signals[fault.detail])
        return [running.wait()]

    def at_call(self, fault: Fault) -> list[Ended]:
        effect = "signal=KILL" if fault.kind == "kill at call" else f"error={fault.detail}"
        when = f"{fault.number}" if fault.kind == "kill at call" else f"{fault.number}+"
        traced = self._world.outputs / "traced.txt"
        tracer = ["strace", "-D", "-f", "-qqq", "-o", str(traced), "-e", f"trace={fault.call}"]
        running = self._start([*tracer, "-e", f"inject={fault.call}:{effect}:when={when}"])
        ended = self._end(running, 2 * self._usual)
        self.hit = ended.code == -signal.SIGKILL or b"(INJECTED)" in traced.read_bytes()
        return [ended]

    def freeze(self, fault: Fault) -> list[Ended]:
        running = self._start_until(fault)
        self.hit = running.signal(signal.SIGSTOP)
        running.sleep(fault.seconds)
        running.signal(signal.SIGCONT)
        return [self._end(running, self._usual)]

    def full_disk(self, fault: Fault) -> list[Ended]:
        running = self._start_until(fault)
        used = shutil.disk_usage(self._world.folder).used
        self.hit = remount(self._world.folder, f"size={used + 4096 + 1024 * int(fault.detail)}") and running.running
        running.sleep(_FULL_SECONDS)
        _restore(self._world.folder, f"size={DISK_BYTES}")
        return [self._end(running, self._usual)]

    def read_only_disk(self, _: Fault) -> list[Ended]:
        self.hit = remount(self._world.folder, "ro")
        running = self._world.start(self._step.arguments, **self._step.environment)
        running.sleep(2 * self._usual)
        _restore(self._world.folder, "rw")
        return [self._end(running, self._usual)]

    def clock(self, fault: Fault) -> list[Ended]:
        clock = MovedClock(self._world.outputs)
        if not fault.at:
            clock.set(int(fault.detail))
        running = self._start(**clock.environment)
        running.sleep(fault.at * self._usual)
        clock.set(int(fault.detail))
        self.hit = running.running
        return [self._end(running, self._usual)]

    def twin(self, fault: Fault) -> list[Ended]:
        both = [self._world.start(self._step.arguments, **self._step.environment), self._start()]
        both[0].sleep(fault.at * self._usual)
        self.hit = all(one.running for one in both)
        if fault.detail == "kill one":
            both[0].signal(signal.SIGKILL)
        return [self._end(running, self._usual) for running in reversed(both)]

    def kill_worker(self, fault: Fault) -> list[Ended]:
        running = self._start_until(fault)
        workers = running.children()[:1]
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.hit = True
        if not workers:
            self.hit = running.signal(signal.SIGKILL)
        return [replace(self._end(running, self._usual), killed_workers=len(workers))]

    def extra_worker(self, fault: Fault) -> list[Ended]:
        running = self._start_until(fault)
        extra = self._world.start(["process", "--follow"])
        extra.sleep(fault.seconds)
        self.hit = running.running
        extra.signal(signal.SIGTERM)
        return [self._end(running, self._usual), extra.wait()]

    def of_servers(self, fault: Fault) -> list[Ended]:
        running = self._start_until(fault)
        end = self._world.pair.begin(fault, self._world.run)
        self.hit = running.running
        try:
            running.sleep(fault.seconds)
        finally:
            end()
        return [self._end(running, self._usual)]

    def reader(self, fault: Fault) -> list[Ended]:
        running = self._start_until(fault)
        self.hit = running.running
        reading = self._world.start(["analyze", "summary", "--json"]).wait()
        return [self._end(running, self._usual), reading]

    def undisturbed(self, until: Callable[[], bool]) -> Ended:
        """Run it to its end; one that follows is interrupted when it has read everything."""
        running = self._start()
        if self._step.follows:
            deadline = time.monotonic() + 60
            while running.running and time.monotonic() < deadline and not (running.has_begun and until()):
                time.sleep(0.1)
            running.signal(signal.SIGTERM)
        return running.wait()

    def _start_until(self, fault: Fault) -> Running:
        """Start it, and wait for the moment of the fault."""
        running = self._start()
        running.sleep(fault.at * self._usual)
        return running

    def _start(self, wrapped_in: Sequence[str] = (), **more: str) -> Running:
        running = self._world.start(self._step.arguments, wrapped_in, **self._step.environment, **more)
        self._meanwhile()
        return running

    def _end(self, running: Running, seconds: float) -> Ended:
        if self._step.follows:
            running.sleep(seconds)
            running.signal(signal.SIGTERM)
        return running.wait()


def _restore(folder: Path, options: str) -> None:
    if not remount(folder, options):
        raise RuntimeError(f"cannot restore the disk of {folder}: {options}")


_HOW: dict[str, Callable[[Attempt, Fault], list[Ended]]] = {
    "kill": Attempt.kill,
    "kill at call": Attempt.at_call,
    "interrupt": Attempt.interrupt,
    "freeze": Attempt.freeze,
    "disk error": Attempt.at_call,
    "full disk": Attempt.full_disk,
    "read-only disk": Attempt.read_only_disk,
    "clock": Attempt.clock,
    "twin": Attempt.twin,
    "reader": Attempt.reader,
    "kill worker": Attempt.kill_worker,
    "extra worker": Attempt.extra_worker,
    "server kill": Attempt.of_servers,
    "server freeze": Attempt.of_servers,
    "connections": Attempt.of_servers,
    "write block": Attempt.of_servers,
}


def is_injectable(kind: str) -> bool:
    """Whether a kind of fault is known here."""
    return kind in _HOW

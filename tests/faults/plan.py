"""Draws faults from a seed. Pure: the same seed and the same commands give the same plan, on every machine."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: System calls by which files become durable or are locked, by command: how often a thread makes each, as strace counts
#: them. A larger number is never reached.
CALLS = {
    "ingest": {"pwrite64": 150, "fdatasync": 30, "fsync": 3, "ftruncate": 4, "unlink": 9, "link": 1, "fcntl": 200},
    "process": {"pwrite64": 40, "fdatasync": 18, "fsync": 3, "ftruncate": 4, "unlink": 7, "link": 1, "fcntl": 150},
    "run": {"pwrite64": 400, "fdatasync": 100, "ftruncate": 1, "unlink": 5, "fcntl": 400},
    "rebuild": {"pwrite64": 18, "fdatasync": 12, "fsync": 7, "ftruncate": 2, "unlink": 5, "link": 2, "rename": 1},
}
_OTHER_CALLS = {"pwrite64": 30, "fdatasync": 10, "fsync": 1, "ftruncate": 2, "unlink": 3, "fcntl": 80}
#: Other names of the same call.
_ALIASES = {"unlink": "unlink,unlinkat", "link": "link,linkat", "rename": "rename,renameat,renameat2"}
#: Errors of a disk, and the calls that they are returned from.
DISK_ERRORS = {"ENOSPC": ("pwrite64", "ftruncate"), "EIO": ("pwrite64", "fdatasync", "fsync"), "EROFS": ("pwrite64",)}
#: Offsets of the clock, in seconds: 5 minutes, 12 hours, 3 days and 30 days.
CLOCK_JUMPS = tuple(sign * seconds for sign in (-1, 1) for seconds in (300, 43_200, 259_200, 2_592_000))
#: The calls that talk to servers, likewise.
NETWORK_CALLS = {"sendto": 20, "sendmsg": 40, "connect": 4, "recvfrom": 60}


#: Draws a fault for a command.
Draw = Callable[[random.Random, str], "Fault"]


@dataclass(frozen=True)
class Fault:
    """One fault, for one attempt of a command.

    Attributes:
        kind: what happens, see `KINDS`; a kill at a network call is a kill at a call.
        at: when: the share of the usual duration of the command.
        call: system calls that the fault is set at.
        number: number of the call, per thread.
        detail: the error, the offset of the clock or whatever else the kind needs.
        seconds: how long it lasts.
    """

    kind: str
    at: float = 0.0
    call: str = ""
    number: int = 0
    detail: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        """The fault as a failure prints it."""
        where = f" at {self.call} {self.number}" if self.call else f" at {self.at:.3f}" if self.at else ""
        lasting = f" for {self.seconds:.2f} s" if self.seconds else ""
        return f"{self.kind}{' ' + self.detail if self.detail else ''}{where}{lasting}"


def _killed_at_call(chance: random.Random, command: str) -> Fault:
    calls = CALLS.get(command, _OTHER_CALLS)
    call = chance.choice(list(calls))
    return Fault("kill at call", call=_ALIASES.get(call, call), number=_number(chance, calls[call]))


def _killed_at_network_call(chance: random.Random, _: str) -> Fault:
    call = chance.choice(list(NETWORK_CALLS))
    return Fault("kill at call", call=call, number=_number(chance, NETWORK_CALLS[call]))


def _of_server(kind: str) -> Draw:
    return lambda chance, _: Fault(
        kind,
        at=_moment(chance),
        detail=chance.choice(["kafka", "elasticsearch"]),
        seconds=round(chance.uniform(0.5, 4.0), 2),
    )


def _of_connections(chance: random.Random, _: str) -> Fault:
    detail = chance.choice(["cut", "swallow", "delay", "refuse", "401", "503"])
    longest = 60.0 if detail == "401" else 4.0  # credentials that were renewed too late
    return Fault("connections", at=_moment(chance), detail=detail, seconds=round(chance.uniform(0.5, longest), 2))


def _disk_error(chance: random.Random, command: str) -> Fault:
    calls = CALLS.get(command, _OTHER_CALLS)
    error = chance.choice(list(DISK_ERRORS))
    call = chance.choice([call for call in DISK_ERRORS[error] if call in calls])
    return Fault("disk error", call=call, number=_number(chance, calls[call]), detail=error)


def _number(chance: random.Random, largest: int) -> int:
    """A number from 1 to `largest`; small ones are as probable as large ones."""
    return round(largest ** chance.random())


def _moment(chance: random.Random) -> float:
    return round(chance.uniform(0.15, 1.05), 3)


#: Largest number of attempts of a command under a fault, before it is run to its end.
_MOST_FAULTS = 10
#: How each kind of fault is drawn.
KINDS: dict[str, Draw] = {
    "kill": lambda chance, _: Fault("kill", at=_moment(chance)),
    "kill at call": _killed_at_call,
    "interrupt": lambda chance, _: Fault("interrupt", at=_moment(chance), detail=chance.choice(["SIGINT", "SIGTERM"])),
    "freeze": lambda chance, _: Fault("freeze", at=_moment(chance), seconds=round(chance.uniform(0.1, 1.5), 2)),
    "disk error": _disk_error,
    "full disk": lambda chance, _: Fault("full disk", at=_moment(chance), detail=chance.choice(["0", "64", "512"])),
    "read-only disk": lambda *_: Fault("read-only disk"),
    "clock": lambda chance, _: Fault(
        "clock", at=chance.choice([0, _moment(chance)]), detail=f"{chance.choice(CLOCK_JUMPS):+d}"
    ),
    "twin": lambda chance, _: Fault("twin", at=_moment(chance), detail=chance.choice(["kill one", "let both run"])),
    "reader": lambda chance, _: Fault("reader", at=_moment(chance)),
    "kill at network call": _killed_at_network_call,
    "kill worker": lambda chance, _: Fault("kill worker", at=_moment(chance)),
    "extra worker": lambda chance, _: Fault("extra worker", at=_moment(chance), seconds=round(chance.uniform(2, 5), 2)),
    "server kill": _of_server("server kill"),
    "server freeze": _of_server("server freeze"),
    "connections": _of_connections,
    "write block": lambda chance, _: Fault("write block", at=_moment(chance), seconds=round(chance.uniform(0.5, 3), 2)),
}


def plan(seed: object, commands: Sequence[str], weights: Mapping[str, float]) -> list[list[Fault]]:
    """Draw the faults of each step.

    Args:
        seed: decides everything.
        commands: the command of each step of the round.
        weights: the kinds that are possible here, and how often each is drawn.
    """
    chance = random.Random(f"plan {seed}")
    kinds, shares = list(weights), list(weights.values())
    return [
        [KINDS[kind](chance, command) for kind in chance.choices(kinds, shares, k=chance.randint(1, _MOST_FAULTS))]
        for command in commands
    ]

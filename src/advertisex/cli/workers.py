"""Several processes that share the work: they are one consumer group, as the same number on other machines would be."""

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event

from advertisex.cli.output import err
from advertisex.cli.worker_process import Errors, WorkerProcess
from advertisex.errors import INTERRUPTED, AdvertiseXError, ConfigurationError, StoreError
from advertisex.settings import Settings

_POLL_SECONDS = 0.2
_RESTART_SECONDS = 1.0
#: Times that each worker may be killed while the ledger stands still.
_KILLS = 5


@dataclass(frozen=True, slots=True)
class Ended:
    """How workers ended.

    Attributes:
        code: 0 when all ended well, the exit code of one that ended with an error, or `INTERRUPTED`.
        said_why: whether one has said why it did not come to its end; it is on stderr.
    """

    code: int
    said_why: bool


def check_shareable(settings: Settings) -> None:
    """Make sure that the log and the store admit several processes.

    Raises:
        ConfigurationError: one of them is embedded.
    """
    for option, url, remote in (
        ("--log", settings.log_url, "kafka://host:9092"),
        ("--store", settings.store_url, "elasticsearch://host:9200"),
    ):
        if url.startswith(("sqlite:", "duckdb:")):
            raise ConfigurationError(
                "--workers needs a log and a store that several processes can share",
                hint=f"name one with {option} {remote}",
            )


def command_of_worker(arguments: Sequence[str], index: int) -> list[str]:
    """The arguments of one worker: those of the command without `--workers N`, and with a port for its own metrics.

    Args:
        arguments: of the command.
        index: of the worker, from 0 on; its port is that many after the one that was given.
    """
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        name, _, value = word.partition("=")
        if name not in {"--workers", "--metrics-port"}:
            kept.append(word)
            continue
        number = int(value or next(words))
        if name == "--metrics-port":
            kept.append(f"{name}={number + index if number else 0}")
    return kept


def run_workers(commands: Sequence[Sequence[str]], stop: Event, standing: Callable[[], object]) -> Ended:
    """Run `advertisex COMMAND` for each command in a process until all have ended, or `stop` is set.

    A worker that is killed is started again: the others take over its partitions meanwhile. One that ends with an
    error ends them all, since the others would meet the same.

    Args:
        commands: the arguments of each process.
        stop: when set, they are asked to end.
        standing: tells where the ledger stands; asked when workers were killed.

    Raises:
        AdvertiseXError: workers are killed again and again, and the ledger does not get on.
    """
    errors = Errors()
    kills = _Kills(_KILLS * len(commands), standing)
    workers = [WorkerProcess(command, errors) for command in commands]
    try:
        while not stop.is_set():
            codes = [worker.code for worker in workers]
            if all(code == 0 for code in codes) or any(code and code > 0 for code in codes):
                break
            killed = [index for index, code in enumerate(codes) if code and code < 0]
            kills.add([workers[index] for index in killed])
            if not stop.wait(_RESTART_SECONDS if killed else _POLL_SECONDS):
                for index in killed:
                    workers[index].close()
                    workers[index] = WorkerProcess(commands[index], errors)
    finally:
        for worker in workers:
            worker.ask_to_end()
        for worker in workers:
            worker.close()
    return Ended(_code_of([worker.code for worker in workers]), errors.said_why)


def _code_of(codes: Sequence[int | None]) -> int:
    """The exit code for all; work that a kill broke off is interrupted, whatever it was."""
    failed = [code for code in codes if code and code > 0 and code != INTERRUPTED]
    if failed:
        return failed[0]
    return INTERRUPTED if any(codes) else 0


class _Kills:
    """How often workers were killed since the ledger last got on."""

    def __init__(self, limit: int, standing: Callable[[], object]) -> None:
        self._limit, self._standing = limit, standing
        self._count = 0
        self._stood: object = None

    def add(self, killed: Sequence[WorkerProcess]) -> None:
        if not killed:
            return
        with suppress(StoreError):  # as long as it cannot be asked, nothing gets on
            stands = self._standing()
            if stands != self._stood:
                self._stood, self._count = stands, 0
        self._count += len(killed)
        by = [signal.Signals(-worker.code).name for worker in killed if worker.code]
        if self._count >= self._limit:
            raise AdvertiseXError(
                f"workers were ended by {by[-1]} {self._count} times in a row, and the ledger stood still meanwhile",
                hint="see what ends them (too little memory? then set a smaller --batch-size), and run this again",
            )
        for worker, name in zip(killed, by, strict=True):
            err.print(f"worker {worker.pid} was ended by {name}: starting another", markup=False)

"""Several worker processes in one consumer group, just as if they ran on different machines."""

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event

import structlog

from advertisex.cli.worker_process import Errors, WorkerProcess
from advertisex.errors import INTERRUPTED, AdvertiseXError, ConfigurationError, StoreError
from advertisex.settings.model import Settings

_LOG = structlog.get_logger(__name__)
#: Marks the command line of a worker: it leaves the import of the catalogue to its parent.
WORKER_FLAG = "--as-worker"

_POLL_SECONDS = 0.2
_RESTART_SECONDS = 1.0
#: Kills tolerated per worker while the ledger makes no progress.
_KILLS = 5


@dataclass(frozen=True, slots=True)
class Ended:
    """How the workers ended.

    Attributes:
        code: 0 if all succeeded, the exit code of one that failed, or `INTERRUPTED`.
        interruption_explained: whether a worker has reported on stderr why it was interrupted.
    """

    code: int
    interruption_explained: bool


def check_shareable(settings: Settings) -> None:
    """Check that several processes can use the log and the store.

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
                hint=f"choose one with {option} {remote}",
                setting=(option.removeprefix("--"), "url"),
            )


def command_of_worker(arguments: Sequence[str], index: int) -> list[str]:
    """Return the arguments of one worker: those of the command without `--workers N`, and with its own metrics port.

    It ends with `WORKER_FLAG`.

    Args:
        arguments: the arguments of the command.
        index: number of the worker, from 0; it is added to the given port.
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
    return [*kept, WORKER_FLAG]


def run_workers(
    commands: Sequence[Sequence[str]],
    stop: Event,
    ledger_state: Callable[[], object],
    restart_seconds: float = _RESTART_SECONDS,
    *,
    follows: bool = False,
) -> Ended:
    """Run one process per command until all have ended, or `stop` is set.

    A worker that is killed is restarted; meanwhile the others take over its partitions. A worker that fails stops
    all of them, since the others would fail with the same error.

    Args:
        commands: the arguments of each process.
        stop: when set, the workers are asked to stop.
        ledger_state: returns the current state of the ledger; called when workers were killed.
        restart_seconds: how long to wait before a killed worker is restarted.
        follows: whether the workers follow the log. Being stopped is how they end, also before they begin, unless
            one of them reports that it was interrupted.

    Raises:
        AdvertiseXError: workers are killed repeatedly, and the ledger makes no progress.
    """
    errors = Errors()
    kills = _Kills(_KILLS * len(commands), ledger_state)
    workers = [WorkerProcess(command, errors) for command in commands]
    try:
        while not stop.is_set():
            codes = [worker.code for worker in workers]
            if all(code == 0 for code in codes) or any(code and code > 0 for code in codes):
                break
            killed = [index for index, code in enumerate(codes) if code and code < 0]
            kills.add([workers[index] for index in killed])
            if not stop.wait(restart_seconds if killed else _POLL_SECONDS):
                for index in killed:
                    workers[index].close()
                    workers[index] = WorkerProcess(commands[index], errors)
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.close()
    codes = [worker.code for worker in workers]
    if follows and not errors.interruption_explained:  # one that was explained left messages unprocessed
        codes = [0 if code in (INTERRUPTED, -signal.SIGTERM) else code for code in codes]
    return Ended(_code_of(codes), errors.interruption_explained)


def _code_of(codes: Sequence[int | None]) -> int:
    """Return the exit code for all workers; a killed worker counts as interrupted."""
    failed = [code for code in codes if code and code > 0 and code != INTERRUPTED]
    if failed:
        return failed[0]
    return INTERRUPTED if any(codes) else 0


class _Kills:
    """Counts how often workers were killed since the ledger last made progress."""

    def __init__(self, limit: int, ledger_state: Callable[[], object]) -> None:
        self._limit, self._ledger_state = limit, ledger_state
        self._count = 0
        self._last_state: object = None

    def add(self, killed: Sequence[WorkerProcess]) -> None:
        if not killed:
            return
        with suppress(StoreError):  # no progress while the store cannot be read
            state = self._ledger_state()
            if state != self._last_state:
                self._last_state, self._count = state, 0
        self._count += len(killed)
        signals = [signal.Signals(-worker.code).name for worker in killed if worker.code]
        if self._count >= self._limit:
            raise AdvertiseXError(
                f"workers were killed by {signals[-1]} {self._count} times without progress in the ledger",
                hint="find out what kills them (if memory is short, set a smaller --batch-size), then run again",
            )
        for worker, name in zip(killed, signals, strict=True):
            _LOG.warning(f"worker {worker.pid} was killed by {name}; starting another")

"""Several processes that share the work: they are one consumer group, as the same number on other machines would be."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from threading import Event

from advertisex.cli.output import err
from advertisex.errors import ConfigurationError
from advertisex.settings import Settings

_POLL_SECONDS = 0.2
_RESTART_SECONDS = 1.0
_END_SECONDS = 60.0


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
                mend=f"name one with {option} {remote}",
            )


def run_workers(count: int, arguments: Sequence[str], stop: Event) -> int:
    """Run `advertisex ARGUMENTS` in `count` processes until all have ended, or `stop` is set.

    A worker that is killed is started again: the others take over its partitions meanwhile. One that ends with an
    error ends them all, since the others would meet the same.

    Returns:
        0 when every worker ended well, else the exit code of the one that did not.
    """
    workers = [_start(arguments) for _ in range(count)]
    code = 0
    try:
        while any(worker.poll() is None for worker in workers) and not stop.is_set() and not code:
            for index, worker in enumerate(workers):
                ended = worker.poll()
                if ended is not None and ended < 0:
                    name = signal.Signals(-ended).name
                    err.print(f"worker {worker.pid} was ended by {name}: starting another", markup=False)
                    stop.wait(_RESTART_SECONDS)
                    workers[index] = _start(arguments)
                elif ended:
                    code = ended
            stop.wait(_POLL_SECONDS)
    finally:
        _end(workers)
    return code or max((worker.returncode for worker in workers if worker.returncode > 0), default=0)


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "advertisex", *arguments]
    # a session of their own: an interrupt at the terminal reaches them through us, once
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)


def _end(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
    for worker in workers:
        try:
            worker.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()

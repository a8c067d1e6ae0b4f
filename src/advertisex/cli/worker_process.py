"""The parent's handle of a worker process; `worker.py` is the process's entry point."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

_END_SECONDS = 60.0
#: Prefix of the line in which a command reports why it was interrupted. Lines of the log have another one.
_INTERRUPTED = "interrupted: "
#: Prefixes of lines that workers may have in common.
_ERRORS = ("error: ", "internal error: ", _INTERRUPTED)


class Errors:
    """Forwards the stderr of workers; an error that several workers report is printed once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reported: set[str] = set()

    @property
    def interruption_explained(self) -> bool:
        """Whether any worker has reported why it was interrupted."""
        return any(line.startswith(_INTERRUPTED) for line in self._reported)

    def forward(self, line: str) -> None:
        """Print a line of a worker."""
        with self._lock:
            if line in self._reported or line == "interrupted\n":  # we interrupted it
                return
            if line.startswith(_ERRORS):
                self._reported.add(line)
            with suppress(OSError):  # our own stderr may be closed
                sys.stderr.write(line)
                sys.stderr.flush()


class WorkerProcess:
    """A process that runs `advertisex ARGUMENTS` until it finishes, is asked to stop, or this process ends.

    Args:
        arguments: command-line arguments.
        errors: receives each line of its stderr.
    """

    def __init__(self, arguments: Sequence[str], errors: Errors) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "advertisex.cli.worker", *arguments],
            stdin=subprocess.PIPE,  # closes when we end, for any reason
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that Ctrl-C reaches only us; we forward it once
            text=True,
            errors="replace",
        )
        self.pid = self._process.pid
        self._listener = threading.Thread(target=self._listen, args=(errors,), daemon=True)
        self._listener.start()

    @property
    def code(self) -> int | None:
        """The exit code: negative if killed by a signal, None while running."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to stop after the current batch is committed."""
        if self.code is None:
            self._process.terminate()

    def close(self) -> None:
        """Wait until it has ended; kill it after a timeout."""
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        if self._process.stdin:
            self._process.stdin.close()

    def _listen(self, errors: Errors) -> None:
        assert self._process.stderr
        with self._process.stderr as stderr:
            for line in stderr:
                errors.forward(line)

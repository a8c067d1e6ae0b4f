"""A worker as seen from the process that started it."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock, Thread

_END_SECONDS = 60.0
#: How the line begins with which a command says why it ended.
_LAST_WORDS = ("error: ", "internal error: ", "interrupted: ")


class Errors:
    """Passes on what workers say on stderr; why they ended is said once, if it is the same for all."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._said: set[str] = set()

    @property
    def said_why(self) -> bool:
        """Whether any has said why it ended."""
        return bool(self._said)

    def pass_on(self, line: str) -> None:
        """Say a line of a worker."""
        with self._lock:
            if line in self._said or line == "interrupted\n":  # by us
                return
            if line.startswith(_LAST_WORDS):
                self._said.add(line)
            with suppress(OSError):  # nobody listens to us either
                sys.stderr.write(line)
                sys.stderr.flush()


class WorkerProcess:
    """A process that runs `advertisex ARGUMENTS` until it is done, asked to end, or this process ends.

    Args:
        arguments: of its command line.
        errors: told what it says on stderr.
    """

    def __init__(self, arguments: Sequence[str], errors: Errors) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "advertisex.cli.worker", *arguments],
            stdin=subprocess.PIPE,  # closes when we end, however we do
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # an interrupt at the terminal reaches it through us, once
            text=True,
            errors="replace",
        )
        self.pid = self._process.pid
        self._listener = Thread(target=self._listen, args=(errors,), daemon=True)
        self._listener.start()

    @property
    def code(self) -> int | None:
        """How it has ended: less than 0 if it was killed; None while it runs."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """Let it end after the batch that is being committed."""
        if self.code is None:
            self._process.terminate()

    def close(self) -> None:
        """Wait for its end; one that does not come to it is killed."""
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
        with self._process.stderr as said:
            for line in said:
                errors.pass_on(line)

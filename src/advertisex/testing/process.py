"""A server process that ends when it is told to, or when the process that started it ends."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from advertisex.errors import ServerError
from advertisex.testing import keeper


class ServerProcess:
    """One running server, and whatever it started itself.

    Args:
        command: the program and its arguments.
        environment: its whole environment.
        folder: where it runs.
        output: the file that its output is appended to.
        user: run as this user id; None for our own.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        output: Path,
        user: int | None = None,
    ) -> None:
        order = {
            "command": list(command),
            "environment": dict(environment),
            "folder": str(folder),
            "output": str(output),
            "user": user,
            "parent": os.getpid(),
        }
        self._telling = threading.Lock()
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._keeper.stdin
        self._keeper.stdin.write(json.dumps(order).encode() + b"\n")
        self._keeper.stdin.flush()
        started = self._hear()
        if not started:
            _, said = self._keeper.communicate()
            raise ServerError(
                f"{command[0]} could not be started",
                where=said.decode(errors="replace").strip().rpartition("\n")[2],
                hint="see whether it exists and may be run",
            )
        self.pid = int(started)
        """The process id of the server itself."""

    @property
    def running(self) -> bool:
        """Whether the server has not ended (a paused one runs)."""
        return self._keeper.poll() is None

    def stop(self, within: float = 30) -> None:
        """Ask it to end; kill it when it has not within that many seconds."""
        self._tell("resume")
        self._tell("stop")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(within)
        self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._tell("kill")
        self._keeper.wait(30)
        for pipe in (self._keeper.stdin, self._keeper.stdout, self._keeper.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def pause(self) -> None:
        """Freeze it: its connections stay open and nothing answers."""
        self._tell("pause")

    def resume(self) -> None:
        """Let it run on."""
        self._tell("resume")

    def _hear(self) -> str:
        assert self._keeper.stdout
        return self._keeper.stdout.readline().decode().strip()

    def _tell(self, word: str) -> None:
        with self._telling:
            if not self.running:
                return
            assert self._keeper.stdin
            with contextlib.suppress(OSError, ValueError):  # it has just ended
                self._keeper.stdin.write(f"{word}\n".encode())
                self._keeper.stdin.flush()
                self._hear()

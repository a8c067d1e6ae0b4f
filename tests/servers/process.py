"""A server process that ends on request, or when the process that started it ends."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers import supervisor
from tests.servers.errors import ServerError


class ServerProcess:
    """A running server and its child processes.

    Args:
        command: the program and its arguments.
        environment: its complete environment.
        folder: its working directory.
        output: file to which its output is appended.
        user: user id to run as; None for the current user.
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
        spec = {
            "command": list(command),
            "environment": dict(environment),
            "folder": str(folder),
            "output": str(output),
            "user": user,
            "parent": os.getpid(),
        }
        self._lock = threading.Lock()
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", supervisor.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._supervisor.stdin
        self._supervisor.stdin.write(json.dumps(spec).encode() + b"\n")
        self._supervisor.stdin.flush()
        started = self._read_reply()
        if not started:
            _, stderr = self._supervisor.communicate()
            raise ServerError(
                f"could not start {command[0]}",
                where=stderr.decode(errors="replace").strip().rpartition("\n")[2],
                hint="check that it exists and is executable",
            )
        #: The process id of the server, not of its supervisor.
        self.pid = int(started)

    @property
    def running(self) -> bool:
        """Whether the server has not ended; a paused server is running."""
        return self._supervisor.poll() is None

    def stop(self, timeout: float = 30) -> None:
        """Send SIGTERM; kill it if it has not ended after `timeout` seconds."""
        self._send("resume")
        self._send("stop")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._supervisor.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """Kill it without a clean shutdown, as a power cut would."""
        self._send("kill")
        self._supervisor.wait(30)
        for pipe in (self._supervisor.stdin, self._supervisor.stdout, self._supervisor.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def pause(self) -> None:
        """Suspend it: its connections stay open, but requests hang."""
        self._send("pause")

    def resume(self) -> None:
        """Resume it after `pause`."""
        self._send("resume")

    def _read_reply(self) -> str:
        assert self._supervisor.stdout
        return self._supervisor.stdout.readline().decode().strip()

    def _send(self, command: str) -> None:
        with self._lock:
            if not self.running:
                return
            assert self._supervisor.stdin
            with contextlib.suppress(OSError, ValueError):  # it has just ended
                self._supervisor.stdin.write(f"{command}\n".encode())
                self._supervisor.stdin.flush()
                self._read_reply()

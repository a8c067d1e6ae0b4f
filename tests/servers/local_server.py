"""Base class of the local servers: a folder, a port, a process, and a readiness check."""

import abc
import os
import random
import shutil
import socket
import tempfile
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.servers.errors import ServerError
from tests.servers.process import ServerProcess

HOST = "127.0.0.1"
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
#: Seconds until a server must be ready; a loaded machine with two cores took 40.
START_TIMEOUT = 180.0


class LocalServer(abc.ABC):
    """A server on this machine, with its own folder; it ends with the process that started it.

    Args:
        folder: folder for its data, kept between runs; by default a temporary folder that `close` removes.
        port: port on 127.0.0.1; by default a free one.
        heap: size of the Java heap, such as `512m`.
        quick: whether to start in half the time and with fewer resources, at lower throughput (C1 compiler and serial
            GC only). Use False for benchmarks.
    """

    name: ClassVar[str]

    def __init__(
        self, *, folder: Path | None = None, port: int | None = None, heap: str = "512m", quick: bool = True
    ) -> None:
        self._temporary = folder is None
        self._requested_folder = folder
        self._port = port
        self.heap = heap
        self.quick = quick
        #: The port it listens on; unchanged by a restart.
        self.port = 0
        self._folder: Path | None = None
        self._process: ServerProcess | None = None
        self._launched: list[ServerProcess] = []
        self._finalizer: weakref.finalize[..., LocalServer] | None = None

    @property
    def java_options(self) -> list[str]:
        """The JVM options."""
        return [f"-Xms{self.heap}", f"-Xmx{self.heap}", *(QUICK if self.quick else ())]

    @property
    def folder(self) -> Path:
        """The folder with its configuration, data and output."""
        assert self._folder, "start it first"
        return self._folder

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process, "start it first"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its process is alive; a paused process is."""
        return self._process is not None and self._process.running

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """The URL for `--log` or `--store`."""

    def start(self) -> Self:
        """Start it, or start it again on the same folder and port, and wait until it is ready.

        Raises:
            ServerError: it is unavailable on this machine, or ended before it was ready.
        """
        self.launch()
        self.wait()
        return self

    def launch(self) -> None:
        """Start it without waiting, so that servers can start in parallel; call `wait` next."""
        if self.running:
            return
        if self._folder is None:
            self._set_up()
        self._process = self._launch()
        self._launched[:] = [self._process]

    def wait(self) -> None:
        """Wait until it is ready.

        Raises:
            ServerError: it ended before it was ready, or took too long.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while self.running:
            if listening(self.port) and self._is_ready():
                return
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(
                    f"{self.name} was not ready after {START_TIMEOUT:.0f} s: {self._last_error()}",
                    where=f"{HOST}:{self.port}",
                    hint="check whether the machine is overloaded",
                )
            time.sleep(0.05)
        raise ServerError(
            f"{self.name} exited before it was ready: {self._last_error()}",
            where=f"{HOST}:{self.port}",
            hint="check whether the port is in use and there is enough memory",
        )

    def stop(self) -> None:
        """Shut it down (SIGTERM) and wait until it has ended. Its folder is kept for `restart`."""
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """Kill it without a clean shutdown (SIGKILL). Its folder is kept for `restart`."""
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        """Start it again on the same folder and port; stop it first if it is running."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Suspend it (SIGSTOP): connections stay open, but requests hang."""
        assert self._process, "start it first"
        self._process.pause()

    def resume(self) -> None:
        """Resume it after `pause` (SIGCONT)."""
        assert self._process, "start it first"
        self._process.resume()

    def close(self) -> None:
        """Stop it, and remove its folder if that is temporary."""
        if self._temporary:
            self.kill()
        else:
            self.stop()
        if self._finalizer:
            self._finalizer()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abc.abstractmethod
    def _prepare(self) -> None:
        """Write the files it needs to start into the folder."""

    @abc.abstractmethod
    def _launch(self) -> ServerProcess:
        """Start its process and return it."""

    @abc.abstractmethod
    def _is_ready(self) -> bool:
        """Whether it is ready for clients."""

    def _set_up(self) -> None:
        self.port = self._port or free_port()
        if self._requested_folder:
            self._requested_folder.mkdir(parents=True, exist_ok=True)
            self._folder = self._requested_folder.resolve()
        else:
            self._folder = Path(tempfile.mkdtemp(prefix=f"advertisex-{self.name.lower()}-")).resolve()
            self._finalizer = weakref.finalize(self, _remove, self._folder, self._launched, os.getpid())
        self._prepare()

    @property
    def _output(self) -> Path:
        return self.folder / "output.log"

    def _last_error(self) -> str:
        try:
            lines = self._output.read_text(errors="replace").splitlines()
        except OSError:
            return "no output"
        errors = [line for line in lines if any(word in line for word in ("ERROR", "FATAL", "Exception", "rror:"))]
        return (errors or lines or ["no output"])[0].strip()[:400]


def free_port() -> int:
    """A free port below 32768: outside the ephemeral range, so that it is still free for a restart."""
    for port in random.SystemRandom().sample(range(10240, 32768), 200):
        if is_free(port):
            return port
    raise ServerError("no free port on 127.0.0.1 (tried 200)", hint="stop some of the processes that listen there")


def is_free(port: int) -> bool:
    """Whether a server can bind this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def listening(port: int) -> bool:
    """Whether something accepts connections on this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _remove(folder: Path, launched: list[ServerProcess], owner: int) -> None:
    if os.getpid() == owner:  # not in a forked child
        for process in launched:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)

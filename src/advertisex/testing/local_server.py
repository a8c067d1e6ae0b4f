"""What every local server has in common: a folder, a port, a process, and a wait until it answers."""

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

from advertisex.errors import ServerError
from advertisex.testing.process import ServerProcess

HOST = "127.0.0.1"
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
START_WITHIN = 180.0
"""Seconds that a server may take to answer; a loaded machine with two cores took 40."""


class LocalServer(abc.ABC):
    """A server on this machine, in a folder of its own, that ends with the process that started it.

    Args:
        folder: where its data stays between runs; by default a temporary folder that goes when the server is closed.
        port: where it listens, on 127.0.0.1; by default a free one.
        heap: Java's heap, such as `512m`.
        quick: start in half the time and use little of the machine, but run slower than a real one (Java's first
            compiler and its serial collector only). False for measurements.
    """

    name: ClassVar[str]

    def __init__(
        self, *, folder: Path | None = None, port: int | None = None, heap: str = "512m", quick: bool = True
    ) -> None:
        self._temporary = folder is None
        self._given = folder
        self._port = port
        self.heap = heap
        self.quick = quick
        self.port = 0
        """The port it listens on, the same after a restart."""
        self._folder: Path | None = None
        self._process: ServerProcess | None = None
        self._launched: list[ServerProcess] = []
        self._finalizer: weakref.finalize[..., LocalServer] | None = None

    @property
    def java_options(self) -> list[str]:
        """The options for its Java."""
        return [f"-Xms{self.heap}", f"-Xmx{self.heap}", *(QUICK if self.quick else ())]

    @property
    def folder(self) -> Path:
        """Where its configuration, data and output are."""
        assert self._folder, "start it first"
        return self._folder

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process, "start it first"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its process lives; a paused one does."""
        return self._process is not None and self._process.running

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """Where it is, as `--log` or `--store` takes it."""

    def start(self) -> Self:
        """Start it, for the first time or again on the same folder and port, and wait until it answers.

        Raises:
            ServerError: it cannot be had here, or ended before it answered.
        """
        self.launch()
        self.wait()
        return self

    def launch(self) -> None:
        """Start it without waiting, so that another can start meanwhile; `wait` comes next."""
        if self.running:
            return
        if self._folder is None:
            self._settle()
        self._process = self._launch()
        self._launched[:] = [self._process]

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            ServerError: it ended before, or took too long.
        """
        deadline = time.monotonic() + START_WITHIN
        while self.running:
            if listening(self.port) and self._answers():
                return
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(
                    f"{self.name} did not answer in {START_WITHIN:.0f} s: {self._last_words()}",
                    where=f"{HOST}:{self.port}",
                    hint="see whether the machine is overloaded",
                )
            time.sleep(0.05)
        raise ServerError(
            f"{self.name} ended before it answered: {self._last_words()}",
            where=f"{HOST}:{self.port}",
            hint="see whether the port is taken and the memory suffices",
        )

    def stop(self) -> None:
        """Ask it to end, and wait until it has. Its folder stays, for `restart`."""
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """End it at once, without a chance to tidy up (SIGKILL). Its folder stays, for `restart`."""
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        """Start it again on the same folder and port; stop it first when it runs."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers."""
        assert self._process, "start it first"
        self._process.pause()

    def resume(self) -> None:
        """Let a paused one run on (SIGCONT)."""
        assert self._process, "start it first"
        self._process.resume()

    def close(self) -> None:
        """End it and remove its folder, unless that was given."""
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
        """Write what it needs before its first start, into the folder."""

    @abc.abstractmethod
    def _launch(self) -> ServerProcess:
        """Start its process."""

    @abc.abstractmethod
    def _answers(self) -> bool:
        """Whether it is ready for a client."""

    def _settle(self) -> None:
        self.port = self._port or free_port()
        if self._given:
            self._given.mkdir(parents=True, exist_ok=True)
            self._folder = self._given.resolve()
        else:
            self._folder = Path(tempfile.mkdtemp(prefix=f"advertisex-{self.name.lower()}-")).resolve()
            self._finalizer = weakref.finalize(self, _remove, self._folder, self._launched, os.getpid())
        self._prepare()

    @property
    def _output(self) -> Path:
        return self.folder / "output.log"

    def _last_words(self) -> str:
        try:
            lines = self._output.read_text(errors="replace").splitlines()
        except OSError:
            return "it said nothing"
        telling = [line for line in lines if any(word in line for word in ("ERROR", "FATAL", "Exception", "rror:"))]
        return (telling or lines or ["it said nothing"])[0].strip()[:400]


def free_port() -> int:
    """A port that is free now, and still for a restart: no outgoing connection is given one below 32768."""
    for port in random.SystemRandom().sample(range(10240, 32768), 200):
        if is_free(port):
            return port
    raise ServerError("none of 200 ports tried on 127.0.0.1 is free", hint="end what listens there")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
    return True


def listening(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as trial:
        trial.settimeout(1)
        return trial.connect_ex((HOST, port)) == 0


def _remove(folder: Path, launched: list[ServerProcess], owner: int) -> None:
    if os.getpid() == owner:  # not in a fork of the owner
        for process in launched:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)

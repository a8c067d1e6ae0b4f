"""A terminal for a command that runs in this process: what it writes is read back from a pty."""

import fcntl
import io
import os
import pty
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread


@dataclass
class Written:
    """What was written to the terminal."""

    text: str = ""


@contextmanager
def terminal(columns: int, *streams: int) -> Iterator[Written]:
    """Let the streams, 1 for stdout and 2 for stderr, be a terminal of this width; at the end, return its text."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    written, reader = Written(), _Reader(master)
    names = {1: "stdout", 2: "stderr"}
    before = {stream: (os.dup(stream), getattr(sys, names[stream])) for stream in streams}
    reader.start()
    try:
        for stream in streams:
            os.dup2(slave, stream)
            setattr(sys, names[stream], io.TextIOWrapper(io.FileIO(os.dup(slave), "w"), "utf-8", write_through=True))
        yield written
    finally:
        for stream, (number, file) in before.items():
            getattr(sys, names[stream]).close()
            setattr(sys, names[stream], file)
            os.dup2(number, stream)
            os.close(number)
        os.close(slave)
        reader.join()
        written.text = reader.read.decode().replace("\r\n", "\n")


class _Reader(Thread):
    """Reads a terminal until nothing can write to it any more, so that no writer waits."""

    def __init__(self, master: int) -> None:
        super().__init__(daemon=True)
        self._master, self.read = master, b""

    def run(self) -> None:
        while True:
            try:
                self.read += os.read(self._master, 65_536)
            except OSError:  # how Linux reports the end
                os.close(self._master)
                return

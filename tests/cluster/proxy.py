"""A TCP proxy on 127.0.0.1 that can fail on command, between a client of ours and a real server."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

_CHUNK = 65_536


class FaultyProxy:
    """Passes bytes on, until it is told to fail.

    Faults, each for the connections of now and those to come until `heal`:
        refuse      connections are closed at once
        cut         the answer ends after so many bytes, then the connection is closed
        swallow     what the client sends reaches the server, the answer never comes back: an ambiguous write
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._fault = ""
        self._answer_bytes = 0
        self.faults_met = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def refuse(self) -> None:
        self._fail("refuse")

    def cut(self, after: int) -> None:
        self._answer_bytes = after
        self._fail("cut")

    def swallow(self) -> None:
        self._fail("swallow", hang_up=False)

    def heal(self) -> None:
        """Pass everything on again; connections that met a fault are closed, as a broken network would end."""
        self._fault = ""
        self.hang_up()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        self.refuse()
        try:
            yield
        finally:
            self.heal()

    def hang_up(self) -> None:
        """Close every connection of now."""
        with self._lock:
            open_now, self._open = self._open, set()
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def close(self) -> None:
        self._fault = "refuse"
        self._listener.close()
        self.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fail(self, fault: str, *, hang_up: bool = True) -> None:
        self._fault = fault
        if hang_up and fault == "refuse":
            self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._fault == "refuse":
                self.faults_met += 1
                client.close()
                continue
            try:
                server = socket.create_connection(self._target, timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(_CHUNK):
                if is_answer and self._fault == "swallow":
                    self.faults_met += 1
                    continue
                if is_answer and self._fault == "cut":
                    self.faults_met += 1
                    sink.sendall(data[: self._answer_bytes])
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            with self._lock:
                self._open.discard(end)

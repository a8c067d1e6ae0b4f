"""A TCP proxy on 127.0.0.1 that injects faults between a client and a real server."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

_CHUNK = 65_536
_REQUEST = re.compile(rb"(?:GET|HEAD|PUT|POST|DELETE) \S+ HTTP/")


@dataclass
class _Fault:
    """A fault to inject.

    Attributes:
        kind: the method of `FaultyProxy`.
        amount: bytes or seconds.
        times: number of responses still to fail; None until `heal`.
        request: pattern; only responses to requests whose first line matches fail.
        body: the response instead.
    """

    kind: str
    amount: float = 0
    times: int | None = None
    request: bytes = b""
    body: bytes = b""


class FaultyProxy:
    """Forwards bytes until a fault is set.

    One fault at a time, for open and new connections:
        refuse      connections are closed at once, until `heal`
        cut         the response is cut after `after` bytes (before its end if negative), and the connection closed
        swallow     the request reaches the server, but the response is dropped: an ambiguous write
        delay       the response is delayed by `seconds`
        answer      the response is replaced by another one, as by a proxy that asks for a login

    All but the first can be limited to a number of responses, and to responses to some HTTP requests.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._fault: _Fault | None = None
        self.faults_met = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def refuse(self) -> None:
        self._fault = _Fault("refuse")
        self.hang_up()

    def cut(self, after: int, *, times: int | None = None, request: bytes = b"") -> None:
        self._fault = _Fault("cut", after, times, request)

    def swallow(self, *, times: int | None = None, request: bytes = b"") -> None:
        self._fault = _Fault("swallow", 0, times, request)

    def delay(self, seconds: float, *, times: int | None = None, request: bytes = b"") -> None:
        self._fault = _Fault("delay", seconds, times, request)

    def answer(self, status: str, *, times: int | None = None, request: bytes = b"") -> None:
        body = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        self._fault = _Fault("answer", 0, times, request, body)

    def heal(self) -> None:
        """Forward everything again; connections that had a fault are closed, as by a broken network."""
        self._fault = None
        self.hang_up()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        self.refuse()
        try:
            yield
        finally:
            self.heal()

    def hang_up(self) -> None:
        """Close every open connection."""
        with self._lock:
            open_now, self._open = self._open, set()
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def close(self) -> None:
        self._fault = _Fault("refuse")
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # it may be waiting in accept
        self._listener.close()
        self.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._fault is not None and self._fault.kind == "refuse":
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
            request_line = [b""]  # the first line of the last request
            threading.Thread(target=self._forward, args=(client, server, request_line, False), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, request_line, True), daemon=True).start()

    def _forward(
        self, source: socket.socket, sink: socket.socket, request_line: list[bytes], is_response: bool
    ) -> None:
        try:
            while data := source.recv(_CHUNK):
                if is_response:
                    if not self._respond(sink, data, request_line[0]):
                        break
                    continue
                if _REQUEST.match(data):
                    request_line[0] = data.partition(b"\r\n")[0]
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            with self._lock:
                self._open.discard(end)

    def _respond(self, client: socket.socket, data: bytes, request_line: bytes) -> bool:
        """Forward a response or fail; return whether the connection stays open."""
        fault = self._next_fault(request_line)
        if fault is None:
            client.sendall(data)
        elif fault.kind == "cut":
            client.sendall(data[: int(fault.amount)])
            return False
        elif fault.kind == "answer":
            client.sendall(fault.body)
            return False
        elif fault.kind == "delay":
            time.sleep(fault.amount)
            client.sendall(data)
        return True

    def _next_fault(self, request_line: bytes) -> _Fault | None:
        with self._lock:
            fault = self._fault
            if fault is None or fault.kind == "refuse" or not re.search(fault.request, request_line):
                return None
            if fault.times is not None:
                if not fault.times:
                    return None
                fault.times -= 1
            self.faults_met += 1
            return fault

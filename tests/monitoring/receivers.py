"""Real receivers of notices: a webhook with a configurable status, and a mail server."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from typing import Any, Literal, get_args

from aiosmtpd.controller import Controller


@dataclass
class Webhook:
    """A webhook's requests and its response status; None never responds."""

    port: int = 0
    status: int | None = 200
    got: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hooks/secret-path?cto=60&rto=60"

    @property
    def impatient_url(self) -> str:
        """The same, for a client that soon stops waiting for the response."""
        return self.url.replace("rto=60", "rto=0.5")

    @property
    def name(self) -> str:
        return f"json://127.0.0.1:{self.port}"


@contextmanager
def webhook(status: int | None = 200, port: int = 0) -> Iterator[Webhook]:
    hook = Webhook(status=status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.attempts += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if hook.status is None:
                hook.release.wait()
                return
            if hook.status == 200:
                hook.got.append(json.loads(body))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """A port that is not in use."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Mailbox:
    """The mails received by a mail server."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}/?from=ads@example.com&to=ops@example.com&mode=insecure"

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.got.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    box = Mailbox()
    box.port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


Hanging = Literal["never answers", "a byte at a time", "endless body", "endless redirects", "mail"]
HANGING: tuple[Hanging, ...] = get_args(Hanging)


class HangingServer:
    """A server that keeps its clients waiting in some way until `answers` is set; then it accepts every request."""

    def __init__(self, how: Hanging, port: int) -> None:
        self._how, self._port = how, port
        self.connections, self.answers, self.released = 0, False, threading.Event()

    @property
    def url(self) -> str:
        if self._how == "mail":
            return f"mailto://127.0.0.1:{self._port}/?from=a@b.example&to=c@d.example&mode=insecure&cto=60&rto=60"
        return f"json://user:secret@127.0.0.1:{self._port}/secret-path?cto=60&rto=60"

    def serve(self, client: socket.socket) -> None:
        self.connections += 1
        with client, suppress(OSError):
            if self._how != "mail":
                client.recv(65_536)
            if self.answers:
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            for part in self._parts():
                client.sendall(part)
                if self.released.wait(0.02):
                    return

    def _parts(self) -> Iterator[bytes]:
        match self._how:
            case "never answers":
                self.released.wait()
            case "endless redirects":
                self.released.wait(0.05)
                where = f"Location: http://127.0.0.1:{self._port}/".encode()
                yield b"HTTP/1.1 307 Again\r\nContent-Length: 0\r\nConnection: close\r\n" + where + b"\r\n\r\n"
            case "mail":
                yield b"220-"
                yield from repeat(b"x")
            case "a byte at a time":
                yield b"HTTP/1.1 200 OK\r\nX: "
                yield from repeat(b"x")
            case "endless body":
                yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
                yield from repeat(b"x" * 1000)


@contextmanager
def hanging(how: Hanging) -> Iterator[HangingServer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = HangingServer(how, listening.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    threading.Thread(target=server.serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server
        server.released.set()
        listening.shutdown(socket.SHUT_RDWR)

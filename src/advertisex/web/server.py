"""Serves a site over HTTP until it is stopped."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from advertisex.errors import ConfigurationError
from advertisex.limits import Limit
from advertisex.settings.web import WebSettings, is_loopback
from advertisex.web.app import app_of
from advertisex.web.connections import Connection
from advertisex.web.site import Site

#: The names of the loopback interface.
_LOCAL = ("127.0.0.1", "localhost", "::1")

MOST_CONNECTIONS = Limit(1_000, "connections", of="the server at the same time", beyond="answered with status 503")

_IDLE_SECONDS = 15
_SHUTDOWN_SECONDS = 5


@contextmanager
def serving(site: Site, settings: WebSettings) -> Iterator[str]:
    """Serve a site in the background while the block runs; yield its address.

    Raises:
        ConfigurationError: the port cannot be used, or others could reach the server without a token.
    """
    if not settings.tokens and not is_loopback(settings.host):
        raise ConfigurationError(
            f"{settings.host!r} is not a loopback address, and no tokens are configured: "
            "whoever reaches it could read and change everything",
            hint="make one with `advertisex token viewer NAME`, or use 127.0.0.1",
            setting=("web", "host"),
        )
    hosts = [*_LOCAL, settings.host, *settings.hosts]
    app = app_of(site, hosts, tokens=settings.tokens, access_log=settings.access_log)
    if settings.proxies:
        app = ProxyHeadersMiddleware(app, list(settings.proxies))  # type: ignore[arg-type,assignment] # ASGI, too
    with closing(site.kept), _listener(settings.host, settings.port) as listener, running(app, listener):
        host, port = listener.getsockname()[:2]
        yield f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class _Server(uvicorn.Server):
    """Leaves no connection open when it ends: uvicorn forgets those whose clients it has waited for long enough."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, let requests end, and close what is left."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the loop closes them


@contextmanager
def running(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Serve an application in the background while the block runs."""
    config = uvicorn.Config(
        app,
        http=Connection,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        ws="none",
    )
    if listener.family in (socket.AF_INET, socket.AF_INET6):  # a body would wait 40 ms for the ACK of its head; asyncio
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # sets it only for sockets that name their protocol
    server = _Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="web", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(2 * _SHUTDOWN_SECONDS)


def _listener(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {'the port is in use' if taken else 'the address cannot be used'}",
            hint="choose another one with --port, or 0 for a free one",
            setting=("web", "port"),
        ) from error

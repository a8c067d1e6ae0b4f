"""Checks every request before it is answered, and adds the security headers to every response."""

from asyncio import timeout
from collections.abc import Collection, Iterable
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from advertisex.limits import Limit
from advertisex.web.problems import problem
from advertisex.web.roles import SAFE

#: A page runs our own scripts only, loads nothing from elsewhere, and is shown in no other page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
#: Pages of other sites cannot show what a response has, unless it says otherwise itself: a pixel.
_RESOURCE_POLICY = ("Cross-Origin-Resource-Policy", "same-origin")

LONGEST_URL = Limit(8_192, "bytes", of="the path and the query of a request", beyond="an error of the request")

#: Seconds in which a client must read a part of a response.
_SEND_SECONDS = 30.0

MOST_REQUESTS = Limit(64, "requests", of="the server at the same time", beyond="answered with status 503")

#: The paths to which pages of the origins in the settings may post.
_SHARED = "/v1/"


class Guard:
    """ASGI middleware.

    A page of another site must not reach a server on this machine: its name in DNS could lead here (DNS rebinding), so
    the `Host` of a request must be one of ours; and it could send a form, so the `Origin` of a request that changes
    something must be ours, too.

    Args:
        app: the application.
        hosts: names that the server is reached by, without a port.
        origins: sites whose pages may post events.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], origins: Collection[str] = ()) -> None:
        self._app, self._hosts, self._origins = app, frozenset(name.lower() for name in hosts), origins
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or the start and the end of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault(*_RESOURCE_POLICY)
            async with timeout(_SEND_SECONDS):  # a client that does not read is cut off
                await send(message)

        self._open += 1
        try:
            await self._respond(scope, receive, guarded)
        finally:
            self._open -= 1

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._objection(scope)
        with suppress(Exception):  # the application has logged its errors; that a client was cut off is not one
            await (self._app if response is None else response)(scope, receive, send)

    def _objection(self, scope: Scope) -> ASGIApp | None:
        """The response to a request that must not be handled; else None."""
        if self._open > MOST_REQUESTS:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, f"more than {MOST_REQUESTS} requests at the same time")
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _name_of(host) not in self._hosts:
            return problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "the request names another host",
                hint="use the address that `advertisex serve` printed, or add the name to the setting web.hosts",
            )
        origin = headers.get("origin")
        is_ours = origin is None or origin.partition("://")[2] == host
        is_shared = origin in self._origins and scope["path"].startswith(_SHARED)
        if scope["method"] not in SAFE and not is_ours and not is_shared:
            return problem(HTTPStatus.FORBIDDEN, "the request comes from a page of another site")
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_URL:
            return problem(HTTPStatus.REQUEST_URI_TOO_LONG, f"the URL has more than {LONGEST_URL:,} bytes")
        return None


def _name_of(host: str) -> str | None:
    """The name of a host without its port; None if it is invalid."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None

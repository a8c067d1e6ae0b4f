"""Observes each request, from its first byte to the end of its response: for `/metrics`, and for the log."""

from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from advertisex.web.metrics import RequestMetrics
from advertisex.web.visitors import role_of

_LOG = structlog.get_logger(__name__)

#: Characters of a path in the log.
_SHOWN = 200


class Observed:
    """ASGI middleware.

    A line of the log has neither the query of a request, nor its headers, nor the address of the client.

    Args:
        app: the application.
        metrics: counts the requests.
        logs: whether to log them.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, *, logs: bool) -> None:
        self._app, self._metrics, self._logs = app, metrics, logs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or the start and the end of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 0, perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            self._ended(scope, status, perf_counter() - started)

    def _ended(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request; the status is 0 if the client was gone before the response."""
        self._metrics.observe(scope["method"], getattr(scope.get("route"), "path", ""), status, seconds)
        if self._logs:
            path = scope["raw_path"].decode("ascii", "replace")  # as it was sent, without control characters
            path = path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"
            details = {"method": scope["method"], "path": path, "status": status, "seconds": round(seconds, 4)}
            _LOG.info("request", **details, role=role_of(scope))

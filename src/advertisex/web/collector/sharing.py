"""Lets the scripts of other sites' pages post events (CORS)."""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

#: What the paths of the collector begin with.
PREFIX = "/v1"


def shared_with(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Return the application, with the paths of the collector open to scripts of pages of these origins."""
    if not origins:
        return app
    shared = CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Encoding", "Content-Type"],
    )

    async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
        is_shared = scope["type"] == "http" and scope["path"].startswith(f"{PREFIX}/")
        await (shared if is_shared else app)(scope, receive, send)

    return by_path

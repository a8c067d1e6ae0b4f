"""Puts the dashboard and the API together."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response

from advertisex.errors import AdvertiseXError
from advertisex.web import api, pages
from advertisex.web.guard import Guard
from advertisex.web.problems import add_handlers, problem
from advertisex.web.site import Site

#: Questions that are answered at the same time; each may take a gigabyte.
_AT_ONCE = 2


def app_of(site: Site, hosts: Iterable[str]) -> Guard:
    """Return the ASGI application of a site.

    Args:
        site: what it serves.
        hosts: the names that the server is reached by, see `Guard`.
    """
    app = FastAPI(
        title="AdvertiseX",
        version=version("advertisex"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    add_handlers(app)
    app.include_router(api.routes_of(site))
    app.include_router(pages.routes_of(site))

    async def healthz() -> Response:
        """The server responds."""
        return PlainTextResponse("ok\n")

    def readyz() -> Response:
        """The store can be read."""
        try:
            with site.store() as store:
                store.settled()
        except AdvertiseXError as error:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, error.what, where=error.where, hint=error.hint)
        return PlainTextResponse("ok\n")

    for check in (healthz, readyz):
        app.add_api_route(f"/{check.__name__}", check, methods=["GET"], response_class=PlainTextResponse)
    return Guard(app, hosts)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Bound the number of requests that are answered at the same time."""
    current_default_thread_limiter().total_tokens = _AT_ONCE
    yield

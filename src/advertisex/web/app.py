"""Puts the dashboard, the API and the collector together."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.metadata import version

from anyio import CapacityLimiter
from anyio.to_thread import current_default_thread_limiter, run_sync
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from advertisex.errors import AdvertiseXError
from advertisex.settings.web import TokenSettings
from advertisex.web import api, login, pages
from advertisex.web.access import Access
from advertisex.web.collector import routes as collector
from advertisex.web.collector.sharing import shared_with
from advertisex.web.description import Described
from advertisex.web.drawing import denial_page, login_page
from advertisex.web.guard import Guard
from advertisex.web.metrics import RequestMetrics, add_store, exposed
from advertisex.web.observed import Observed
from advertisex.web.problems import add_handlers, problem
from advertisex.web.roles import PIXELS
from advertisex.web.site import Site
from advertisex.web.visitors import Visitors

#: Requests that are handled at the same time; those that compute an answer have a lower bound, see `Kept`.
_AT_ONCE = 8
#: Probes that are answered at the same time, beside them: they must not wait for questions.
_PROBES = 2


def app_of(
    site: Site, hosts: Iterable[str], *, tokens: Iterable[TokenSettings] = (), access_log: bool = False
) -> ASGIApp:
    """Return the ASGI application of a site, with all that guards it.

    Args:
        site: what it serves.
        hosts: the names that the server is reached by, see `Guard`.
        tokens: the tokens that let clients in, see `Access`.
        access_log: whether to log each request.

    Raises:
        ConfigurationError: a setting of the collector is invalid.
    """
    visitors, metrics = Visitors(tokens), RequestMetrics()
    app = routed_app(site, visitors, metrics.registry)
    origins = site.settings.collector.origins
    public = PIXELS if site.settings.collector.public_pixel else ()
    checked = Access(app, visitors, partial(denial_page, site), public)
    # a browser asks whether it may send a token without one
    return Observed(Guard(shared_with(checked, origins), hosts, origins), metrics, logs=access_log)


def routed_app(site: Site, visitors: Visitors, registry: CollectorRegistry) -> FastAPI:
    """Return the application with all routes, which `app_of` guards."""
    app = Described(
        title="AdvertiseX",
        version=version("advertisex"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=at_most(_AT_ONCE),
    )
    add_handlers(app)
    app.include_router(collector.routes_of(site))  # first: the addresses are tried in this order
    app.include_router(api.routes_of(site))
    app.include_router(pages.routes_of(site))
    app.include_router(login.routes_of(visitors, partial(login_page, site)))

    async def healthz() -> Response:
        """The server responds."""
        return PlainTextResponse("ok\n")

    probes = CapacityLimiter(_PROBES)

    async def readyz() -> Response:
        """The store can be read."""
        return await run_sync(store_is_readable, limiter=probes)

    def store_is_readable() -> Response:
        try:
            with site.store() as store:
                store.settled()
        except AdvertiseXError as error:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, error.what, where=error.where, hint=error.hint)
        return PlainTextResponse("ok\n")

    async def metrics(request: Request) -> Response:
        """The metrics of the server and of its store, for Prometheus."""
        return await run_sync(exposed, registry, request, limiter=probes)

    add_store(registry, site)
    for one in (healthz, readyz, metrics):
        app.add_api_route(f"/{one.__name__}", one, methods=["GET"], response_class=PlainTextResponse)
    return app


def at_most(requests: int) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the lifespan of an application that handles at most so many requests at the same time."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = requests
        yield

    return lifespan

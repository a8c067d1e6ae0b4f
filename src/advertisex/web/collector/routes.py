"""The addresses of the collector."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from functools import partial
from http import HTTPStatus
from itertools import pairwise
from typing import Any

import msgspec
import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from advertisex.errors import LogError
from advertisex.model import Position
from advertisex.web.collector.collector import Collector
from advertisex.web.collector.messages import MEDIA_TYPES
from advertisex.web.collector.not_accepted import NotAccepted
from advertisex.web.collector.pixel import GIF
from advertisex.web.collector.sharing import PREFIX
from advertisex.web.problems import problem
from advertisex.web.site import Site

_LOG = structlog.get_logger(__name__)
_JSON, _PROBLEM, _GIF = "application/json", "application/problem+json", "image/gif"
#: A page of any site shows the pixel, and nobody keeps it: each view is a request.
_PIXEL_HEADERS = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "cross-origin"}


def routes_of(site: Site) -> APIRouter:
    """Return the addresses of the collector; if it is not enabled, they say so.

    Raises:
        ConfigurationError: a setting of the collector is invalid.
    """
    if site.collecting is None:
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/{path:path}", _disabled, methods=["GET", "POST"], include_in_schema=False)
        return router
    collector = Collector(site.collecting, site.settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await collector.close()

    router = APIRouter(prefix=PREFIX, lifespan=lifespan)
    _add(
        router,
        "/events/{feed}",
        partial(_events, collector),
        "Append events to the log.",
        "Responds once they are durable. An event that is invalid is a message, too: processing rejects it.",
        202,
        _JSON,
        methods=["POST"],
        openapi_extra={
            "parameters": [{"name": "feed", "in": "path", "required": True, "schema": {"enum": [*collector.feeds]}}],
            "requestBody": {
                "required": True,
                "content": {kind: {"schema": {} if "json" in kind else {"type": "string"}} for kind in MEDIA_TYPES},
            },
        },
    )
    for name, summary in (
        ("pixel.gif", "Append an impression."),
        ("burl", "Append the impression of a billing notice."),
    ):
        endpoint = partial(_pixel, collector, name)
        _add(router, f"/{name}", endpoint, summary, "The parameters are its fields.", 200, _GIF, methods=["GET"])
    return router


def _add(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Any],
    summary: str,
    description: str,
    status: int,
    kind: str,
    **options: Any,
) -> None:
    name = path.strip("/").split("/")[0].partition(".")[0]
    schema = {"type": "object"} if kind == _JSON else {"type": "string"}
    problem_content = {"description": "An error", "content": {_PROBLEM: {"schema": {"type": "object"}}}}
    router.add_api_route(
        path,
        endpoint,
        name=f"collector_{name}",
        operation_id=f"collector_{name}",
        summary=summary,
        description=description,
        status_code=status,
        response_class=Response,
        responses={
            status: {"description": "Durable", "content": {kind: {"schema": schema}}},
            "default": problem_content,
        },
        **options,
    )


def _disabled() -> Response:
    hint = "set collector.enabled in the settings of the server"
    return problem(HTTPStatus.NOT_FOUND, "this server does not take events", hint=hint)


async def _events(collector: Collector, request: Request) -> Response:
    feed = request.path_params["feed"]
    if feed not in collector.feeds:
        close = get_close_matches(feed, collector.feeds, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(collector.feeds)}"
        return problem(HTTPStatus.NOT_FOUND, f"unknown feed {feed!r}", hint=hint)
    try:
        positions, warnings = await collector.take_body(request, feed)
    except (NotAccepted, LogError) as error:
        return _failed(error)
    document = {"messages": len(positions), "positions": _runs(positions)} | (
        {"warnings": warnings} if warnings else {}
    )
    return Response(msgspec.json.encode(document) + b"\n", HTTPStatus.ACCEPTED, {"Cache-Control": "no-store"}, _JSON)


async def _pixel(collector: Collector, name: str, request: Request) -> Response:
    try:
        await collector.take_query(request, f"GET {PREFIX}/{name}")
    except (NotAccepted, LogError) as error:
        return _failed(error)
    return Response(GIF, HTTPStatus.OK, _PIXEL_HEADERS, _GIF)


def _failed(error: NotAccepted | LogError) -> Response:
    if isinstance(error, NotAccepted):
        response = problem(error.status, error.what, hint=error.hint)
        if error.status == HTTPStatus.REQUEST_TIMEOUT:
            response.headers["Connection"] = "close"  # the rest of the body would be waited for
        return response
    _LOG.error("the collector cannot append events", error=str(error))
    hint = "send them again later; the log of the server has the reason"
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "the event log cannot be written", hint=hint)


def _runs(positions: Sequence[Position]) -> list[dict[str, Any]]:
    """The positions in the order of the events, as runs of consecutive offsets."""
    starts = [0] if positions else []
    for at, ((topic, partition, offset), following) in enumerate(pairwise(positions), 1):
        if following != (topic, partition, offset + 1):
            starts.append(at)
    return [
        {
            "topic": positions[start].topic,
            "partition": positions[start].partition,
            "first_offset": positions[start].offset,
            "last_offset": positions[end - 1].offset,
        }
        for start, end in pairwise([*starts, len(positions)])
    ]

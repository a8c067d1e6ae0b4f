"""The HTTP API: what `--json` prints for every reading command."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from xxhash import xxh3_128_hexdigest

from advertisex.errors import ConfigurationError
from advertisex.reporting.json_text import json_text
from advertisex.reporting.ledger_document import ledger_dict
from advertisex.stores.retention import removed_before
from advertisex.web.answers import ASKED, Asked
from advertisex.web.problems import problem
from advertisex.web.query import options_from, schema_of
from advertisex.web.site import Site
from advertisex.web.uploads import LARGEST_UPLOAD, TooLarge

_JSON, _CSV = "application/json", "text/csv; charset=utf-8"


def routes_of(site: Site) -> APIRouter:
    """The endpoints of the API over a site."""
    router = APIRouter(prefix="/api/v1")
    for asked in ASKED.values():
        _add(router, f"/{asked.path}", partial(_analyze, site, asked), asked, _JSON, "The answer")
        table = partial(_table, site, asked)
        _add(router, f"/{asked.path}/tables/{{table}}", table, asked, _CSV, "A table of the answer")
    router.add_api_route(
        "/uploads/{name}",
        partial(_upload, site),
        methods=["PUT"],
        status_code=HTTPStatus.CREATED,
        summary="Upload a file, to ask about it.",
        description="The body is the file. It is kept until the server ends; the document has its id.",
        response_class=Response,
        responses={201: _content(_JSON, "The id")},
        openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
    )
    router.add_api_route(
        "/ledger",
        partial(_ledger, site),
        methods=["GET"],
        summary="The counts of every partition, and whether they balance.",
        description="What `advertisex ledger --json` prints",
        response_class=Response,
        responses={200: _content(_JSON, "The ledger")},
    )
    return router


def _add(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Response],
    asked: Asked,
    kind: str,
    what: str,
) -> None:
    name = path.strip("/").replace("/", "_").replace("{", "").replace("}", "")
    router.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        name=name,
        operation_id=name,
        summary=asked.summary,
        description=what,
        response_class=Response,
        responses={200: _content(kind, what)},
        openapi_extra={"parameters": [schema_of(one) for one in asked.parameters]},
    )


def _content(kind: str, what: str) -> dict[str, Any]:
    kind = kind.partition(";")[0]
    return {"description": what, "content": {kind: {"schema": {"type": "object" if kind == _JSON else "string"}}}}


def _analyze(site: Site, asked: Asked, request: Request) -> Response:
    answer = asked.answer(site, request.query_params.multi_items())
    return tagged(request, answer.to_json(), _JSON)


def _table(site: Site, asked: Asked, request: Request, table: str) -> Response:
    answer = asked.answer(site, request.query_params.multi_items())
    name = table.removesuffix(".csv")
    if name == table:
        raise ConfigurationError(f"unknown format of {table!r}", hint=f"use {table}.csv")
    response = tagged(request, answer.to_csv(table=name), _CSV)
    response.headers["Content-Disposition"] = f'attachment; filename="{answer.question}-{name}.csv"'
    return response


async def _upload(site: Site, request: Request, name: str) -> Response:
    try:
        found = await site.uploads.keep(name, request.stream())
    except TooLarge:
        what, hint = f"the file has more than {LARGEST_UPLOAD:,} bytes", "split it, by month for example"
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what, hint=hint)
    return Response(json_text({"upload": found}), HTTPStatus.CREATED, media_type=_JSON)


def _ledger(site: Site, request: Request) -> Response:
    options_from(request.query_params.multi_items(), [])
    with site.store() as store:
        rows, kept_since = store.ledger(), removed_before(store)
    document = ledger_dict(rows) | {"kept_since": None if kept_since is None else kept_since.isoformat() + "Z"}
    return tagged(request, json_text(document), _JSON)


def tagged(request: Request, text: str, kind: str) -> Response:
    """Respond with a text and its ETag; without the text if the client has it already."""
    tag = f'"{xxh3_128_hexdigest(text.encode())}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(text, headers=headers, media_type=kind)

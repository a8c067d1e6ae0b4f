"""The HTTP API: what `--json` prints for every reading command."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

import polars as pl
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from advertisex.errors import ConfigurationError
from advertisex.inspection.filters import ExportOptions, ListOptions, ShowOptions
from advertisex.inspection.messages import MessageOptions, message
from advertisex.inspection.reading import Reading
from advertisex.inspection.rejects import exported, list_document, listed, listed_after, number_resolved
from advertisex.inspection.shown_rejects import shown_document, shown_rejects
from advertisex.questions.option import Option, Parameter, parameters_of
from advertisex.questions.time_text import parse_time
from advertisex.reporting.csv_table import csv_of
from advertisex.reporting.json_text import json_text
from advertisex.web.answers import ASKED, Asked
from advertisex.web.changes import add_routes
from advertisex.web.problems import problem
from advertisex.web.query import options_from, schema_of
from advertisex.web.readings import READINGS, REJECTS, Endpoint
from advertisex.web.responses import CSV, JSON, NDJSON, downloaded, represented, spooled, tagged, wants_packed
from advertisex.web.site import Site
from advertisex.web.uploads import LARGEST_UPLOAD, TooLarge

PREFIX = "/api/v1"
#: The media types of exports.
_EXPORTED = {"ndjson": NDJSON, "csv": CSV}


def routes_of(site: Site) -> APIRouter:
    """The endpoints of the API over a site."""
    router = APIRouter(prefix=PREFIX)
    for asked in ASKED.values():
        options = asked.parameters
        _add(router, asked.path, partial(_analyze, site, asked), options, JSON, (asked.summary, "The answer"))
        table, texts = partial(_table, site, asked), (asked.summary, "A table of the answer")
        _add(router, f"{asked.path}/tables/{{table}}", table, options, CSV, texts)
    router.add_api_route(
        "/uploads/{name}",
        partial(_upload, site),
        methods=["PUT"],
        status_code=HTTPStatus.CREATED,
        summary="Upload a file, to ask about it.",
        description="The body is the file. It is kept until the server ends; the document has its id.",
        response_class=Response,
        responses={201: _content(JSON, "The id")},
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/octet-stream": {}}},
            "parameters": [schema_of(one) for one in parameters_of(_modified)],
        },
    )
    for one in READINGS.values():
        what = f"What `advertisex {one.command} --json` prints" if one.command else "As a document"
        _add(router, one.path, partial(_reading, site, one), one.parameters, JSON, (one.summary, what))
    for one in (*READINGS.values(), REJECTS):
        rows = partial(_reading_table, site, one)
        _add(router, f"{one.path}/tables/{{table}}", rows, one.parameters, CSV, (one.summary, "A table of its page"))
    listed = (REJECTS.summary, "What `advertisex rejects list --json` prints; `Link` names the next rows")
    shown = ("Rejects: the message, the failing field, the rule.", "What `advertisex rejects show --json` prints")
    written = ("Rejects with their whole messages.", "What `advertisex rejects export` writes")
    _add(router, "rejects/list", partial(_rejects, site), REJECTS.parameters, JSON, listed)
    _add(router, "rejects/show", partial(_reject, site), parameters_of(ShowOptions), JSON, shown)
    read = ("A message of the log: what an event was read from.", "The message")
    _add(router, "messages/show", partial(_message, site), parameters_of(MessageOptions), JSON, read)
    _add(router, "rejects/export", partial(_export, site), parameters_of(ExportOptions), _EXPORTED.values(), written)
    add_routes(site, router)
    return router


def _add(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Response],
    parameters: Iterable[Parameter],
    kinds: str | Collection[str],
    texts: tuple[str, str],
) -> None:
    """Add an endpoint: its address, what responds, its parameters, its media types, a summary and a description."""
    name = path.replace("/", "_").replace(".", "_").replace("{", "").replace("}", "")
    router.add_api_route(
        f"/{path}",
        endpoint,
        methods=["GET"],
        name=name,
        operation_id=name,
        summary=texts[0],
        description=texts[1],
        response_class=Response,
        responses={200: _content(kinds, texts[1])},
        openapi_extra={"parameters": [schema_of(one) for one in parameters]},
    )


def _content(kinds: str | Collection[str], what: str) -> dict[str, Any]:
    found = [kind.partition(";")[0] for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    content = {kind: {"schema": {"type": "object" if kind == JSON else "string"}} for kind in found}
    return {"description": what, "content": content}


def _modified(
    modified: Annotated[
        str | None, Option(metavar="TIME", help="When the file was modified (UTC).", default="now")
    ] = None,
) -> datetime | None:
    time = parse_time(modified, "modified")
    if time is not None and not 1970 <= time.year < 2200:  # what every file system can keep
        raise ConfigurationError(f"modified: {modified!r} is not the time of a file", hint="leave it out for now")
    return time


async def _upload(site: Site, request: Request, name: str) -> Response:
    modified = _modified(**options_from(request.query_params.multi_items(), parameters_of(_modified)))
    try:
        found = await site.uploads.keep(name, request.stream(), modified)
    except TooLarge:
        what, hint = f"the file has more than {LARGEST_UPLOAD:,} bytes", "split it, by month for example"
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what, hint=hint)
    except ClientDisconnect:
        return problem(HTTPStatus.BAD_REQUEST, "the file ends early")
    except TimeoutError:
        response = problem(HTTPStatus.REQUEST_TIMEOUT, "the file did not arrive in time", hint="send it compressed")
        response.headers["Connection"] = "close"  # the rest of it would be waited for
        return response
    return Response(json_text({"upload": found}), HTTPStatus.CREATED, media_type=JSON)


def _analyze(site: Site, asked: Asked, request: Request) -> Response:
    answer = asked.answer(site, request.query_params.multi_items())
    return represented(request, answer, answer.to_json)


def _table(site: Site, asked: Asked, request: Request, table: str) -> Response:
    answer = asked.answer(site, request.query_params.multi_items())
    name = _name_of(table)
    return downloaded(tagged(request, answer.to_csv(table=name), CSV), f"{answer.question}-{name}.csv")


def _reading(site: Site, endpoint: Endpoint, request: Request) -> Response:
    found = endpoint.found(site, request.query_params.multi_items())
    assert isinstance(found, Reading)
    response = represented(request, found, lambda: json_text(found.document()))
    return _linked(response, request, found.following())


def _reading_table(site: Site, endpoint: Endpoint, request: Request, table: str) -> Response:
    name = _name_of(table)
    tables = {one.name: one for one in endpoint.found(site, request.query_params.multi_items()).tables()}
    if name not in tables:
        raise ConfigurationError(f"{endpoint.path} has no table {name!r}", hint=f"use one of {', '.join(tables)}")
    file = f"{endpoint.path.replace('/', '-')}-{name}.csv"
    return downloaded(spooled(request, csv_of(tables[name].rows), CSV), file)


def _rejects(site: Site, request: Request) -> Response:
    query = ListOptions(**options_from(request.query_params.multi_items(), REJECTS.parameters)).query()
    with site.store() as store:
        if wants_packed(request):
            return represented(request, listed(store, query, with_samples=False), str)
        following = listed_after(store, query)
        response = spooled(request, list_document(store, query), JSON)
    return _linked(response, request, {} if following is None else {"after": following})


def _reject(site: Site, request: Request) -> Response:
    options = ShowOptions(**options_from(request.query_params.multi_items(), parameters_of(ShowOptions)))
    shown = shown_rejects(site, options.ids)
    return represented(request, shown, lambda: json_text(shown_document(shown)))


def _message(site: Site, request: Request) -> Response:
    options = MessageOptions(**options_from(request.query_params.multi_items(), parameters_of(MessageOptions)))
    return tagged(request, json_text(message(site, options.id).document()), JSON)


def _export(site: Site, request: Request) -> Response:
    options = ExportOptions(**options_from(request.query_params.multi_items(), parameters_of(ExportOptions)))
    query, form, rows = options.query(), options.form(), 0

    def counted() -> Iterator[pl.DataFrame]:
        nonlocal rows
        for part in store.scan_rejects(query):
            rows += part.height
            yield part

    with site.store() as store:
        response = spooled(request, exported(counted(), form), _EXPORTED[form])
        resolved = 0 if options.resolved else number_resolved(store, query)
    response.headers.update({"Advertisex-Rejects": str(rows), "Advertisex-Resolved": str(resolved)})
    return downloaded(response, f"rejects.{form}")


def _name_of(table: str) -> str:
    name = table.removesuffix(".csv")
    if name == table:
        raise ConfigurationError(f"unknown format of {table!r}", hint=f"use {table}.csv")
    return name


def _linked(response: Response, request: Request, following: Mapping[str, str]) -> Response:
    """Name the address of the next rows, if there are any."""
    if following:
        kept = [pair for pair in request.query_params.multi_items() if pair[0] not in following]
        address = f"{request.url.path}?{urlencode([*kept, *following.items()])}"
        response.headers["Link"] = f'<{address}>; rel="next"'
    return response

"""The changes of rejects in the API, and their options, which the pages have too: replay and resolve.

The body is a JSON object of the options of the command, with `_` for `-`. A dry run changes nothing, and says as of
when it has counted: with this time as `as_of`, the change is about the same rejects, without those that come later.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response

from advertisex.errors import ConfigurationError
from advertisex.inspection.filters import RejectFilters, ReplayedFilters
from advertisex.inspection.replays import Repair, previewed, replayed_document, selected
from advertisex.inspection.resolving import counted, resolved
from advertisex.limits import Limit
from advertisex.questions.option import Option, Parameter, parameters_of
from advertisex.questions.time_text import parse_time
from advertisex.rejects.replay import replay
from advertisex.rejects.selection import Selection
from advertisex.stores.contract import RejectQuery
from advertisex.web.forms import body_of
from advertisex.web.query import options_from, schema_of
from advertisex.web.responses import JSON, done
from advertisex.web.site import Site
from advertisex.web.visitors import visitor_of

T = TypeVar("T")

LONGEST_BODY = Limit(1 << 20, "bytes", of="the JSON of a request that changes rejects", beyond="an error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which rejects a change is about, beside the filters."""

    ids: Annotated[list[str] | None, Option(name="id", metavar="ID", help="Only these rejects.")] = None
    as_of: Annotated[str | None, Option(metavar="TIME", help="Only those processed by then (UTC).")] = None

    def query(self, filters: RejectFilters, *, all_: bool = False) -> RejectQuery:
        """The query for them; see `selected`."""
        return replace(selected(filters, self.ids, all_=all_), as_of=parse_time(self.as_of, "as_of"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forced:
    """Whether a replay sends what was sent before."""

    force: Annotated[bool, Option(help="Include those already replayed or resolved.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """The note of a resolution."""

    note: Annotated[str, Option(metavar="TEXT", help="Why; kept with your name and the time.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reopened:
    reopen: Annotated[bool, Option(help="Reopen resolved ones instead.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    all_: Annotated[bool, Option(name="all", help="All of them; without it, filters or ids are needed.")] = False
    dry_run: Annotated[bool, Option(help="Say what would be done, and change nothing.")] = False


_REPLAY = (RejectFilters, Chosen, Repair, Forced, _Sent)
_RESOLVE = (ReplayedFilters, Chosen, Noted, _Reopened, _Sent)


def group_of(kind: type[T], options: Mapping[str, Any]) -> T:
    """Make a group of options of the values of several groups."""
    return kind(**{one.name: options[one.name] for one in parameters_of(kind)})


def selection_of(site: Site, options: Mapping[str, Any], query: RejectQuery) -> Selection:
    """The rejects of a query, with the repairs among the options."""
    return group_of(Repair, options).selection(query, site.settings, force=group_of(Forced, options).force)


async def _given(request: Request) -> list[tuple[str, str]]:
    """The options in the body of a request, as in a query string."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)  # what a page of another site can send without asking
    body = await body_of(request.scope, request.receive, LONGEST_BODY)
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ConfigurationError("the body is not a JSON object", hint='write it as {"id": ["…"]}') from None
    return list(_pairs(document))


def _pairs(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in document.items():
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str | int):
                hint = "use a text, a whole number, true or false, or a list of texts"
                raise ConfigurationError(f"{name}: the value is not valid", hint=hint)
            yield name, str(one).lower() if isinstance(one, bool) else str(one)


_Given = Annotated[list[tuple[str, str]], Depends(_given)]


def _replay(site: Site, request: Request, given: _Given) -> Response:
    options = options_from(given, _parameters(_REPLAY))
    sent = group_of(_Sent, options)
    query = group_of(Chosen, options).query(group_of(RejectFilters, options), all_=sent.all_)
    selection = selection_of(site, options, query)
    if sent.dry_run:
        with site.store() as store:
            seen = previewed(store, selection, site.settings)
        return done(request, seen, seen.document())
    with site.log() as log, site.marks() as store:
        replayed = replay(store, log, selection)
    return done(request, replayed, replayed_document(replayed))


def _resolve(site: Site, request: Request, given: _Given) -> Response:
    options = options_from(given, _parameters(_RESOLVE))
    sent, note, reopen = group_of(_Sent, options), options["note"], options["reopen"]
    query = group_of(Chosen, options).query(group_of(ReplayedFilters, options), all_=sent.all_)
    if sent.dry_run:
        with site.store() as store:
            found = counted(store, query, note, reopen=reopen)
        return done(request, found, found.document())
    with site.marks() as store:
        marked = resolved(store, query, note, reopen=reopen, by=visitor_of(request).name or None)
    return done(request, marked, marked.document())


def add_routes(site: Site, router: APIRouter) -> None:
    """Add the endpoints of the changes to those of the API."""
    replay_text = (
        "Send rejects to the log again, repaired or unchanged.",
        "What `advertisex rejects replay --json` prints",
    )
    resolve_text = "Mark rejects as resolved.", "What `advertisex rejects resolve --json` prints"
    _add(router, "rejects/replay", partial(_replay, site), _parameters(_REPLAY), replay_text)
    _add(router, "rejects/resolve", partial(_resolve, site), _parameters(_RESOLVE), resolve_text)


def _add(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Response],
    parameters: Iterable[Parameter],
    texts: tuple[str, str],
) -> None:
    found = map(schema_of, parameters)
    members = {one["name"]: one["schema"] | {"description": one["description"]} for one in found}
    schema = {"type": "object", "properties": members, "additionalProperties": False}
    name = path.replace("/", "_")
    router.add_api_route(
        f"/{path}",
        endpoint,
        methods=["POST"],
        name=name,
        operation_id=name,
        summary=texts[0],
        description=texts[1],
        response_class=Response,
        responses={200: {"description": texts[1], "content": {JSON: {"schema": {"type": "object"}}}}},
        openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": schema}}}},
    )


def _parameters(groups: Iterable[type]) -> tuple[Parameter, ...]:
    return tuple(one for group in groups for one in parameters_of(group))

"""The pages that repair, replay and resolve rejects. Nothing is written before the preview has been confirmed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import polars as pl
from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from advertisex.analysis.answer import Table
from advertisex.errors import AdvertiseXError
from advertisex.inspection.filters import RejectFilters
from advertisex.inspection.replays import Repair, left_out_notes, selected, unaffected_warnings
from advertisex.processing.configured import processing_of
from advertisex.questions.option import Option, parameters_of
from advertisex.questions.time_text import parse_time
from advertisex.rejects.pretty import one_line
from advertisex.rejects.preview import Preview, preview
from advertisex.rejects.replay import Replayed, replay
from advertisex.rejects.resolve import resolvable, resolve
from advertisex.rejects.selection import Selection
from advertisex.reporting.cells import visible
from advertisex.reporting.columns import columns_of
from advertisex.reporting.page import MOST_ROWS, Section
from advertisex.stores.contract import RejectQuery
from advertisex.web.drawing import failed, given_in, page, question_form
from advertisex.web.forms import FIELD, form_of
from advertisex.web.problems import without_dashes
from advertisex.web.query import options_from
from advertisex.web.site import Site
from advertisex.web.visitors import visitor_of

T = TypeVar("T")

#: Messages that a preview shows, and the characters of each.
_EXAMPLES, _WIDTH = 5, 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen(RejectFilters):
    """The rejects that a form is about."""

    ids: Annotated[list[str] | None, Option(name="id", metavar="ID", help="Only these rejects.")] = None
    as_of: Annotated[str | None, Option(metavar="TIME", help="Only those processed by then (UTC).")] = None

    def query(self) -> RejectQuery:
        """The query for them."""
        filters = RejectFilters(**{one.name: getattr(self, one.name) for one in parameters_of(RejectFilters)})
        return replace(selected(filters, self.ids), as_of=parse_time(self.as_of, "as_of"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Forced:
    force: Annotated[bool, Option(help="Include those already replayed or resolved.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noted:
    note: Annotated[str, Option(metavar="TEXT", help="Why; kept with your name and the time.")] = ""


_REPLAY = tuple(one for group in (_Chosen, Repair, _Forced) for one in parameters_of(group))
_RESOLVE = tuple(one for group in (_Chosen, _Noted) for one in parameters_of(group))


def replay_page(site: Site, request: Request) -> Response:
    """Show the options of a repair and, once rejects are selected, what would become of their messages."""
    given = given_in(request)
    shown = {
        "title": "Repair and replay",
        "form": question_form([one for one in _REPLAY if one.public_name != "as_of"], given, []),
    }
    try:
        selection = _selection(site, given)
        with site.store() as store:
            selection = replace(selection, query=replace(selection.query, as_of=store.settled()))
            seen = preview(store, selection, processing_of(site.settings).policy, _EXAMPLES)
    except AdvertiseXError as error:
        return failed(site, request, "rejects", error, **shown)
    return page(
        site,
        request,
        "replay.html.j2",
        "rejects",
        section=_results(seen),
        examples=_examples(seen, selection),
        messages=seen.messages,
        notes=_notes(seen),
        hidden=_pinned(given, selection.query),
        most=MOST_ROWS,
        **shown,
    )


def replay_now(site: Site, request: Request) -> Response:
    """Send the rejects of a confirmed preview to the log again."""
    try:
        selection = _selection(site, _fields(request))
        with site.log() as log, site.marks() as store:
            done = replay(store, log, selection)
    except AdvertiseXError as error:
        return failed(site, request, "rejects", error, title="Repair and replay")
    return page(site, request, "replayed.html.j2", "rejects", title="Replayed", done=done, notes=_notes(done))


def resolve_page(site: Site, request: Request) -> Response:
    """Say how many rejects would be marked as dealt with, and ask for a note."""
    given = given_in(request)
    try:
        query = _group(_Chosen, options_from(given, parameters_of(_Chosen))).query()
        with site.store() as store:
            query = replace(query, as_of=store.settled())
            count = int(store.reject_counts(resolvable(query, reopen=False))["count"].sum())
    except AdvertiseXError as error:
        return failed(site, request, "rejects", error, title="Resolve")
    return page(site, request, "resolve.html.j2", "rejects", title="Resolve", count=count, hidden=_pinned(given, query))


def resolve_now(site: Site, request: Request) -> Response:
    """Mark rejects as dealt with, and show those that are."""
    try:
        options = options_from(_fields(request), _RESOLVE)
        query, noted = _group(_Chosen, options).query(), _group(_Noted, options)
        with site.marks() as store:
            resolve(store, query, noted.note, by=visitor_of(request).name or None)
    except AdvertiseXError as error:
        return failed(site, request, "rejects", error, title="Resolve")
    kept = [(name, value) for name in ("reason", "feed", "kind", "since", "until") if (value := options[name])]
    return RedirectResponse(f"/rejects?{urlencode([*kept, ('resolved', 'true')])}", 303)


def _fields(request: Request) -> list[tuple[str, str]]:
    """The fields of a form that have a text."""
    fields = form_of(request).multi_items()
    return [(name, value) for name, value in fields if isinstance(value, str) and value and name != FIELD]


def _pinned(given: Sequence[tuple[str, str]], query: RejectQuery) -> list[tuple[str, str]]:
    """The fields of a form that confirms: about the rejects that were counted, without those that come later."""
    assert query.as_of is not None
    return [*(pair for pair in given if pair[0] != "as_of"), ("as_of", f"{query.as_of.isoformat()}Z")]


def _group(kind: type[T], options: Mapping[str, Any]) -> T:
    return kind(**{one.name: options[one.name] for one in parameters_of(kind)})


def _selection(site: Site, given: Sequence[tuple[str, str]]) -> Selection:
    options = options_from(given, _REPLAY)
    query, forced = _group(_Chosen, options).query(), _group(_Forced, options).force
    return _group(Repair, options).selection(query, site.settings, force=forced)


def _results(seen: Preview) -> Section:
    rows = sorted((one.feed, one.kind, one.reason, count) for one, count in seen.results.items())
    schema = {"feed": pl.String(), "result": pl.String(), "reason": pl.String(), "messages": pl.Int64()}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    table = Table("results", "What would become of them", frame, ("feed", "result", "reason"), codes=("reason",))
    return Section(table, [], list(columns_of(table, MOST_ROWS)))


def _examples(seen: Preview, selection: Selection) -> list[tuple[str, str]]:
    """The first messages as they would be sent: what would become of each, and its text."""
    found = []
    for one in seen.examples:
        text = one_line(one.message, selection.feeds[one.result.feed])
        cut = f"{text[:_WIDTH]}…" if len(text) > _WIDTH else text
        found.append((f"{one.position}: {one.result.kind} {one.result.reason}".strip(), visible(cut)))
    return found


def _notes(of: Preview | Replayed) -> list[str]:
    texts = [*left_out_notes(of), *(f"Warning: {text}." for text in unaffected_warnings(of.applied))]
    return [visible(without_dashes(text)) for text in texts]


def routes_of(site: Site) -> list[tuple[str, str, Callable[[Request], Response]]]:
    """Methods, paths and endpoints."""
    return [
        ("GET", "/rejects/replay", partial(replay_page, site)),
        ("POST", "/rejects/replay", partial(replay_now, site)),
        ("GET", "/rejects/resolve", partial(resolve_page, site)),
        ("POST", "/rejects/resolve", partial(resolve_now, site)),
    ]

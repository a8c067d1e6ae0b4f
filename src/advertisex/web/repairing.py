"""The pages that repair, replay and resolve rejects. Nothing is written before the preview has been confirmed."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

import polars as pl
from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from advertisex.analysis.answer import Table
from advertisex.errors import AdvertiseXError
from advertisex.inspection.filters import RejectFilters
from advertisex.inspection.replays import Previewed, Repair, left_out_notes, previewed, unaffected_warnings
from advertisex.inspection.resolving import counted
from advertisex.questions.option import Parameter, parameters_of
from advertisex.rejects.preview import Preview
from advertisex.rejects.replay import Replayed, replay
from advertisex.rejects.resolve import resolve
from advertisex.rejects.selection import Selection
from advertisex.reporting.cells import visible
from advertisex.reporting.columns import columns_of
from advertisex.reporting.page import MOST_ROWS, Section
from advertisex.stores.contract import RejectQuery
from advertisex.web.changes import Chosen, Forced, Noted, group_of, selection_of
from advertisex.web.drawing import failed, given_in, page, question_form
from advertisex.web.forms import FIELD, form_of
from advertisex.web.problems import without_dashes
from advertisex.web.query import options_from
from advertisex.web.site import Site
from advertisex.web.visitors import visitor_of


def _options(*groups: type) -> tuple[Parameter, ...]:
    return tuple(one for group in groups for one in parameters_of(group))


_REPLAY = _options(RejectFilters, Chosen, Repair, Forced)
_RESOLVE = _options(RejectFilters, Chosen, Noted)


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
            found = previewed(store, selection, site.settings)
    except AdvertiseXError as error:
        return failed(site, request, "rejects", error, **shown)
    return page(
        site,
        request,
        "replay.html.j2",
        "rejects",
        section=_results(found),
        examples=[(visible(result), visible(text)) for result, text in found.examples()],
        messages=found.seen.messages,
        notes=_notes(found.seen),
        hidden=_pinned(given, found.as_of),
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
        query = _query(options_from(given, _options(RejectFilters, Chosen)))
        with site.store() as store:
            found = counted(store, query)
    except AdvertiseXError as error:
        return failed(site, request, "rejects", error, title="Resolve")
    hidden = _pinned(given, found.as_of)
    return page(site, request, "resolve.html.j2", "rejects", title="Resolve", count=found.rejects, hidden=hidden)


def resolve_now(site: Site, request: Request) -> Response:
    """Mark rejects as dealt with, and show those that are."""
    try:
        options = options_from(_fields(request), _RESOLVE)
        with site.marks() as store:
            resolve(store, _query(options), options["note"], by=visitor_of(request).name or None)
    except AdvertiseXError as error:
        return failed(site, request, "rejects", error, title="Resolve")
    kept = [(name, value) for name in ("reason", "feed", "kind", "since", "until") if (value := options[name])]
    return RedirectResponse(f"/rejects?{urlencode([*kept, ('resolved', 'true')])}", 303)


def _fields(request: Request) -> list[tuple[str, str]]:
    """The fields of a form that have a text."""
    fields = form_of(request).multi_items()
    return [(name, value) for name, value in fields if isinstance(value, str) and value and name != FIELD]


def _pinned(given: Sequence[tuple[str, str]], as_of: datetime | None) -> list[tuple[str, str]]:
    """The fields of a form that confirms: about the rejects that were counted, without those that come later."""
    assert as_of is not None
    return [*(pair for pair in given if pair[0] != "as_of"), ("as_of", f"{as_of.isoformat()}Z")]


def _query(options: Mapping[str, Any]) -> RejectQuery:
    return group_of(Chosen, options).query(group_of(RejectFilters, options))


def _selection(site: Site, given: Sequence[tuple[str, str]]) -> Selection:
    options = options_from(given, _REPLAY)
    return selection_of(site, options, _query(options))


def _results(found: Previewed) -> Section:
    rows = [(one.feed, one.kind, one.reason, count) for one, count in found.results]
    schema = {"feed": pl.String(), "result": pl.String(), "reason": pl.String(), "messages": pl.Int64()}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    table = Table("results", "What would become of them", frame, ("feed", "result", "reason"), codes=("reason",))
    return Section(table, [], list(columns_of(table, MOST_ROWS)))


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

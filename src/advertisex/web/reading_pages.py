"""The pages of the readings beside the questions: tables, each with its CSV, and links to the messages behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from advertisex.errors import AdvertiseXError
from advertisex.inspection.filters import ExportOptions, ListedFilters, RejectFilters, ShowOptions
from advertisex.inspection.messages import MessageOptions, message
from advertisex.inspection.reading import Tables
from advertisex.inspection.shown_rejects import FORMATS, Shown, excerpt, shown_rejects
from advertisex.limits import Limit
from advertisex.questions.option import parameters_of
from advertisex.reporting.cells import NO_TEXT, visible
from advertisex.reporting.columns import columns_of
from advertisex.reporting.page import MOST_ROWS, Section
from advertisex.web.api import PREFIX
from advertisex.web.drawing import failed, given_in, page, question_form
from advertisex.web.links import links_of
from advertisex.web.navigation import READING_PAGES, Part, filters_of, parameters_of_parts
from advertisex.web.query import options_from
from advertisex.web.readings import REJECTS
from advertisex.web.site import Site
from advertisex.web.sorting import Heading, Order

MOST_LINES = Limit(400, "lines", of="a message on its page", beyond="counted; JSON has all")
LONGEST_LINE = Limit(2_000, "characters", of="a line of a message on its page", beyond="cut; JSON has all")


_TEXTS = {"most": MOST_ROWS, "no_text": NO_TEXT}


@dataclass(frozen=True, slots=True)
class _Block:
    """What a page shows of one of its parts: notes, and tables with their addresses as CSV and the links of cells."""

    notes: Sequence[str]
    sections: Sequence[Section]
    csv: dict[str, str]
    links: dict[str, dict[str, list[str]]]
    headings: dict[str, Mapping[str, Heading]]
    json: str
    following: str


def reading_page(site: Site, name: str, request: Request) -> Response:
    """A page of readings."""
    parts, given = READING_PAGES[name], given_in(request)
    offered = parameters_of_parts(parts)
    filters = [one.public_name for one in filters_of(name)]
    shown = {"title": name.capitalize(), "form": question_form(offered, given, filters)}
    try:
        options_from(given, offered)
        order = Order.of(request)
        blocks = [_block(site, request, part, given, order) for part in parts]
        order.check(name for block in blocks for name in block.headings)
    except AdvertiseXError as error:
        return failed(site, request, name, error, **shown)
    return page(site, request, "reading.html.j2", name, blocks=blocks, chosen=_chosen(parts, given), **shown, **_TEXTS)


def reject_page(site: Site, request: Request) -> Response:
    """The page of rejects with these ids: each message, with the failing field marked."""
    given, title = given_in(request), "Reject"
    try:
        options = ShowOptions(**options_from(given, parameters_of(ShowOptions)))
        shown = shown_rejects(site, options.ids)
    except AdvertiseXError as error:
        return failed(site, request, "rejects", error, title=title)
    messages = [_message(one) for one in shown]
    json = f"{PREFIX}/rejects/show?{urlencode(given)}"
    return page(site, request, "reject.html.j2", "rejects", title=title, messages=messages, json=json)


def message_page(site: Site, request: Request) -> Response:
    """The page of a message of the log."""
    given = given_in(request)
    try:
        found = message(site, MessageOptions(**options_from(given, parameters_of(MessageOptions))).id)
    except AdvertiseXError as error:
        return failed(site, request, "events", error, title="Message")
    lines, json = found.text.lines, f"{PREFIX}/messages/show?{urlencode(given)}"
    shown = {
        "title": str(found.id),
        "facts": [(name, visible(text)) for name, text in found.facts()],
        "lines": list(map(_line, lines[:MOST_LINES])),
        "left": max(0, len(lines) - MOST_LINES),
    }
    return page(site, request, "message.html.j2", "events", json=json, **shown)


def _line(text: str) -> str:
    return visible(text[:LONGEST_LINE]) + ("…" if len(text) > LONGEST_LINE else "")


def _chosen(parts: Sequence[Part], given: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """What selects the rejects of a page that can be repaired and resolved together: its filters, if it has any.

    A page of only replayed, not replayed or resolved ones offers neither: that would be about others, too.
    """
    pairs = [pair for part in parts if part.endpoint is REJECTS for pair in part.query(given)]
    names = {one.public_name for one in parameters_of(RejectFilters)}
    more = {one.public_name for one in parameters_of(ListedFilters)} - names
    if any(name in more for name, _ in pairs):
        return []
    return [pair for pair in pairs if pair[0] in names]


def _block(site: Site, request: Request, part: Part, given: Sequence[tuple[str, str]], order: Order) -> _Block:
    query = part.query(given)
    found = part.endpoint.found(site, query)
    following = _following(request, found, given)
    sorts = not following  # the rows of a part of a table are not the first ones of the whole
    tables = [order.apply(table, table.name) if sorts else table for table in found.tables()]
    return _Block(
        list(map(visible, found.notes())),
        [Section(table, [], list(columns_of(table, MOST_ROWS))) for table in tables],
        {table.name: _csv(part, table.name, query) for table in tables},
        {table.name: links_of(site, table, given) for table in tables},
        {table.name: order.headings(request, table, table.name) for table in tables} if sorts else {},
        f"{PREFIX}/{part.endpoint.path}{_query(query)}",
        following,
    )


def _csv(part: Part, table: str, query: Sequence[tuple[str, str]]) -> str:
    """The address of a table as CSV; that of the rejects is their export, which has all of them with their messages."""
    if (part.endpoint.path, table) != ("rejects/list", "rows"):
        return f"{PREFIX}/{part.endpoint.path}/tables/{table}.csv{_query(query)}"
    names = {one.public_name for one in parameters_of(ExportOptions)} - {"limit"}
    return f"{PREFIX}/rejects/export{_query([*(pair for pair in query if pair[0] in names), ('format', 'csv')])}"


def _following(request: Request, found: Tables, given: Sequence[tuple[str, str]]) -> str:
    """The address of the page with the next rows; empty if these are the last."""
    after = found.following()
    kept = [pair for pair in given if pair[0] not in after]
    return f"{request.url.path}{_query([*kept, *after.items()])}" if after else ""


def _query(pairs: Sequence[tuple[str, str]]) -> str:
    return f"?{urlencode(pairs)}" if pairs else ""


def _message(shown: Shown) -> dict[str, Any]:
    part, row = excerpt(shown.explained, MOST_LINES), shown.row
    group = [(name, row[name]) for name in ("feed", "kind", "reason")]
    return {
        "id": visible(str(shown.id)),
        "key": str(shown.id),
        "facts": [(name, visible(text)) for name, text in shown.facts()],
        "group": f"/rejects?{urlencode(group)}",
        "format": FORMATS[shown.explained.message.format],
        "absent": shown.explained.field if shown.explained.failing is None else None,
        "part": part,
        "lines": list(map(_line, part.lines)),
    }

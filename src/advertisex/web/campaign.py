"""The page of a campaign: what it delivered, spent and earned, with its flights, funnel, creatives, sites and reach."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from advertisex.analysis.answer import Table
from advertisex.errors import AdvertiseXError, AnalysisError
from advertisex.limits import Limit
from advertisex.questions.definitions import WITHOUT
from advertisex.questions.option import parameters_of
from advertisex.questions.selection import Selection
from advertisex.web.answers import ASKED, pinned
from advertisex.web.drawing import failed, given_in, page, question_form
from advertisex.web.drawn_answer import drawn_answer
from advertisex.web.problems import without_dashes
from advertisex.web.query import options_from
from advertisex.web.site import Site
from advertisex.web.sorting import Order

CAMPAIGN = "campaign"

MOST_ROWS_OF_PART = Limit(50, "rows", of="a table of the page of a campaign", beyond="counted; CSV has all")


class Part(NamedTuple):
    """A part of the page: some tables of the answer to a question.

    Attributes:
        key: the id of its heading; the names of its tables on the page begin with it.
        title: its heading.
        question: the name of the question.
        tables: names of the tables that are shown, with their figures.
        options: the options of the question.
        has_facts: whether the facts are shown.
    """

    key: str
    title: str
    question: str
    tables: Sequence[str]
    options: Mapping[str, str] = {}
    has_facts: bool = False


_PARTS = (
    Part("day", "Day by day", "performance", ("rows", "money"), {"by": "day"}, has_facts=True),
    Part("flight", "Flights", "pacing", ("rows", "running", "other_spend")),
    Part("funnel", "Funnel", "funnel", ("steps",)),
    Part("creative", "Creatives", "performance", ("rows", "money"), {"by": "creative_id"}),
    Part("site", "Sites", "performance", ("rows", "money"), {"by": "website"}),
    Part("reach", "Reach", "reach", ("frequency", "converted")),
)
_OFFERED = parameters_of(Selection)
_FILTERS = [one.public_name for one in _OFFERED]


def campaign_page(site: Site, request: Request) -> Response:
    """The page of the campaign that the address names; without one, the list of campaigns."""
    given = given_in(request)
    campaign = dict(given).get("campaign")
    if campaign is None:
        query = urlencode([*given, ("by", "campaign_id")])
        return RedirectResponse(f"/performance?{query}", HTTPStatus.SEE_OTHER)
    shown = {"title": campaign, "form": question_form(_OFFERED, given, _FILTERS)}
    try:
        options_from(given, _OFFERED)
        order = Order.of(request)
        order.check(f"{part.key}-{name}" for part in _PARTS for name in part.tables)
        parts: list[dict[str, Any]] = []
        for part in _PARTS:
            before = sum(len(drawn["figures"]) for drawn in parts)
            parts.append(_drawn(site, request, part, given, order, before))
        answered = [part for part in parts if not part["failed"]]
        if not answered:
            raise AnalysisError(
                f"no events found of campaign {campaign!r}", hint="check its id, the range and the filters"
            )
    except AdvertiseXError as error:
        return failed(site, request, "performance", error, **shown)
    share = urlencode([*pinned(given, answered[0]["answer"]), *order.query()])
    figures = [figure for part in parts for figure in part["figures"]]
    whole = {**answered[0], **shown, "parts": parts, "figures": figures, "share": f"/campaign?{share}"}
    return page(site, request, "campaign.html.j2", "performance", **whole)


def _drawn(
    site: Site, request: Request, part: Part, given: Sequence[tuple[str, str]], order: Order, before: int
) -> dict[str, Any]:
    """What the template shows of a part; the reason, if its question has no answer about this campaign.

    Raises:
        ConfigurationError: the order is not one of its tables.
    """
    prefix, asked, without = f"{part.key}-", ASKED[part.question], WITHOUT.get(part.question, ())
    query = [*(pair for pair in given if pair[0] not in without), *part.options.items()]
    about = {"key": part.key, "title": part.title, "address": f"/{part.question}?{urlencode(query)}"}
    try:
        answer = asked.answer(site, query)
    except AdvertiseXError as error:
        return about | {"failed": without_dashes(error.what), "hint": without_dashes(error.hint), "figures": []}

    shown = [table for table in answer.tables if table.name in part.tables]
    tables = {table.name: _cut(order.apply(table, prefix + table.name)) for table in shown}
    drawn = drawn_answer(site, request, asked, query, answer, tables, order, prefix, before)
    return drawn | about | {"answer": answer, "failed": ""} | ({} if part.has_facts else {"cards": []})


def _cut(table: Table) -> Table:
    """The first rows of a table."""
    height = table.rows.height
    if height <= MOST_ROWS_OF_PART:
        return table
    return replace(table, rows=table.rows.head(MOST_ROWS_OF_PART), of=height if table.of is None else table.of)

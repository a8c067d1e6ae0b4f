"""What the templates show of an answer on a site: its tables with their addresses, orders and links."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request

from advertisex.analysis.answer import Answer, Table
from advertisex.reporting.page import contents_of
from advertisex.web.answers import Asked, pinned
from advertisex.web.count_links import count_links, fact_links
from advertisex.web.links import card_links, links_of
from advertisex.web.site import Site
from advertisex.web.sorting import Order


def drawn_answer(
    site: Site,
    request: Request,
    asked: Asked,
    query: Sequence[tuple[str, str]],
    answer: Answer,
    tables: Mapping[str, Table],
    order: Order,
    prefix: str = "",
    before: int = 0,
) -> dict[str, Any]:
    """Return what the templates of an answer show, with the links of a site.

    Args:
        site: the site.
        request: the request for the page.
        asked: the question.
        query: its options.
        answer: its answer.
        tables: the tables that are shown, by their own names.
        order: the order of the tables of the page.
        prefix: what the names of its tables on the page begin with.
        before: the number of figures on the page before these.
    """
    same = pinned(query, answer)
    return contents_of(answer, lambda table: tables.get(table.name), prefix, before) | {
        "csv": {name: asked.table_address(name, same) for name in tables},
        "links": {name: links_of(site, table, query) | count_links(answer, table) for name, table in tables.items()},
        "headings": {name: order.headings(request, table, prefix + name) for name, table in tables.items()},
        "card_links": card_links(answer) | fact_links(answer),
    }

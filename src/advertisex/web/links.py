"""The links of cells: from a number or a code to the messages behind it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from advertisex.analysis.answer import Answer, Table
from advertisex.questions.option import parameters_of
from advertisex.questions.selection import Selection
from advertisex.reporting.labels import label
from advertisex.reporting.page import MOST_ROWS
from advertisex.settings.feeds import configured_feeds
from advertisex.web.site import Site

_FILTERS = frozenset(one.public_name for one in parameters_of(Selection)) - {"campaign"}

#: Returns the address behind a cell of a row; empty for no link.
_Link = Callable[[Mapping[str, Any]], str]


def links_of(site: Site, table: Table, given: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The address behind each cell of the columns of a table that have links.

    Args:
        site: says which topics the feeds have.
        table: the table.
        given: the filters of the page.
    """
    rows = list(table.rows.head(MOST_ROWS).iter_rows(named=True))
    columns = _campaigns(table, given) | _columns(site, table, given)
    return {name: [link(row) for row in rows] for name, link in columns.items()}


def _campaigns(table: Table, given: Sequence[tuple[str, str]]) -> dict[str, _Link]:
    """From the id of a campaign to its page, with the filters of this one."""
    if "campaign_id" not in table.rows.columns:
        return {}
    kept = [pair for pair in given if pair[0] in _FILTERS]

    def address(row: Mapping[str, Any]) -> str:
        campaign = row["campaign_id"]
        return f"/campaign?{urlencode([*kept, ('campaign', campaign)])}" if campaign else ""

    return {"campaign_id": address}


def _columns(site: Site, table: Table, given: Sequence[tuple[str, str]]) -> dict[str, _Link]:
    match table.name:
        case "groups":
            others = [pair for pair in given if pair[0] not in ("feed", "kind", "reason", "after")]
            group = _group(others)
            return {"reason": group, "rejects": group, "sample": lambda row: reject_address(row["sample"])}
        case "rows" if "message" in table.rows.columns:
            return {"message": lambda row: f"/messages/show?{urlencode({'id': row['message']})}"}
        case "rows" if "ingested_at" in table.rows.columns:
            return {"id": lambda row: reject_address(row["id"])}
        case "partitions":
            return _ledger(site)
        case "rejects" if {"feed", "kind", "reason"} <= set(table.rows.columns):
            return {"reason": _group([])}
        case _:
            return {}


def card_links(answer: Answer) -> dict[str, str]:
    """The address behind each fact that has one, by its name on the page: what was left out in the last hour."""
    as_of = answer.scope.as_of
    since = {} if as_of is None else {"since": f"{(as_of - timedelta(hours=1)).isoformat()}Z"}
    pages = {"rejected": "rejects", "filtered": "rejects", "conflicts": "conflicts"}
    kinds = {"rejected": {"kind": "rejected"}, "filtered": {"kind": "filtered"}, "conflicts": {}}
    return {
        label(f"{name}_last_hour"): f"/{page}?{urlencode(kinds[name] | since)}"
        for name, page in pages.items()
        if answer.facts.get(f"{name}_last_hour")
    }


def reject_address(id_: str) -> str:
    """The address of the page of a reject."""
    return f"/rejects/show?{urlencode({'id': id_})}"


def _group(others: Sequence[tuple[str, str]]) -> _Link:
    return lambda row: f"/rejects?{urlencode([*others, *((name, row[name]) for name in ('feed', 'kind', 'reason'))])}"


def _ledger(site: Site) -> dict[str, _Link]:
    feeds = {feed.topic: name for name, feed in configured_feeds(site.settings).items()}
    pages = {"rejected": "/rejects?kind=rejected", "filtered": "/rejects?kind=filtered", "conflict": "/conflicts?"}

    def link(column: str, page: str) -> _Link:
        def address(row: Mapping[str, Any]) -> str:
            if not row[column]:
                return ""
            feed = feeds.get(row["topic"]) if row["partition"] is not None else None
            return f"{page}&feed={feed}".replace("?&", "?") if feed else page.removesuffix("?")

        return address

    return {column: link(column, page) for column, page in pages.items()}

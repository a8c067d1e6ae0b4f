"""From a count of a question to the events that it counts, with the same scope, as of the same time."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from advertisex.analysis.answer import Answer, Table
from advertisex.analysis.calendar import midnight
from advertisex.analysis.event_list import COUNTED
from advertisex.analysis.scope import Scope
from advertisex.reporting.labels import label
from advertisex.reporting.page import MOST_ROWS

#: Questions whose counts are those of the events in their scope.
_QUESTIONS = frozenset({"summary", "performance", "funnel", "overview"})
#: Counts of rows by a field: clicks and conversions of a creative are matched to it, so no field of theirs says it.
_BY_FIELD = {
    "campaign_id": tuple(COUNTED),
    "creative_id": ("impressions", "bids"),
    "advertiser_id": ("impressions", "bids"),
}


def count_links(answer: Answer, table: Table) -> dict[str, list[str]]:
    """The addresses of the events behind the counts of a table, by column; empty where no scope selects just them."""
    keys = [name for name in table.named_by if name not in COUNTED]
    counts = [name for name in COUNTED if name in table.rows.columns and _is_linked(answer, keys, name)]
    rows = list(table.rows.head(MOST_ROWS).iter_rows(named=True))
    return {name: [_address(answer, name, row, keys) if row[name] else "" for row in rows] for name in counts}


def fact_links(answer: Answer) -> dict[str, str]:
    """The addresses of the events behind the facts that are counts, by their names on the page."""
    if answer.question not in _QUESTIONS:
        return {}
    facts = {**answer.facts, **answer.facts.get("counts", {})}  # `summary` has them by feed
    return {label(name): _address(answer, name, {}, []) for name in COUNTED if facts.get(name)}


def _is_linked(answer: Answer, keys: list[str], name: str) -> bool:
    if answer.question not in _QUESTIONS or len(keys) > 1:
        return False
    return all(key == "day" or name in _BY_FIELD.get(key, ()) for key in keys)


def _address(answer: Answer, of: str, row: Mapping[str, Any], keys: list[str]) -> str:
    """The address of the events of a row; empty if its key has no value."""
    options = dict(_options(answer.scope))
    where = answer.scope.values_of(COUNTED[of][0])  # a field of clicks alone selects nothing elsewhere
    for key in keys:
        match row[key]:
            case None:
                return ""
            case date() as day:
                options |= _day(answer.scope, day)
            case value if key == "campaign_id":
                options["campaign"] = value
            case value:
                where[key] = value
    fields = [("where", text) for text in Scope(where=where).where_texts()]
    valid = [("valid_only", "true")] if "left_out" in answer.parameters else []
    return f"/events?{urlencode([('of', of), *options.items(), *fields, *valid])}"


def _options(scope: Scope) -> dict[str, str]:
    """The options that give a scope, without its fields."""
    found = scope.to_dict()
    return {name: found[name] for name in ("since", "until", "campaign", "as_of", "zone") if found[name] is not None}


def _day(scope: Scope, day: date) -> dict[str, str]:
    """The part of a day that is in a scope."""
    since, until = midnight(day, scope.zone), midnight(day + timedelta(days=1), scope.zone)
    since = since if scope.since is None else max(since, scope.since)
    until = until if scope.until is None else min(until, scope.until)
    return {"since": f"{since.isoformat()}Z", "until": f"{until.isoformat()}Z"}

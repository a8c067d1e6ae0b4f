"""Prints which ids in the events of a run are unknown: to the catalogue, or to ISO 4217."""

from collections.abc import Iterator, Sequence
from typing import Any

import structlog

from advertisex.catalogue.unknown import Unknown, UnknownIds
from advertisex.cli.output import say

_LOG = structlog.get_logger(__name__)

_KINDS = {"creative": "creatives", "campaign": "campaigns", "currency": "currencies"}
_EXAMPLES = 5
_HINT = "run `advertisex catalogue import FILE`"


def print_unknown(unknown: UnknownIds) -> None:
    """Print one line for each feed and kind of unknown id, and one if a catalogue is needed but missing."""
    for line in _lines(unknown):
        say(line)


def log_unknown(unknown: UnknownIds) -> None:
    """Write the same to the log, for a worker whose standard output nobody reads."""
    for one in unknown.found:
        _LOG.warning(f"unknown {_KINDS[one.kind]}", feed=one.feed, ids=len(one.ids), events=one.events)


def unknown_document(unknown: UnknownIds) -> dict[str, Any]:
    """Return the same as a JSON object."""
    documents: dict[str, Any] = {"has_catalogue": unknown.has_catalogue, **{kind: [] for kind in _KINDS.values()}}
    for one in unknown.found:
        documents[_KINDS[one.kind]].append(
            {
                "feed": one.feed,
                "ids": len(one.ids),
                "at_least": one.at_least,
                "events": one.events,
                "examples": _examples(one),
            }
        )
    return documents


def _lines(unknown: UnknownIds) -> Iterator[str]:
    if unknown.needs_catalogue and not unknown.has_catalogue:
        yield f"No catalogue has been imported, so impressions and bids have no campaign; {_HINT}."
    for one in unknown.found:
        ids = f"{'at least ' if one.at_least else ''}{_number(len(one.ids), one.kind, _KINDS[one.kind])}"
        whom, hint = ("ISO 4217", "") if one.kind == "currency" else ("the catalogue", f"; {_HINT}")
        names = ", ".join(_examples(one)) + (", …" if len(one.ids) > _EXAMPLES else "")
        events = _number(one.events, "event", "events")
        yield f"{one.feed}: {ids} unknown to {whom}, in {events} of this run ({names}){hint}."


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _examples(one: Unknown) -> Sequence[str]:
    return sorted(one.ids)[:_EXAMPLES]

"""Options that select rejects."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated

import typer

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.model import Position
from advertisex.questions.time_text import parse_time
from advertisex.rejects.explained import reason_codes
from advertisex.stores.contract import EventStore, RejectQuery

_WHICH = "Filters"
_KINDS = ("rejected", "filtered", "conflict")

IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Reject ids, topic/partition/offset, as `list` shows them.")
]
ReasonOption = Annotated[
    str | None, typer.Option(metavar="CODE", help="Only this reason code.", rich_help_panel=_WHICH)
]
FeedOption = Annotated[str | None, typer.Option(metavar="FEED", help="Only this feed.", rich_help_panel=_WHICH)]
KindOption = Annotated[
    str | None, typer.Option(metavar="KIND", help="Only rejected, filtered or conflict.", rich_help_panel=_WHICH)
]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only those ingested at or after this time (UTC).", rich_help_panel=_WHICH),
]
UntilOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only those ingested before this time (UTC).", rich_help_panel=_WHICH)
]
ReplayedOption = Annotated[
    bool | None,
    typer.Option(
        "--replayed/--not-replayed", help="Only those already replayed, or not yet replayed.", rich_help_panel=_WHICH
    ),
]
ResolvedOption = Annotated[
    bool, typer.Option("--resolved", help="Only those that are resolved; otherwise open ones.", rich_help_panel=_WHICH)
]


def query_of(
    *,
    ids: Sequence[str] | None = None,
    reason: str | None = None,
    feed: str | None = None,
    kind: str | None = None,
    since: str | None = None,
    until: str | None = None,
    replayed: bool | None = None,
    resolved: bool | None = None,
    limit: int | None = None,
) -> RejectQuery:
    """Build the query from the options.

    Raises:
        ConfigurationError: an option is invalid, or they contradict each other.
    """
    if feed is not None and feed not in FEEDS:
        raise ConfigurationError(f"unknown feed {feed!r}", hint=f"use one of {', '.join(FEEDS)}")
    if kind is not None and kind not in _KINDS:
        raise ConfigurationError(f"unknown kind {kind!r}", hint=f"use one of {', '.join(_KINDS)}")
    if reason is not None and reason not in (known := sorted(reason_codes())):
        close = get_close_matches(reason, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}"
        raise ConfigurationError(f"unknown reason {reason!r}", hint=hint)
    start, end = parse_time(since, "--since"), parse_time(until, "--until")
    if start and end and start >= end:
        raise ConfigurationError(f"the range is empty: {since} to {until}", hint="--since must be before --until")
    query = RejectQuery(reason, feed, start, end, kind=kind, replayed=replayed, resolved=resolved, limit=limit)
    if not ids:
        return query
    if query != RejectQuery():
        raise ConfigurationError("IDs and filter options cannot be combined", hint="give one or the other")
    return RejectQuery(positions=frozenset(map(_position, ids)))


def number_resolved(store: EventStore, query: RejectQuery) -> int:
    """Count the rejects that a query for open ones leaves out because they are resolved."""
    return int(store.reject_counts(replace(query, resolved=True))["count"].sum())


def selected(query: RejectQuery, *, all_: bool) -> RejectQuery:
    """Return the query of a command that writes: it takes IDs, filters or --all.

    Raises:
        ConfigurationError: it has none of them, or --all besides others.
    """
    if (query == RejectQuery()) != all_:
        raise ConfigurationError(
            "--all cannot be combined with IDs or filters" if all_ else "no rejects selected",
            hint="give IDs, filters (--reason, --feed, --kind, --since, --until) or --all",
        )
    return query


def _position(text: str) -> Position:
    try:
        return Position.read(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not a valid reject id",
            hint="write it as topic/partition/offset, as `advertisex rejects list` shows it",
        ) from None

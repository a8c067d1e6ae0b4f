"""Options that select rejects."""

from collections.abc import Sequence
from typing import Annotated

import typer

from advertisex.cli.options import parse_time
from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.model import Position
from advertisex.stores.contract import RejectQuery

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


def query_of(
    *,
    ids: Sequence[str] | None = None,
    reason: str | None = None,
    feed: str | None = None,
    kind: str | None = None,
    since: str | None = None,
    until: str | None = None,
    replayed: bool | None = None,
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
    start, end = parse_time(since, "--since"), parse_time(until, "--until")
    if start and end and start >= end:
        raise ConfigurationError(f"the range is empty: {since} to {until}", hint="--since must be before --until")
    query = RejectQuery(reason, feed, start, end, kind=kind, replayed=replayed, limit=limit)
    if not ids:
        return query
    if query != RejectQuery():
        raise ConfigurationError("IDs and filter options cannot be combined", hint="give one or the other")
    return RejectQuery(positions=frozenset(map(_position, ids)))


def _position(text: str) -> Position:
    try:
        return Position.read(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not a valid reject id",
            hint="write it as topic/partition/offset, as `advertisex rejects list` shows it",
        ) from None

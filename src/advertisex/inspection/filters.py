"""The options that select rejects."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Annotated

from advertisex.analysis.arguments import MOST_LISTED
from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.model import Position
from advertisex.questions.option import Option
from advertisex.questions.time_text import parse_time
from advertisex.rejects.explained import reason_codes
from advertisex.stores.contract import RejectQuery

#: The formats of an export.
EXPORTED = ("ndjson", "csv")

_KINDS = ("rejected", "filtered", "conflict")


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectFilters:
    """The options of every command that selects rejects."""

    reason: Annotated[str | None, Option(metavar="CODE", help="Only this reason code.", is_filter=True)] = None
    feed: Annotated[str | None, Option(metavar="FEED", help="Only this feed.", is_filter=True)] = None
    kind: Annotated[str | None, Option(metavar="KIND", help="Only rejected, filtered or conflict.", is_filter=True)] = (
        None
    )
    since: Annotated[
        str | None, Option(metavar="TIME", help="Only those ingested at or after this time (UTC).", is_filter=True)
    ] = None
    until: Annotated[
        str | None, Option(metavar="TIME", help="Only those ingested before this time (UTC).", is_filter=True)
    ] = None

    def query(self) -> RejectQuery:
        """Build the query.

        Raises:
            ConfigurationError: an option is invalid.
        """
        check_feed(self.feed)
        if self.kind is not None and self.kind not in _KINDS:
            raise ConfigurationError(f"unknown kind {self.kind!r}", hint=f"use one of {', '.join(_KINDS)}")
        _check_reason(self.reason)
        start, end = parse_time(self.since, "--since"), parse_time(self.until, "--until")
        if start and end and start >= end:
            raise ConfigurationError(
                f"the range is empty: {self.since} to {self.until}", hint="--since must be before --until"
            )
        return RejectQuery(self.reason, self.feed, start, end, kind=self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedFilters(RejectFilters):
    """The same, and whether they were replayed."""

    replayed: Annotated[
        bool | None,
        Option(help="Only those already replayed, or not yet replayed.", negative="not-replayed", is_filter=True),
    ] = None

    def query(self) -> RejectQuery:
        """Build the query, as `RejectFilters`."""
        return replace(RejectFilters.query(self), replayed=self.replayed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFilters(ReplayedFilters):
    """The same, and whether they are resolved."""

    resolved: Annotated[bool, Option(help="Only those that are resolved; otherwise open ones.", is_filter=True)] = False

    def query(self) -> RejectQuery:
        """Build the query, as `RejectFilters`."""
        return replace(ReplayedFilters.query(self), resolved=self.resolved)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions(ListedFilters):
    """The options of `rejects list`."""

    limit: Annotated[int, Option(metavar="N", minimum=0, maximum=MOST_LISTED, help="Maximum number of rows.")] = 20
    after: Annotated[
        str | None, Option(metavar="ID", help="Only rows after this id: the next ones, after the last one shown.")
    ] = None

    def query(self) -> RejectQuery:
        """Build the query, as `RejectFilters`."""
        after = None if self.after is None else position_of(self.after)
        return replace(ListedFilters.query(self), limit=self.limit, after=after)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions(ListedFilters):
    """The options of `rejects export`."""

    format_: Annotated[
        str | None,
        Option(name="format", metavar="NAME", help="ndjson or csv.", default="csv for a .csv file, else ndjson"),
    ] = None
    limit: Annotated[
        int | None,
        Option(metavar="N", minimum=0, maximum=MOST_LISTED, help="Maximum number of rows.", default="all"),
    ] = None

    def query(self) -> RejectQuery:
        """Build the query, as `RejectFilters`."""
        return replace(ListedFilters.query(self), limit=self.limit)

    def form(self, default: str = "ndjson") -> str:
        """The format.

        Raises:
            ConfigurationError: it is unknown.
        """
        form = self.format_ or default
        if form not in EXPORTED:
            raise ConfigurationError(f"--format: unknown format {form!r}", hint=f"use one of {', '.join(EXPORTED)}")
        return form


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOptions:
    """The options of `rejects show`; its arguments on the command line."""

    ids: Annotated[list[str], Option(name="id", metavar="ID", help="Reject ids, as `rejects list` shows them.")]


def query_of_ids(ids: Sequence[str]) -> RejectQuery:
    """The query for the rejects with these ids.

    Raises:
        ConfigurationError: an id is invalid.
    """
    return RejectQuery(positions=frozenset(map(position_of, ids)))


def position_of(text: str) -> Position:
    """The position that is the id of a reject.

    Raises:
        ConfigurationError: it is invalid.
    """
    try:
        return Position.read(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not a valid reject id",
            hint="write it as topic/partition/offset, as `advertisex rejects list` shows it",
        ) from None


def check_feed(feed: str | None) -> None:
    """Check the name of a feed, if one is given.

    Raises:
        ConfigurationError: it is unknown.
    """
    if feed is not None and feed not in FEEDS:
        raise ConfigurationError(f"unknown feed {feed!r}", hint=f"use one of {', '.join(FEEDS)}")


def _check_reason(reason: str | None) -> None:
    if reason is not None and reason not in (known := sorted(reason_codes())):
        close = get_close_matches(reason, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}"
        raise ConfigurationError(f"unknown reason {reason!r}", hint=hint)

"""The options of a replay, what it would send, and what is said of it and of its preview."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from advertisex.errors import ConfigurationError
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.encodings import checked_encoding
from advertisex.ingestion.mapping import FieldMapping
from advertisex.inspection.filters import RejectFilters, query_of_ids
from advertisex.inspection.reading import utc
from advertisex.processing.configured import processing_of
from advertisex.questions.option import Option
from advertisex.questions.pairs import parse_pairs
from advertisex.rejects.export import payload_fields
from advertisex.rejects.pretty import one_line
from advertisex.rejects.preview import Preview, ReplayResult, preview
from advertisex.rejects.repair import Applied
from advertisex.rejects.replay import Replayed
from advertisex.rejects.selection import Selection
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore, RejectQuery

_PANEL = "Repair"
#: Messages that a preview shows, and the characters of each.
_EXAMPLES, _WIDTH = 5, 2_000
#: Why an option of reading does not apply to one message, or to several.
_UNAFFECTED = {
    "--encoding": (
        "it is UTF-8 or binary, and its original bytes are not kept; ingest the source again with --encoding",
        "they are UTF-8 or binary, and their original bytes are not kept; ingest the source again with --encoding",
    ),
    "--time-format": ("its timestamp has none of these formats", "their timestamps have none of these formats"),
    "--decimal": ("it has no number in text", "they have no number in text"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """The options that repair messages."""

    constant: Annotated[
        list[str] | None,
        Option(
            name="set", metavar="FIELD=VALUE", help="Set FIELD to VALUE in every message; repeatable.", group=_PANEL
        ),
    ] = None
    rename: Annotated[
        list[str] | None,
        Option(name="map", metavar="COLUMN=FIELD", help="Read COLUMN as FIELD; repeatable.", group=_PANEL),
    ] = None
    time_format: Annotated[
        list[str] | None, Option(metavar="FORMAT", help="strptime format of timestamps; repeatable.", group=_PANEL)
    ] = None
    decimal: Annotated[
        str | None, Option(metavar="CHAR", help="Decimal mark of numbers in text: . or ,", group=_PANEL)
    ] = None
    thousands: Annotated[
        str | None,
        Option(metavar="CHAR", help="Separator of groups of three digits in numbers in text.", group=_PANEL),
    ] = None
    encoding: Annotated[
        str | None, Option(metavar="NAME", help="Encoding of messages that are not UTF-8.", group=_PANEL)
    ] = None

    def selection(self, query: RejectQuery, settings: Settings, *, force: bool = False) -> Selection:
        """The rejects of a query, with these repairs.

        Raises:
            ConfigurationError: an option is invalid.
        """
        return Selection(
            query,
            configured_feeds(settings),
            FieldMapping(
                parse_pairs(self.rename, "--map"),
                parse_pairs(self.constant, "--set"),
                tuple(self.time_format or ()),
            ),
            CsvDialect(decimal=self.decimal, thousands=self.thousands).numbers(),
            None if self.encoding is None else checked_encoding(self.encoding),
            force,
        )


def selected(filters: RejectFilters, ids: list[str] | None, *, all_: bool = False) -> RejectQuery:
    """The query of a command that writes: it takes IDs, filters or --all.

    Raises:
        ConfigurationError: an option is invalid, there is none of them, or one besides others.
    """
    query = filters.query()
    if ids:
        if query != RejectQuery():
            raise ConfigurationError("IDs and filter options cannot be combined", hint="give one or the other")
        query = query_of_ids(ids)
    if (query == RejectQuery()) != all_:
        raise ConfigurationError(
            "--all cannot be combined with IDs or filters" if all_ else "no rejects selected",
            hint="give IDs, filters (--reason, --feed, --kind, --since, --until) or --all",
        )
    return query


@dataclass(frozen=True, slots=True)
class Previewed:
    """A preview, as it is shown.

    Attributes:
        seen: the preview.
        texts: each of its examples as a line, which may be cut.
        as_of: it is about rejects that were processed by then; None for an empty store.
    """

    seen: Preview
    texts: Sequence[str]
    as_of: datetime | None

    @property
    def results(self) -> list[tuple[ReplayResult, int]]:
        """The results with their numbers of messages, in order."""
        return sorted(self.seen.results.items(), key=lambda one: (one[0].feed, one[0].kind, one[0].reason))

    def examples(self) -> Iterator[tuple[str, str]]:
        """The first messages as they would be sent: what would become of each, and its text."""
        for one, text in zip(self.seen.examples, self.texts, strict=True):
            yield f"{one.position}: {one.result.kind} {one.result.reason}".strip(), text

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        seen = self.seen
        return {
            "as_of": utc(self.as_of),
            "messages": seen.messages,
            "results": [
                {"feed": result.feed, "kind": result.kind, "reason": result.reason or None, "count": count}
                for result, count in self.results
            ],
            "examples": [
                {
                    "id": str(example.position),
                    "feed": example.result.feed,
                    "kind": example.result.kind,
                    "reason": example.result.reason or None,
                    **payload_fields(example.message),
                }
                for example in seen.examples
            ],
            "not_repaired": seen.unrepairable,
            **left_out_document(seen),
        }


def previewed(store: EventStore, selection: Selection, settings: Settings) -> Previewed:
    """Preview a replay of the rejects that there are now.

    Raises:
        ConfigurationError: as for `replay`.
    """
    as_of = selection.query.as_of or store.settled()
    selection = replace(selection, query=replace(selection.query, as_of=as_of))
    seen = preview(store, selection, processing_of(settings).policy, _EXAMPLES)
    lines = (one_line(one.message, selection.feeds[one.result.feed]) for one in seen.examples)
    return Previewed(seen, [f"{line[:_WIDTH]}…" if len(line) > _WIDTH else line for line in lines], as_of)


def replayed_document(done: Replayed) -> dict[str, Any]:
    """What `rejects replay --json` prints."""
    return {
        "messages": done.messages,
        "feeds": done.feeds,
        "sent": [
            {
                "topic": topic,
                "partition": partition,
                "messages": sent.messages,
                "first_offset": sent.first,
                "last_offset": sent.last,
            }
            for (topic, partition), sent in sorted(done.sent.items())
        ],
        "not_repaired": done.unrepairable,
        **left_out_document(done),
        "interrupted": done.interrupted,
    }


def left_out_document(of: Replayed | Preview) -> dict[str, Any]:
    """What is left out, as members of a JSON object."""
    return {
        "replayed_before": of.left,
        "resolved": of.resolved,
        "conflicts_left_out": of.conflicts,
        "unmatched": of.applied.unmatched,
        "unaffected": of.applied.unaffected,
        "two_readings": of.applied.two_readings,
    }


def left_out_notes(of: Replayed | Preview) -> Iterator[str]:
    """Say what is left out, and how to include it."""
    more = " more" if of.messages else ""
    if of.unrepairable:
        yield f"{of.unrepairable:,} cannot be repaired: not decodable. They are left unchanged."
    if of.left:
        yield f"{of.left:,}{more} were already replayed; --force sends them again."
    if of.resolved:
        yield f"{of.resolved:,}{more} are resolved; --force sends them, too."
    if of.conflicts:
        conflicts = "conflict was" if of.conflicts == 1 else "conflicts were"
        yield (
            f"{of.conflicts:,} {conflicts} left out: select them with --kind conflict, and repair them, for example "
            "with --set."
        )


def unaffected_warnings(applied: Applied) -> Iterator[str]:
    """Say which options of a repair apply to no message, or can be wrong for one."""
    for column in applied.unmatched:
        yield f"no message has the column {column!r} of --map"
    for option, count in applied.unaffected.items():
        messages, why = "message" if count == 1 else "messages", _UNAFFECTED[option][count > 1]
        yield f"{option} does not apply to {count:,} {messages}: {why}"
    if applied.two_readings:
        count = applied.two_readings
        messages = "message has" if count == 1 else "messages have"
        yield (
            f"{count:,} {messages} a number that can be read in two ways, such as 1.234; it is read as "
            "--decimal and --thousands say: leave these out if the source was ingested with them"
        )

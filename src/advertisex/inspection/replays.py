"""The options of a replay, and what is said of it and of its preview."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from advertisex.errors import ConfigurationError
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.encodings import checked_encoding
from advertisex.ingestion.mapping import FieldMapping
from advertisex.inspection.filters import RejectFilters, query_of_ids
from advertisex.questions.option import Option
from advertisex.questions.pairs import parse_pairs
from advertisex.rejects.preview import Preview
from advertisex.rejects.repair import Applied
from advertisex.rejects.replay import Replayed
from advertisex.rejects.selection import Selection
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings
from advertisex.stores.contract import RejectQuery

_PANEL = "Repair"
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

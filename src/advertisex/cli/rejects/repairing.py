"""The options of `advertisex rejects replay` that repair messages."""

from typing import Annotated

import typer

from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.encodings import checked_encoding
from advertisex.ingestion.mapping import FieldMapping
from advertisex.questions.pairs import parse_pairs
from advertisex.rejects.selection import Selection
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings
from advertisex.stores.contract import RejectQuery

_PANEL = "Repair"

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Set FIELD to VALUE in every message; repeatable.",
        rich_help_panel=_PANEL,
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="COLUMN=FIELD", help="Read COLUMN as FIELD; repeatable.", rich_help_panel=_PANEL),
]
TimeFormatOption = Annotated[
    list[str] | None,
    typer.Option(metavar="FORMAT", help="strptime format of timestamps; repeatable.", rich_help_panel=_PANEL),
]
DecimalOption = Annotated[
    str | None,
    typer.Option(metavar="CHAR", help="Decimal mark of numbers in text: . or ,", rich_help_panel=_PANEL),
]
ThousandsOption = Annotated[
    str | None,
    typer.Option(
        metavar="CHAR", help="Separator of groups of three digits in numbers in text.", rich_help_panel=_PANEL
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Encoding of messages that are not UTF-8.", rich_help_panel=_PANEL),
]


def repaired(
    query: RejectQuery,
    settings: Settings,
    *,
    constant: list[str] | None,
    rename: list[str] | None,
    time_format: list[str] | None,
    decimal: str | None,
    thousands: str | None,
    encoding: str | None,
    force: bool,
) -> Selection:
    """Return the selection of the rejects of a query, with the repairs that the options name.

    Raises:
        ConfigurationError: an option is not valid.
    """
    return Selection(
        query,
        configured_feeds(settings),
        FieldMapping(parse_pairs(rename, "--map"), parse_pairs(constant, "--set"), tuple(time_format or ())),
        CsvDialect(decimal=decimal, thousands=thousands).numbers(),
        None if encoding is None else checked_encoding(encoding),
        force,
    )

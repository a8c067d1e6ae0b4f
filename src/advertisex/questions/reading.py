"""The options of commands and questions that read files: how they are read."""

from dataclasses import fields
from typing import Annotated, get_args

from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.formats import Format
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.questions.option import Option
from advertisex.questions.pairs import parse_pairs

_CSV = "Options for CSV"
_FORMATS = ", ".join(get_args(Format))


def file_options(
    rename: Annotated[
        list[str] | None, Option(name="map", metavar="COLUMN=FIELD", help="Read COLUMN as FIELD; repeatable.")
    ] = None,
    constant: Annotated[
        list[str] | None,
        Option(name="set", metavar="FIELD=VALUE", help="Set FIELD to VALUE in every record; repeatable."),
    ] = None,
    time_format: Annotated[
        list[str] | None, Option(metavar="FORMAT", help="strptime format of timestamps; repeatable.")
    ] = None,
    format_: Annotated[
        str | None, Option(name="format", metavar="NAME", help=f"{_FORMATS}.", default="detected")
    ] = None,
    encoding: Annotated[
        str | None, Option(metavar="NAME", help="Encoding of text, such as cp1252.", default="detected")
    ] = None,
    decimal: Annotated[str | None, Option(metavar="CHAR", help="Decimal mark of numbers in text: . or ,")] = None,
    thousands: Annotated[
        str | None, Option(metavar="CHAR", help="Separator of groups of three digits in numbers in text.")
    ] = None,
    records: Annotated[str | None, Option(metavar="KEY", help="Dotted path of the records in a JSON document.")] = None,
    inherit: Annotated[
        list[str] | None,
        Option(metavar="PARENT.FIELD=FIELD", help="Copy a value around JSON records into each; repeatable."),
    ] = None,
    columns: Annotated[
        str | None,
        Option(metavar="A,B,C", help="Column names, for files without a header.", group=_CSV),
    ] = None,
    delimiter: Annotated[str | None, Option(metavar="CHAR", help="Delimiter.", default="detected", group=_CSV)] = None,
    quote: Annotated[
        str | None,
        Option(metavar="CHAR", help="Quote, or none.", default='"', group=_CSV),
    ] = None,
    escape: Annotated[
        str | None,
        Option(metavar="CHAR", help="Character before a quote in a cell.", default="quotes double", group=_CSV),
    ] = None,
    multiline: Annotated[bool, Option(help="Quoted cells may hold line ends anywhere.", group=_CSV)] = False,
    skip: Annotated[
        int | None,
        Option(metavar="N", help="Lines before the header.", default="detected", group=_CSV),
    ] = None,
) -> IngestOptions:
    """Return how a file is read.

    Raises:
        ConfigurationError: an option is invalid.
    """
    given = locals()
    return IngestOptions(
        format=format_,
        records=records,
        inherit=parse_pairs(inherit, "--inherit"),
        columns=() if columns is None else tuple(name.strip() for name in columns.split(",")),
        dialect=CsvDialect(**{part.name: given[part.name] for part in fields(CsvDialect)}),
        mapping=FieldMapping(parse_pairs(rename, "--map"), parse_pairs(constant, "--set"), tuple(time_format or ())),
    )


#: Fields of `FieldMapping` -> their options.
_OF_MAPPING = {"rename": "--map", "constants": "--set", "time_formats": "--time-format"}


def given_options(options: IngestOptions) -> list[str]:
    """Return which options of `file_options` are given."""
    default = IngestOptions()
    named = [(f"--{name}", getattr(options, name), getattr(default, name)) for name in ("format", "records", "inherit")]
    named.append(("--columns", options.columns, default.columns))
    for part in fields(CsvDialect):
        named.append((f"--{part.name}", getattr(options.dialect, part.name), getattr(default.dialect, part.name)))
    for name, option in _OF_MAPPING.items():
        named.append((option, getattr(options.mapping, name), getattr(default.mapping, name)))
    return [option for option, value, unset in named if value != unset]

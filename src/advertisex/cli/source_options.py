"""What the commands that read sources share: their options, the feed, and how the JSON output shows an input."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Annotated, Any, get_args

import typer

from advertisex.cli.api_flags import api_flags
from advertisex.cli.options import parse_pairs
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.formats import Format
from advertisex.ingestion.input_report import InputReport
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.ingest import IngestOptions

_CSV = "Options for CSV"
_FORMATS = ", ".join(get_args(Format))


def source_options(
    rename: Annotated[
        list[str] | None, typer.Option("--map", metavar="COLUMN=FIELD", help="Read COLUMN as FIELD; repeatable.")
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Set FIELD to VALUE in every record; repeatable."),
    ] = None,
    time_format: Annotated[
        list[str] | None, typer.Option(metavar="FORMAT", help="strptime format of timestamps; repeatable.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help=f"{_FORMATS}.  \\[default: detected]")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Encoding of text, such as cp1252.  \\[default: detected]")
    ] = None,
    decimal: Annotated[str | None, typer.Option(metavar="CHAR", help="Decimal mark of numbers in text: . or ,")] = None,
    thousands: Annotated[
        str | None, typer.Option(metavar="CHAR", help="Separator of groups of three digits in numbers in text.")
    ] = None,
    records: Annotated[
        str | None, typer.Option(metavar="KEY", help="Dotted path of the records in a JSON document.")
    ] = None,
    inherit: Annotated[
        list[str] | None,
        typer.Option(metavar="PARENT.FIELD=FIELD", help="Copy a value around JSON records into each; repeatable."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Column names, for files without a header.", rich_help_panel=_CSV),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHAR", help="Delimiter.  \\[default: detected]", rich_help_panel=_CSV)
    ] = None,
    quote: Annotated[
        str | None,
        typer.Option(metavar="CHAR", help='Quote, or none.  \\[default: "]', rich_help_panel=_CSV),
    ] = None,
    escape: Annotated[
        str | None,
        typer.Option(
            metavar="CHAR", help="Character before a quote in a cell.  \\[default: quotes double]", rich_help_panel=_CSV
        ),
    ] = None,
    multiline: Annotated[
        bool, typer.Option("--multiline", help="Quoted cells may hold line ends anywhere.", rich_help_panel=_CSV)
    ] = False,
    skip: Annotated[
        int | None,
        typer.Option(metavar="N", help="Lines before the header.  \\[default: detected]", rich_help_panel=_CSV),
    ] = None,
) -> IngestOptions:
    """Return the options for ingestion."""
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
    """Return which options of `source_options` are given."""
    default = IngestOptions()
    named = [(f"--{name}", getattr(options, name), getattr(default, name)) for name in ("format", "records", "inherit")]
    named.append(("--columns", options.columns, default.columns))
    for part in fields(CsvDialect):
        named.append((f"--{part.name}", getattr(options.dialect, part.name), getattr(default.dialect, part.name)))
    for name, option in _OF_MAPPING.items():
        named.append((option, getattr(options.mapping, name), getattr(default.mapping, name)))
    return [option for option, value, unset in named if value != unset]


#: Parameters of a command that are a group of options -> what returns their value.
_GROUPS: dict[str, Callable[..., Any]] = {"options": source_options, "api": api_flags}


def with_source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `source_options` and `api_flags`, as its parameters `options` and `api`."""
    groups = {name: inspect.signature(function).parameters for name, function in _GROUPS.items()}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        parameters += groups[parameter.name].values() if parameter.name in groups else [parameter]

    @wraps(command)
    def run(**given: Any) -> None:
        values = {name: _GROUPS[name](**{key: given.pop(key) for key in keys}) for name, keys in groups.items()}
        command(**values, **given)

    # typer reads the options from the signature
    by_kind = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__signature__ = inspect.Signature(by_kind)  # type: ignore[attr-defined] # inspect.signature honours it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def found_dict(report: InputReport | None) -> dict[str, Any]:
    """Return what was found in an input as a JSON object."""
    report = report or InputReport()
    return {
        "format": report.reading.format or None,
        "detected": report.reading.detected,
        "rows": report.reading.rows,
        "skipped": report.reading.skipped,
        "columns": [{"column": column, "field": field} for column, field in report.columns.fields.items()],
        "missing": report.columns.missing,
        "warnings": [{"warning": text, "occurrences": number} for text, number in report.warnings.items()],
    }

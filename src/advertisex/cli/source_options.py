"""What the commands that read sources share: their options, the feed, and how the JSON output shows an input."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from advertisex.cli.api_flags import api_flags
from advertisex.cli.typed import typed
from advertisex.ingestion.input_report import InputReport
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.questions.reading import file_options


def source_options(**given: Any) -> IngestOptions:
    """Return the options for ingestion."""
    return file_options(**given)


# typer reads the options from the signature
source_options.__signature__ = inspect.Signature(typed(file_options))  # type: ignore[attr-defined]


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

"""Options of the commands that ask HTTP APIs. They win over the settings `api.*`."""

from typing import Annotated, Any

import typer

from advertisex.cli.options import seconds_of
from advertisex.errors import ConfigurationError
from advertisex.ingestion.api_options import check_seconds

_APIS = "Options for HTTP APIs"


def api_flags(
    attempts: Annotated[
        int | None,
        typer.Option(metavar="N", help="Attempts per request.  \\[default: 5; preview: 1]", rich_help_panel=_APIS),
    ] = None,
    retry_wait: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Wait before the first retry, then doubled.  \\[default: 5s]",
            rich_help_panel=_APIS,
        ),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Time without data before a request fails.  \\[default: 30s]",
            rich_help_panel=_APIS,
        ),
    ] = None,
) -> dict[str, Any]:
    """Return the fields of `ApiOptions` that are given.

    Raises:
        ConfigurationError: a value is invalid.
    """
    given: dict[str, Any] = {}
    for name, text in (("retry_wait", retry_wait), ("timeout", timeout)):
        if text is not None:
            flag = f"--{name.replace('_', '-')}"
            given[name] = seconds_of(text, flag)
            check_seconds(flag, given[name])
    if attempts is not None:
        if attempts < 1:
            raise ConfigurationError(f"{attempts} attempts are not enough", where="--attempts", hint="use 1 or more")
        given["attempts"] = attempts
    return given

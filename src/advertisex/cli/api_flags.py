"""Options of the commands that ask HTTP APIs. They win over the settings `api.*`."""

from typing import Annotated, Any

import typer

from advertisex.cli.options import seconds_of
from advertisex.errors import ConfigurationError
from advertisex.ingestion.options.paginate import TYPES, parse_paginate
from advertisex.settings.durations import duration_of

#: Title of their panel. Secrets do not belong on a command line, which other users can see.
_APIS = "Options for HTTP APIs (method, body, headers, auth: in the settings)"


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
    max_pages: Annotated[
        int | None,
        typer.Option(metavar="N", help="Maximum number of pages of a poll.", rich_help_panel=_APIS),
    ] = None,
    paginate: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help=f"How to ask for the next page: {', '.join(TYPES)}; with parts as in "
            "cursor:cursor_path=meta.next,param=after.  \\[default: detected]",
            rich_help_panel=_APIS,
        ),
    ] = None,
    cursor: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD", help="Field whose largest value so far is {cursor} in the URL.", rich_help_panel=_APIS
        ),
    ] = None,
    lookback: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="How far {since} lies before {cursor}: 12h, 3d.", rich_help_panel=_APIS),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="{since} of the first poll, in the notation of the cursor.", rich_help_panel=_APIS
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
            given[name] = seconds_of(text, f"--{name.replace('_', '-')}")
    for name, number in (("attempts", attempts), ("max_pages", max_pages)):
        if number is not None:
            if number < 1:
                flag = f"--{name.replace('_', '-')}"
                raise ConfigurationError(f"{number} is too small a number", where=flag, hint="use 1 or more")
            given[name] = number
    if paginate is not None:
        given["paginate"] = parse_paginate(paginate)
    if lookback is not None:
        given["lookback"] = duration_of(lookback, "--lookback")
    return given | {name: text for name, text in (("cursor", cursor), ("since", since)) if text is not None}

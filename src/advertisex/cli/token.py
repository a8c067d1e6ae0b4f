"""`advertisex token`: a token that lets a client in, and the settings for it."""

from typing import Annotated, get_args

import typer

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    settings_of,
)
from advertisex.cli.output import out, plain, print_json, say
from advertisex.errors import ConfigurationError
from advertisex.settings.web import Role, token_name
from advertisex.web.tokens import hash_of, new_token


def token(
    role: Annotated[
        str,
        typer.Argument(
            metavar="ROLE",
            help="viewer: reads everything; operator: also repairs, replays and resolves; ingest: only sends events.",
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of its holder: a-z, 0-9, _ and -.")],
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a token for the dashboard and the HTTP API.

    Nothing is written: the token is shown once, with the lines for the settings that let its holder in.
    """
    known = settings_of(config, data=data, log=log, store=store).web.tokens
    if role not in get_args(Role):
        raise ConfigurationError(f"unknown role {role!r}", hint=f"use one of {', '.join(get_args(Role))}")
    try:
        token_name(name)
    except ValueError as error:
        raise ConfigurationError(f"NAME: {name!r} is not a valid name", hint=str(error)) from error
    if name in {one.name for one in known}:
        raise ConfigurationError(f"there is a token {name!r} in the settings", hint="choose another name")
    made = new_token()
    if as_json:
        print_json({"token": made, "name": name, "role": role, "hash": hash_of(made)})
        return
    say("The token, which is shown only now:")
    _copied(made)
    say("Add these lines to the settings, and start `advertisex serve` again:")
    for line in ("[[web.tokens]]", f'name = "{name}"', f'role = "{role}"', f'hash = "{hash_of(made)}"'):
        _copied(line)


def _copied(line: str) -> None:
    """Print a line that is copied: it is not broken on a narrow terminal."""
    out.print(plain(f"  {line}"), soft_wrap=True)

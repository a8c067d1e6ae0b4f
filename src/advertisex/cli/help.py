"""The help of the commands: a flag takes no value, so no type is shown beside it, and a number is shown as N."""

from typing import Any

import typer

#: How every command is created.
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


def with_plain_types(command: Any) -> Any:
    """Name the values of the options of a command and of its subcommands in short; return the command."""
    for option in command.get_params(typer.Context(command, **CONTEXT)):  # --help is among these only
        if option.param_type_name == "option" and option.metavar is None:
            option.metavar = "" if option.is_bool_flag else "N" if option.type_descriptor.annotation is int else None
    for subcommand in getattr(command, "commands", {}).values():
        with_plain_types(subcommand)
    return command

"""Our wording of what is wrong with a command line."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from advertisex.errors import ConfigurationError
from advertisex.masking import masked
from advertisex.settings.messages import explanation

_COMMAND = re.compile(r"No such command '(.+?)'\.(?: Did you mean (.+)\?)?")
_EXTRA = re.compile(r"Got unexpected extra argument(?:\(s\)|s)? \((.+)\)")
#: What the parser says of an option that is used wrongly, and what we say.
_USES = {
    "requires an argument": "needs a value",
    "does not take a value": "takes no value",
}


def usage_error(error: Any, program: str, arguments: Sequence[str]) -> ConfigurationError:
    """The exception for an invalid command line.

    Args:
        error: what typer raised; it has no public class.
        program: name of the program.
        arguments: the command line.
    """
    what, close = _what(error)
    if place := _place_of_option(error, arguments):
        return ConfigurationError(masked(what), hint=f"write it after the command: {place}")
    meant = f"did you mean {close}? " if close else ""
    command = error.ctx.command_path if error.ctx else program
    return ConfigurationError(masked(what), hint=f"{meant}see {command} --help")


def _place_of_option(error: Any, arguments: Sequence[str]) -> str:
    """The command that an unknown option before it belongs to, followed by the option; empty if there is none."""
    option, group = getattr(error, "option_name", ""), error.ctx and error.ctx.command
    before = [word.partition("=")[0] for word in arguments]
    if option not in before or not hasattr(group, "commands"):
        return ""
    command, path = group, error.ctx.command_path
    for word in arguments[before.index(option) + 1 :]:
        if word in getattr(command, "commands", {}):
            path, (_, command, _) = f"{path} {word}", command.resolve_command(error.ctx, [word])
    known = {name: parameter for parameter in command.params for name in parameter.opts}
    if command is group or option not in known:
        return ""
    value = "" if known[option].is_flag else known[option].metavar or "VALUE"
    return f"{path} {option} {value}".rstrip()


def _what(error: Any) -> tuple[str, str]:
    """What is wrong, and what the user may have meant."""
    message = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error.__cause__, ValidationError):
        fault = error.__cause__.errors()[0]
        return f"{_option_of(error)}: {explanation(fault)}, got {str(fault['input'])!r}", ""
    option = getattr(error, "option_name", "")
    for theirs, ours in _USES.items():
        if option and theirs in message:
            return f"{option} {ours}", ""
    if option:
        return f"unknown option {option}", " or ".join(sorted(error.possibilities or ()))
    if found := _COMMAND.match(error.format_message()):
        return f"unknown command {found[1]!r}", (found[2] or "").replace("'", "")
    if found := _EXTRA.match(message):
        return f"unexpected {'arguments' if ' ' in found[1] else 'argument'}: {found[1]}", ""
    return message[:1].lower() + message[1:], ""


def _option_of(error: Any) -> str:
    """The option or argument that an error is about, as it is written: without its short forms and its negation."""
    parameter = error.param
    is_option = parameter.param_type_name == "option"
    return str(max(parameter.opts, key=len) if is_option else parameter.metavar or parameter.name.upper())

"""Reads the options of a question from the query string of a URL."""

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from inspect import Parameter as Signature
from typing import Any, get_args

from advertisex.errors import ConfigurationError
from advertisex.questions.option import Parameter

_FLAGS = {"true": True, "false": False}


def options_from(query: Iterable[tuple[str, str]], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Read options. An option that is not given has its default; a list is given by repeating its name.

    Args:
        query: names and values, decoded.
        parameters: the options that are allowed.

    Returns:
        Values by the names of the parameters.

    Raises:
        ConfigurationError: an option is unknown, invalid, missing, or given twice.
    """
    known = {one.public_name: one for one in parameters}
    given: dict[str, list[str]] = {}
    for name, value in query:
        if name not in known:
            raise ConfigurationError(f"unknown parameter {name!r}", hint=_suggestion(name, known))
        given.setdefault(name, []).append(value)
    return {one.name: _value(one, given.get(name)) for name, one in known.items()}


def schema_of(parameter: Parameter) -> dict[str, Any]:
    """Describe an option for OpenAPI."""
    option, is_list = parameter.option, _is_list(parameter)
    kind: dict[str, Any] = {"type": {bool: "boolean", int: "integer"}.get(_plain(parameter), "string")}
    bounds = {"minimum": option.minimum, "maximum": option.maximum}
    kind |= {name: bound for name, bound in bounds.items() if bound is not None}
    if parameter.value not in (None, Signature.empty):
        kind["default"] = parameter.value
    default = f" Default: {option.default}." if option.default else ""
    return {
        "name": parameter.public_name,
        "in": "query",
        "required": parameter.value is Signature.empty,
        "description": option.help.replace("--", "") + default,
        "schema": {"type": "array", "items": kind} if is_list else kind,
    }


def _suggestion(name: str, known: Collection[str]) -> str:
    if not known:
        return "this address takes none"
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(known)}"


def _plain(parameter: Parameter) -> Any:
    """The type without None and without the list around it."""
    kinds = [kind for kind in get_args(parameter.type) if kind is not type(None)]
    found = kinds[0] if kinds else parameter.type
    return get_args(found)[0] if get_args(found) else found


def _is_list(parameter: Parameter) -> bool:
    return any(getattr(kind, "__origin__", None) is list for kind in (parameter.type, *get_args(parameter.type)))


def _value(parameter: Parameter, texts: list[str] | None) -> Any:
    name = parameter.public_name
    if texts is None:
        if parameter.value is Signature.empty:
            raise ConfigurationError(f"{name} is missing", hint=parameter.option.help.replace("--", ""))
        return parameter.value
    if _is_list(parameter):
        return texts
    if len(texts) > 1:
        raise ConfigurationError(f"{name} is given {len(texts)} times", hint="give it once")
    return _parsed(parameter, texts[0])


def _parsed(parameter: Parameter, text: str) -> Any:
    name, kind, option = parameter.public_name, _plain(parameter), parameter.option
    if kind is bool:
        if text not in _FLAGS:
            raise ConfigurationError(f"{name}: {text!r} is not a valid flag", hint="use true or false")
        return _FLAGS[text]
    if kind is not int:
        return text
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 19:
        raise ConfigurationError(f"{name}: {text!r} is not a whole number")
    number = int(text)
    least, most = option.minimum, option.maximum
    if (least is not None and number < least) or (most is not None and number > most):
        raise ConfigurationError(f"{name}: {number:,} is out of range", hint=f"use {least:,} to {most:,}")
    return number

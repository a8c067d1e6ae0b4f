"""The options of questions and readings: plain data, from which the command line and the HTTP API make their own."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin


@dataclass(frozen=True, slots=True)
class Option:
    """An option. It annotates a parameter of a question; the names of both differ at most in underscores.

    Attributes:
        help: what it does, as one sentence.
        metavar: the word for its value in the help; empty for a flag.
        name: its name, if the parameter is named otherwise.
        default: what applies without it, if the parameter does not say so.
        group: the group of options that it is shown in; empty for that of its question.
        minimum: the least number.
        maximum: the largest number.
        negative: of a flag that may also be absent, the name of its opposite on the command line.
        is_filter: whether it selects what is shown.
    """

    help: str
    metavar: str = ""
    name: str = ""
    default: str = ""
    group: str = ""
    minimum: int | None = None
    maximum: int | None = None
    negative: str = ""
    is_filter: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a question, with its option.

    Attributes:
        name: the name of the parameter.
        type: `str`, `int` or `bool`, a list of `str`, or one of these or None.
        value: its default; `inspect.Parameter.empty` if it is required.
        option: its option.
    """

    name: str
    type: Any
    value: Any
    option: Option

    @property
    def public_name(self) -> str:
        """The name of the option, with underscores."""
        return self.option.name or self.name


def named(question: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of options by their public names.

    Args:
        question: takes the options.
        values: values by the names of its parameters.
    """
    return {one.public_name: values[one.name] for one in parameters_of(question)}


def parameters_of(question: Callable[..., Any]) -> list[Parameter]:
    """Read the parameters that are annotated with an option, in their order."""
    found = []
    for one in inspect.signature(question, eval_str=True).parameters.values():
        kind, *extra = get_args(one.annotation) if get_origin(one.annotation) is not None else [None]
        found += [Parameter(one.name, kind, one.default, option) for option in extra if isinstance(option, Option)]
    return found

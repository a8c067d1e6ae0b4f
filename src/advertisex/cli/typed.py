"""Makes the options of questions and readings those of commands."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from advertisex.questions.option import Parameter, parameters_of

#: The panel of the help for the options that select events.
FILTERS = "Filters"


def typed(question: Callable[..., Any], panel: str | None = None) -> list[inspect.Parameter]:
    """Return the parameters of a function whose signature typer reads, with the options of a question.

    Args:
        question: takes the options.
        panel: the panel of the help that shows them.
    """
    return [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=one.value,
            annotation=Annotated[one.type, _option(one, panel)],
        )
        for one in parameters_of(question)
    ]


def _option(parameter: Parameter, panel: str | None) -> Any:
    option = parameter.option
    return typer.Option(
        f"--{parameter.public_name.replace('_', '-')}" + (f"/--{option.negative}" if option.negative else ""),
        metavar=option.metavar or None,
        help=option.help + (f"  \\[default: {option.default}]" if option.default else ""),
        min=option.minimum,
        max=option.maximum,
        rich_help_panel=option.group or (FILTERS if option.is_filter else panel),
    )


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of its first parameter, a class whose fields are options, in place of it."""
    first, *others = inspect.signature(command, eval_str=True).parameters.values()
    own = typed(first.annotation)

    @wraps(command)
    def run(**values: Any) -> None:
        chosen = first.annotation(**{one.name: values.pop(one.name) for one in own})
        command(chosen, **values)

    parameters = [*own, *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in others)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
    return run

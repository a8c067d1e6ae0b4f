"""Makes the options of questions those of commands."""

import inspect
from collections.abc import Callable
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
        f"--{parameter.public_name.replace('_', '-')}",
        metavar=option.metavar or None,
        help=option.help + (f"  \\[default: {option.default}]" if option.default else ""),
        min=option.minimum,
        max=option.maximum,
        rich_help_panel=option.group or panel,
    )

"""Makes the options of questions and readings those of commands."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
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
    """Give a command the options of its parameters that are classes whose fields are options, in place of these."""
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {one.name: one.annotation for one in parameters if is_dataclass(one.annotation)}

    @wraps(command)
    def run(**values: Any) -> None:
        chosen = {
            name: group(**{one.name: values.pop(one.name) for one in parameters_of(group)})
            for name, group in groups.items()
        }
        command(**chosen, **values)

    spread_out: list[inspect.Parameter] = []
    for one in parameters:
        own = typed(one.annotation) if one.name in groups else [one.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
        spread_out += own
    run.__signature__ = inspect.Signature(spread_out)  # type: ignore[attr-defined] # typer reads it
    return run

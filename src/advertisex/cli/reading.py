"""Turns a function of `inspection` into a command."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    place_of,
    settings_of,
)
from advertisex.cli.output import print_json
from advertisex.cli.server import ServerOption, asked
from advertisex.cli.typed import typed
from advertisex.inspection.reading import Reading
from advertisex.questions.option import named

R = TypeVar("R", bound=Reading)


def reading(read: Callable[..., R], show: Callable[[R], None], path: str) -> Callable[..., None]:
    """Build the command that prints what a function has found.

    Args:
        read: takes where to read, and its own options; its docstring becomes the help.
        show: prints it for people.
        path: where the API of a server gives it.
    """
    kind: type[R] = get_type_hints(read)["return"]

    def run(
        data: DataOption = None,
        log: LogOption = None,
        store: StoreOption = None,
        config: ConfigOption = None,
        server: ServerOption = None,
        as_json: JsonOption = False,
        debug: DebugOption = False,
        **options: Any,
    ) -> None:
        if server is None:
            found = read(place_of(settings_of(config, data=data, log=log, store=store)), **options)
        else:
            with asked(server, data=data, log=log, store=store, config=config) as remote:
                found = remote.get(path, named(read, options), kind)
        if as_json:
            print_json(found.document())
        else:
            show(found)

    *common, _ = inspect.signature(run, eval_str=True).parameters.values()
    options = [*typed(read), *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in common)]
    run.__name__, run.__doc__ = read.__name__, read.__doc__
    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined] # typer reads it
    return run

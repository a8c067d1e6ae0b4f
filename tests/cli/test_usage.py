"""What is said of a command line that cannot be parsed."""

from typing import Annotated

import pytest
import typer
from typer.main import get_command

from advertisex.cli.usage import usage_error

app = typer.Typer()


@app.command()
def count(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=3)],
    other: Annotated[int, typer.Argument()] = 1,
    most: Annotated[int, typer.Option("--most", "-m", min=3)] = 4,
) -> None:
    """Count."""


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["x"], "NUMBER: expected a whole number, got 'x'"),
        (["1"], "NUMBER: must be at least 3, got '1'"),
        (["5", "y"], "OTHER: expected a whole number, got 'y'"),
        (["5", "-m", "x"], "--most: expected a whole number, got 'x'"),
    ],
)
def test_an_invalid_value_is_a_usage_error(arguments: list[str], what: str) -> None:
    with pytest.raises(Exception) as found:  # noqa: PT011 - typer has no public class for it
        get_command(app).main(arguments, standalone_mode=False)
    error = usage_error(found.value, "advertisex", arguments)
    assert (error.what, error.exit_code) == (what, 2)

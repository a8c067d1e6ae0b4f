"""Printing of answers as tables."""

from rich.text import Text

from advertisex.analysis.answer import Answer, Table
from advertisex.analysis.scope import Scope
from advertisex.cli.output import out, say
from advertisex.cli.tables import print_table
from advertisex.limits import Limit
from advertisex.reporting.cells import format_counts
from advertisex.reporting.columns import Column, columns_of
from advertisex.reporting.facts import facts_of

MOST_ROWS = Limit(40, "rows", of="a table in the terminal", beyond="counted; CSV and JSON have all")


def print_answer(answer: Answer) -> None:
    """Print an answer: the data it was computed from, the facts, then the tables."""
    print_about(answer)
    if answer.facts:
        out.print()
        title = answer.question.capitalize() + within(answer.scope)
        print_table(title, ("measure", "value"), facts_of(answer.facts), numbers=["value"])
    print_notes(answer)
    for table in answer.tables:
        out.print()
        print_rows(table)


def print_about(answer: Answer) -> None:
    """Print the definition and the events read on one line, the parameters on the next."""
    until = f", complete up to {answer.horizon} UTC" if answer.horizon else ""
    parameters = facts_of({name: value for name, value in answer.parameters.items() if value is not None})
    _print_dim(f"{answer.definition} of {format_counts(answer.computed_from)}{until}")
    if parameters:
        say(", ".join(f"{name} {text}" for name, text in parameters), style="dim")


def print_notes(answer: Answer) -> None:
    """Print the notes of an answer."""
    for note in answer.notes:
        say(note)


def print_rows(table: Table) -> None:
    """Print the first rows of a table, and how to print the others."""
    if table.rows.is_empty():
        say(f"{table.title}: none")
        return
    columns = list(columns_of(table, MOST_ROWS))
    numbers = [column.name for column in columns if column.kind == "number"]
    names = [column.name for column in columns]
    keys = [name for name in names if name in table.named_by]
    whole = [name for name in names if name not in table.prose]
    cells = zip(*map(_styled, columns), strict=True)
    print_table(table.title, names, cells, keys=keys, numbers=numbers, whole=whole, prose=table.prose)
    height = table.rows.height
    if (more := height - MOST_ROWS) > 0:
        _print_dim(
            f"… {more:,} more rows: --csv --table {table.name} prints all{f' {height:,}' if table.is_cut else ''}"
        )
    if table.is_cut:
        _print_dim(f"{height:,} of {table.of:,} are listed{f'; {table.option} lists more' if table.option else ''}")


def _styled(column: Column) -> list[str | Text]:
    """Return the cells of a column; missing text is dimmed, to distinguish it from the same text as data."""
    pairs = zip(column.cells, column.values, strict=True)
    return [Text(cell, "dim italic") if value is None and not column.kind else cell for cell, value in pairs]


def within(scope: Scope) -> str:
    """Return the scope in parentheses, to append to a title; empty if unrestricted."""
    return f" ({scope.text()})" if scope.text() else ""


def _print_dim(text: str) -> None:
    say(text, style="dim")

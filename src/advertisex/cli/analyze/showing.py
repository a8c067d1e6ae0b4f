"""Printing of answers as tables."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.text import Text

from advertisex.analysis.answer import Answer, Table
from advertisex.analysis.scope import Scope
from advertisex.cli.output import out, plain, print_table
from advertisex.reporting.cells import facts_of, format_counts
from advertisex.reporting.columns import Column, columns_of
from advertisex.reporting.shorten import shortened

#: Rows printed per table; --csv prints all.
MOST_ROWS = 40

#: Space between columns, and minimum width of a key column.
_GAP, _LEAST = 2, 12


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
        out.print(", ".join(f"{name} {text}" for name, text in parameters), markup=False, style="dim")


def print_notes(answer: Answer) -> None:
    """Print the notes of an answer."""
    for note in answer.notes:
        out.print(plain(note), soft_wrap=True)


def print_rows(table: Table) -> None:
    """Print the first rows of a table, and how to print the others."""
    for part, group in enumerate(_column_groups(list(columns_of(table, MOST_ROWS)), table.named_by)):
        if part:
            out.print()
        title = f"{table.title}, continued" if part else table.title
        numbers = [column.name for column in group if column.kind == "number"]
        print_table(title, [c.name for c in group], zip(*map(_styled, group), strict=True), numbers=numbers)
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


def _column_groups(columns: list[Column], keys: Sequence[str]) -> Iterator[list[Column]]:
    """Yield groups of columns that fit the width of the terminal, each with the key columns first."""
    if sum(map(_width, columns)) <= out.width:
        yield columns
        return
    key_columns = _narrow([column for column in columns if column.name in keys])
    some: list[Column] = []
    for column in (column for column in columns if column.name not in keys):
        if some and sum(map(_width, [*key_columns, *some, column])) > out.width:
            yield [*key_columns, *some]
            some = []
        some.append(column)
    yield [*key_columns, *some]


def _narrow(columns: list[Column]) -> list[Column]:
    """Shorten the texts of the columns so that together they take at most half of the width."""
    widths = [_width(column) for column in columns]
    room = max(out.width // 2, _LEAST * len(columns))
    most = next(most for most in range(room, 0, -1) if sum(min(width, most) for width in widths) <= room)
    return [replace(column, cells=shortened(column.cells, most - _GAP, cell_len)) for column in columns]


def _width(column: Column) -> int:
    return max(map(cell_len, [column.name, *column.cells])) + _GAP


def within(scope: Scope) -> str:
    """Return the scope in parentheses, to append to a title; empty if unrestricted."""
    return f" ({scope.text()})" if scope.text() else ""


def _print_dim(text: str) -> None:
    out.print(text, markup=False, style="dim", soft_wrap=True)

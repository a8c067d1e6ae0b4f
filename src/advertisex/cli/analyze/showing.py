"""How answers are printed: tables for people, or one table as CSV."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.text import Text

from advertisex.analysis.answer import Answer, Table
from advertisex.analysis.scope import Scope
from advertisex.cli.output import out, print_table
from advertisex.errors import ConfigurationError
from advertisex.reporting.cells import facts_of, format_counts
from advertisex.reporting.columns import Column, columns_of
from advertisex.reporting.csv_table import csv_of
from advertisex.reporting.shorten import shortened

#: So many rows are read; more are for --csv.
MOST_ROWS = 40

#: Between columns; and what each column that names a row has at least.
_GAP, _LEAST = 2, 12


def print_answer(answer: Answer) -> None:
    """An answer for people: what it was computed of, the facts, then the tables."""
    print_about(answer)
    if answer.facts:
        out.print()
        title = answer.question.capitalize() + within(answer.scope)
        print_table(title, ("what", "value"), facts_of(answer.facts), numbers=["value"])
    for table in answer.tables:
        out.print()
        print_rows(table)


def print_about(answer: Answer) -> None:
    """One line each: definition and what was read, then what the numbers depend on."""
    until = f", complete up to {answer.horizon} UTC" if answer.horizon else ""
    parameters = facts_of({name: value for name, value in answer.parameters.items() if value is not None})
    _quietly(f"{answer.definition} of {format_counts(answer.computed_from)}{until}")
    if parameters:
        out.print(", ".join(f"{name} {text}" for name, text in parameters), markup=False, style="dim")


def print_rows(table: Table) -> None:
    """The first rows of a table, and how to see the others."""
    for part, some in enumerate(_side_by_side(list(columns_of(table, MOST_ROWS)), table.named_by)):
        if part:
            out.print()
        title = f"{table.says}, continued" if part else table.says
        numbers = [column.name for column in some if column.kind == "number"]
        print_table(title, [c.name for c in some], zip(*map(_styled, some), strict=True), numbers=numbers)
    height = table.rows.height
    if (more := height - MOST_ROWS) > 0:
        _quietly(f"… {more:,} more rows: --csv --table {table.name} prints all{f' {height:,}' if table.is_cut else ''}")
    if table.is_cut:
        _quietly(f"{height:,} of {table.of:,} are listed{f'; {table.option} lists more' if table.option else ''}")


def _styled(column: Column) -> list[str | Text]:
    """The cells; a text that is missing looks different from one that says so."""
    pairs = zip(column.cells, column.values, strict=True)
    return [Text(cell, "dim italic") if value is None and not column.kind else cell for cell, value in pairs]


def _side_by_side(columns: list[Column], keys: Sequence[str]) -> Iterator[list[Column]]:
    """As many columns as fit beside each other, then the next of them, each time behind those that name the row."""
    if sum(map(_width, columns)) <= out.width:
        yield columns
        return
    named = _narrow([column for column in columns if column.name in keys])
    some: list[Column] = []
    for column in (column for column in columns if column.name not in keys):
        if some and sum(map(_width, [*named, *some, column])) > out.width:
            yield [*named, *some]
            some = []
        some.append(column)
    yield [*named, *some]


def _narrow(columns: list[Column]) -> list[Column]:
    """The columns, their texts cut so that together they leave half of the width to others."""
    widths = [_width(column) for column in columns]
    room = max(out.width // 2, _LEAST * len(columns))
    most = next(most for most in range(room, 0, -1) if sum(min(width, most) for width in widths) <= room)
    return [replace(column, cells=shortened(column.cells, most - _GAP, cell_len)) for column in columns]


def _width(column: Column) -> int:
    return max(map(cell_len, [column.name, *column.cells])) + _GAP


def print_csv(table: Table) -> None:
    """A table on stdout, byte by byte as RFC 4180 has it."""
    sys.stdout.flush()
    for lines in csv_of(table.rows):
        sys.stdout.buffer.write(lines)
    sys.stdout.buffer.flush()


def table_named(answer: Answer, name: str | None) -> Table:
    """The table of this name, or the main one.

    Raises:
        ConfigurationError: there is none.
    """
    tables = {table.name: table for table in answer.tables}
    if name is None and tables:
        return answer.tables[0]
    if name not in tables:
        raise ConfigurationError(
            f"the answer has no table {name!r}" if name else "the answer has no table",
            where=f"analyze {answer.question}",
            hint=f"use one of {', '.join(tables)}" if tables else "use --json",
        )
    return tables[name]


def within(scope: Scope) -> str:
    """The scope in brackets, behind a title; nothing for everything."""
    return f" ({scope.text()})" if scope.text() else ""


def _quietly(text: str) -> None:
    out.print(text, markup=False, style="dim", soft_wrap=True)

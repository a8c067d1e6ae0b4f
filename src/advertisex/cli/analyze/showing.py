"""How answers are printed: tables for people, or one table as CSV."""

import sys
from collections.abc import Iterator

from rich.cells import cell_len

from advertisex.analysis.answer import Answer, Table
from advertisex.analysis.scope import Scope
from advertisex.cli.output import out, print_table
from advertisex.errors import ConfigurationError
from advertisex.reporting.cells import facts_of
from advertisex.reporting.columns import Column, columns_of
from advertisex.reporting.csv_table import csv_of

#: So many rows are read; more are for --csv.
MOST_ROWS = 40


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
    read = ", ".join(f"{count:,} {feed}" for feed, count in answer.computed_from.items())
    until = f", complete up to {answer.horizon} UTC" if answer.horizon else ""
    parameters = facts_of({name: value for name, value in answer.parameters.items() if value is not None})
    _quietly(f"{answer.definition} of {read}{until}")
    if parameters:
        out.print(", ".join(f"{name} {text}" for name, text in parameters), markup=False, style="dim")


def print_rows(table: Table) -> None:
    """The first rows of a table, and how to see the others."""
    columns = list(columns_of(table.rows.head(MOST_ROWS)))
    for part, some in enumerate(_side_by_side(columns)):
        if part:
            out.print()
        title = f"{table.says}, continued" if part else table.says
        numbers = [column.name for column in some if column.kind == "number"]
        print_table(title, [c.name for c in some], zip(*(c.cells for c in some), strict=True), numbers=numbers)
    if (more := table.rows.height - MOST_ROWS) > 0:
        _quietly(f"… {more:,} more rows: --csv --table {table.name} prints all")


def _side_by_side(columns: list[Column]) -> Iterator[list[Column]]:
    """As many columns as fit beside each other, then the next of them, each time behind the first column."""
    some: list[Column] = []
    for column in columns:
        if some and sum(map(_width, [*some, column])) > out.width:
            yield some
            some = [columns[0]] if len(some) > 1 else []
        some.append(column)
    yield some


def _width(column: Column) -> int:
    return max(map(cell_len, [column.name, *column.cells])) + 2


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
            mend=f"use one of {', '.join(tables)}" if tables else "use --json",
        )
    return tables[name]


def within(scope: Scope) -> str:
    """The scope in brackets, behind a title; nothing for everything."""
    return f" ({scope.text()})" if scope.text() else ""


def _quietly(text: str) -> None:
    out.print(text, markup=False, style="dim", soft_wrap=True)

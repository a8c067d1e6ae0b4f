"""What every question answers with: facts, tables and charts of them, and what they were computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import takewhile
from typing import Any, Literal

import polars as pl

from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore, Range


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of an answer.

    Attributes:
        name: its key in JSON.
        says: its title for people.
        rows: Decimal columns are exact; the order is part of the answer.
        keys: columns that together name a row; unless told, the texts and times that it begins with, or its first.
        of: how many rows there are in all, where these may be only the first of them.
        option: of the command line, which lists more of them.
        seconds: columns of durations, which people read in days, hours, minutes and seconds.
    """

    name: str
    says: str
    rows: pl.DataFrame
    keys: tuple[str, ...] = ()
    of: int | None = None
    option: str = ""
    seconds: tuple[str, ...] = ()

    @property
    def named_by(self) -> tuple[str, ...]:
        """The columns that together name a row."""
        names = (column.name for column in takewhile(_names_a_row, self.rows))
        return self.keys or tuple(names) or tuple(self.rows.columns[:1])

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than these."""
        return self.of is not None and self.of > self.rows.height


def _names_a_row(column: pl.Series) -> bool:
    return not column.dtype.is_numeric() and column.dtype != pl.Boolean


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure of a table's columns.

    Attributes:
        table: its name.
        kind: how it is drawn; a heatmap has one column of `y` across, and `colour` for its cells.
        x: the column along.
        y: the columns up, one series each.
        colour: a column that parts the rows into series, or a heatmap's cells.
        says: its title.
    """

    table: str
    kind: Literal["bar", "line", "heatmap"]
    x: str
    y: tuple[str, ...]
    says: str
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        question: its name.
        definition: of its numbers, with the version: it changes when a number means something else.
        scope: what was asked about.
        horizons: the event time up to which each feed that it needs is complete, see `horizons`.
        computed_from: events read, by feed.
        parameters: model, windows and whatever else the numbers depend on.
        facts: single numbers, by name; a value may be a table of its own by name.
        tables: the first is the main one.
        charts: in the order in which they are shown.
    """

    question: str
    definition: str
    scope: Scope
    horizons: Mapping[str, datetime | None]
    computed_from: Mapping[str, int]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()

    @property
    def horizon(self) -> datetime | None:
        """The event time up to which it is complete: the earliest of `horizons`, of the feeds that hold anything."""
        return min((end for end in self.horizons.values() if end is not None), default=None)

    def table(self, name: str) -> pl.DataFrame:
        """The rows of the table with this name.

        Raises:
            KeyError: there is none.
        """
        return {table.name: table.rows for table in self.tables}[name]

    def to_dict(self) -> dict[str, Any]:
        """The answer as one JSON document: what it is, then the facts, then each table as a list of objects.

        Of tables that may hold only the first rows, `rows_in_all` has how many there are.

        Amounts and credits are exact: whole numbers are int, others Decimal.
        """
        in_all = {table.name: table.of for table in self.tables if table.of is not None}
        return {
            "question": self.question,
            "definition": self.definition,
            "range": self.scope.to_dict(),
            "horizon": _plain(self.horizon),
            "horizons": _plain(self.horizons),
            "computed_from": dict(self.computed_from),
            "parameters": _plain(self.parameters),
            **{name: _plain(value) for name, value in self.facts.items()},
            **{table.name: [_plain(row) for row in table.rows.iter_rows(named=True)] for table in self.tables},
            **({"rows_in_all": in_all} if in_all else {}),
        }


def horizons(store: EventStore, scope: Scope, feeds: Sequence[str]) -> dict[str, datetime | None]:
    """The event time up to which each feed is complete: where it ends; None where it holds nothing.

    An event may still come late: `--as-of` and the restatement tell what that changed.
    """
    before = Range(until=scope.until, as_of=scope.as_of)
    return {feed: store.extent(feed, before).last for feed in feeds}


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat() + "Z"
        case date():
            return value.isoformat()
        case Decimal():
            return int(value) if value == value.to_integral_value() else Decimal(f"{value:f}".rstrip("0"))
        case bytes():
            return value.hex()
        case _:
            return value

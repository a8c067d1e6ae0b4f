"""What every question answers with: facts, tables and charts of them, and what they were computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
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
    """

    name: str
    says: str
    rows: pl.DataFrame


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
        horizon: the event time up to which it is complete, see `horizon`.
        computed_from: events read, by feed.
        parameters: model, windows and whatever else the numbers depend on.
        facts: single numbers, by name; a value may be a table of its own by name.
        tables: the first is the main one.
        charts: in the order in which they are shown.
    """

    question: str
    definition: str
    scope: Scope
    horizon: datetime | None
    computed_from: Mapping[str, int]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()

    def table(self, name: str) -> pl.DataFrame:
        """The rows of the table with this name.

        Raises:
            KeyError: there is none.
        """
        return {table.name: table.rows for table in self.tables}[name]

    def to_dict(self) -> dict[str, Any]:
        """The answer as one JSON document: what it is, then the facts, then each table as a list of objects."""
        return {
            "question": self.question,
            "definition": self.definition,
            "range": self.scope.to_dict(),
            "horizon": _plain(self.horizon),
            "computed_from": dict(self.computed_from),
            "parameters": _plain(self.parameters),
            **{name: _plain(value) for name, value in self.facts.items()},
            **{table.name: [_plain(row) for row in table.rows.iter_rows(named=True)] for table in self.tables},
        }


def horizon(store: EventStore, scope: Scope, feeds: Sequence[str]) -> datetime | None:
    """The event time up to which the feeds are complete: where the one ends that is furthest behind.

    Feeds that hold nothing are left out; None where all do. An event may still come late: `--as-of` and the
    restatement tell what that changed.
    """
    before = Range(until=scope.until, as_of=scope.as_of)
    ends = [last for feed in feeds if (last := store.extent(feed, before).last) is not None]
    return min(ends, default=None)


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
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return value.hex()
        case _:
            return value

"""The result of every question: facts, tables, charts, and the data they were computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from os import PathLike
from typing import Any, Literal, overload

import polars as pl

from advertisex.analysis.scope import Scope
from advertisex.errors import ConfigurationError
from advertisex.extras import extra
from advertisex.reporting.answer_file import write_or_return
from advertisex.stores.contract import EventStore, Range


@dataclass(frozen=True, slots=True)
class Table:
    """A table of an answer.

    Attributes:
        name: key in JSON.
        title: heading of the table.
        rows: the data. Decimal columns are exact; the row order is part of the answer.
        keys: columns that identify a row. Default: the leading columns that are neither numeric nor Boolean, else the
            first column.
        of: total number of rows, if `rows` may be truncated.
        option: command-line option that lists more rows.
        seconds: columns that hold durations in seconds; they are displayed in days, hours, minutes and seconds.
        codes: columns that hold codes of ours, such as reasons; pages display them as words.
        prose: columns of long texts, which a terminal folds.
        quantities: columns that hold a quantity of the `measure` of each row: money in its `currency` if that is
            `spend`, else a count.
    """

    name: str
    title: str
    rows: pl.DataFrame
    keys: tuple[str, ...] = ()
    of: int | None = None
    option: str = ""
    seconds: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    prose: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()

    @property
    def named_by(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        names = (column.name for column in takewhile(_is_key_column, self.rows))
        return self.keys or tuple(names) or tuple(self.rows.columns[:1])

    @property
    def is_cut(self) -> bool:
        """Whether the table is truncated."""
        return self.of is not None and self.of > self.rows.height


def _is_key_column(column: pl.Series) -> bool:
    return not column.dtype.is_numeric() and column.dtype != pl.Boolean


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of a table's columns.

    Attributes:
        table: name of the table.
        kind: chart type. A heatmap takes a single `y` column, and `colour` gives the value of its cells. A funnel takes
            the counts of its steps as `y`, and optionally the rate from the previous step.
        x: column on the x axis; of a funnel, its steps.
        y: columns on the y axis, one series each.
        title: heading of the chart.
        colour: column that splits the rows into series, or the value of a heatmap's cells.
        choice: name of the chart among those of the same table and title, of which a page shows one at a time.
        only: a column and the value that the rows of the chart have in it.
    """

    table: str
    kind: Literal["bar", "line", "heatmap", "funnel"]
    x: str
    y: tuple[str, ...]
    title: str
    colour: str | None = None
    choice: str = ""
    only: tuple[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        question: name of the question.
        definition: name and version of the metric definitions; the version changes when a number changes its meaning.
        scope: the events that the question is about.
        horizons: event time up to which each feed in use is complete, see `horizons`.
        computed_from: number of events read, by feed.
        parameters: models, windows and everything else that the numbers depend on.
        facts: single numbers by name; a value may be a mapping.
        tables: the first is the main one.
        charts: in display order.
        notes: what a reader must know beside the numbers, one sentence each: that the catalogue is incomplete, say.
            If retention has removed events that the answer needs, they say so.
        lookback: how long before the range the question reads events.
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
    notes: Sequence[str] = ()
    lookback: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        kept = [] if self.kept_since is None else [not_kept(self.kept_since)]
        object.__setattr__(self, "notes", list(dict.fromkeys([*self.notes, *self.scope.notes, *kept])))

    @property
    def kept_since(self) -> datetime | None:
        """The time before which the store keeps nothing, if the answer needs earlier events; else None."""
        return self.scope.kept_since if self.scope.reaches_below_floor(self.lookback) else None

    @property
    def horizon(self) -> datetime | None:
        """Event time up to which the answer is complete: the earliest of `horizons`, ignoring empty feeds."""
        return min((end for end in self.horizons.values() if end is not None), default=None)

    def table(self, name: str) -> pl.DataFrame:
        """Return the rows of a table.

        Raises:
            ConfigurationError: the answer has no table of that name.
        """
        return self._table(name).rows

    def _table(self, name: object) -> Table:
        for table in self.tables:
            if table.name == name:
                return table
        raise ConfigurationError(
            f"the {self.question} answer has no table {name!r}",
            hint=f"use one of {', '.join(table.name for table in self.tables)}" if self.tables else "see its facts",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as one JSON document: metadata, then the facts, then each table as a list of objects.

        `rows_in_all` gives the total row count of each table that may be truncated. `notes` is left out if there are
        none, and so is `kept_since`.

        Amounts and credits are exact: int if whole, else Decimal.
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
            **({} if self.kept_since is None else {"kept_since": _plain(self.kept_since)}),
            **({"notes": list(self.notes)} if self.notes else {}),
        }

    @overload
    def to_json(self, path: None = None) -> str: ...
    @overload
    def to_json(self, path: str | PathLike[str]) -> None: ...
    def to_json(self, path: str | PathLike[str] | None = None) -> str | None:
        """Write `to_dict` to a file as JSON, like `--json`. Without a path, return the text.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        from advertisex.reporting.json_text import json_text

        return write_or_return(path, [json_text(self.to_dict()).encode()], "document")

    @overload
    def to_csv(self, path: None = None, table: str | None = None) -> str: ...
    @overload
    def to_csv(self, path: str | PathLike[str], table: str | None = None) -> None: ...
    def to_csv(self, path: str | PathLike[str] | None = None, table: str | None = None) -> str | None:
        """Write a table, by default the main one, to a file as CSV, like `--csv`. Without a path, return the text.

        Lines end with CR and LF. Text that a spreadsheet would run as a formula is prefixed with an apostrophe.

        Raises:
            ConfigurationError: the answer has no such table, or the file cannot be written.
        """
        from advertisex.reporting.csv_table import csv_of

        chosen = self.tables[0] if table is None and self.tables else self._table(table)
        return write_or_return(path, csv_of(chosen.rows), "table")

    @overload
    def to_html(self, path: None = None) -> str: ...
    @overload
    def to_html(self, path: str | PathLike[str], *, inline: bool = False) -> None: ...
    def to_html(self, path: str | PathLike[str] | None = None, *, inline: bool = False) -> str | None:
        """Write a page with figures and tables to a file, like `--html`. Without a path, return the page.

        A page with figures loads a script from its folder, which is written there too and shared by the pages of the
        folder. A page that is returned, or written `inline`, contains the script, about five million characters, and
        loads nothing.

        Raises:
            ConfigurationError: a file cannot be written, or the extra `web` is not installed.
        """
        with extra("web", "pages"):
            from advertisex.reporting.page import page_of, write_page

        if path is None:
            return page_of(self)
        write_page(self, path, inline=inline)
        return None

    def _repr_html_(self) -> str:
        """Return facts and the first rows of the tables as HTML, for notebooks."""
        with extra("web", "tables in notebooks"):
            from advertisex.reporting.notebook import fragment_of

        return fragment_of(self)


def not_kept(kept_since: datetime) -> str:
    """The note that retention has removed events that an answer needs."""
    time = f"{kept_since:%Y-%m-%d}" if kept_since.time() == datetime.min.time() else f"{kept_since:%Y-%m-%d %H:%M:%S}"
    return f"Nothing before {time} (UTC) is kept (store.keep_days): older events and rejects are not in these numbers."


def horizons(store: EventStore, scope: Scope, feeds: Sequence[str]) -> dict[str, datetime | None]:
    """Return the event time up to which each feed is complete: its last event time, or None if it is empty.

    Events can still arrive late: `--as-of` and the restatement show what they changed.
    """
    before = Range(until=scope.until, as_of=scope.as_of)
    return {feed: store.last_time(feed, before) for feed in feeds}


def _plain(value: Any) -> Any:
    """Convert a value to its JSON form."""
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

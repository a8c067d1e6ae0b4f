"""An answer as an HTML page: figures, tables, and what the numbers are based on.

The page loads nothing but Plotly's script, from its own folder, and nothing at all if it contains that script. Its
content security policy allows no other script than these and its own, which is allowed by hash. So text from events
could not run even if it were not escaped.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from importlib.metadata import version
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advertisex.limits import Limit
from advertisex.reporting import plotly_script
from advertisex.reporting.amounts import exact
from advertisex.reporting.answer_file import file_target, write_file
from advertisex.reporting.cells import NO_TEXT
from advertisex.reporting.columns import Column, columns_of
from advertisex.reporting.facts import cards_of
from advertisex.reporting.figures import Figure, figure, is_empty
from advertisex.reporting.labels import words
from advertisex.reporting.rendering import rendered, text_of_template, values_of

if TYPE_CHECKING:
    from advertisex.analysis.answer import Answer, Table

MOST_ROWS = Limit(1_000, "rows", of="a table of a page", beyond="counted; CSV and JSON have all")

#: Tables with more columns, or with rows of more characters, are placed below their figures.
_NARROW, _SHORT = 5, 60

#: Widths in pixels of a rotated name on the x axis, and of what is beside the axis.
_NAME, _BESIDE_AXIS = 14, 90


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the page that shows one of its figures at a time.

    Attributes:
        title: heading.
        choices: the names of the figures; a single figure may have none.
        figures: the figures.
        first: index of the first figure on the page.
    """

    title: str
    choices: Sequence[str]
    figures: Sequence[Figure]
    first: int

    @property
    def heading(self) -> str:
        """The heading, with the name of the figure if there is nothing to choose from."""
        return f"{self.title}, {self.choices[0]}" if len(self.figures) == 1 and self.choices[0] else self.title

    @property
    def width(self) -> int:
        """The least width in pixels at which the names on the x axes do not overlap."""
        most = max(len(drawn.layout["xaxis"].get("ticktext", ())) for drawn in self.figures)
        return _BESIDE_AXIS + most * _NAME if most > 1 else 0


@dataclass(frozen=True, slots=True)
class Section:
    """A table and its figures.

    Attributes:
        table: the table.
        places: the places of its figures.
        columns: its columns as text.
        prefix: what its id on the page begins with, where several answers have a table of this name.
    """

    table: "Table"
    places: Sequence[Place]
    columns: Sequence[Column]
    prefix: str = ""

    @property
    def id(self) -> str:
        """The id of its heading on the page."""
        return f"table-{self.prefix}{self.table.name}"

    @property
    def is_wide(self) -> bool:
        """Whether the table needs the full width of the page."""
        widths = (max(map(len, (column.name, *column.cells))) for column in self.columns)
        return len(self.columns) > _NARROW or sum(widths) > _SHORT

    @property
    def keys(self) -> int:
        """The number of columns that identify a row, and are repeated where paper is too narrow for the others."""
        return len(self.table.named_by)

    @property
    def rows(self) -> Iterator[list[tuple[str, Any, str, str]]]:
        """The cells of each row: text, value, kind of the column, and what the text leaves out."""
        for place in range(min(self.table.rows.height, MOST_ROWS)):
            yield [self._cell(column, place) for column in self.columns]

    def _cell(self, column: Column, place: int) -> tuple[str, Any, str, str]:
        text, value = column.cells[place], column.values[place]
        if column.name in self.table.codes and value is not None:
            return words(text), value, column.kind, value if "_" in value else ""
        is_amount = isinstance(value, Decimal) and column.name not in self.table.seconds
        return text, value, column.kind, exact(value, text) if is_amount else ""


def contents_of(
    answer: "Answer",
    shown: Callable[["Table"], "Table | None"] = lambda table: table,
    prefix: str = "",
    first: int = 0,
) -> dict[str, Any]:
    """Return what the templates of an answer show: its tables, figures and cards, and the values of `values_of`.

    Args:
        answer: the answer.
        shown: what is shown of a table, such as other rows first; None leaves the table out.
        prefix: what the ids of the tables begin with.
        first: the number of figures on the page before these.
    """
    sections = _sections(answer, shown, prefix, first)
    return values_of(answer) | {
        "sections": sections,
        "cards": cards_of(answer.facts),
        "figures": [{"data": drawn.data, "layout": drawn.layout, "note": drawn.note} for drawn in _figures(sections)],
        "most": MOST_ROWS,
        "no_text": NO_TEXT,
        "version": version("advertisex"),
    }


def page_of(answer: "Answer") -> str:
    """Render an answer as an HTML page that contains the script of its figures.

    Args:
        answer: the answer to any question.

    Returns:
        HTML; about five million characters if it has figures.
    """
    return _rendered(contents_of(answer), inline=True)


def write_page(answer: "Answer", path: str | PathLike[str], *, inline: bool = False) -> list[Path]:
    """Write an answer as an HTML page, and the script of its figures beside it, unless it is there or `inline`.

    Returns:
        The written files, the page last.

    Raises:
        ConfigurationError: a file cannot be written.
    """
    target = file_target(Path(path))
    contents = contents_of(answer)
    shared = None if inline or not contents["figures"] else plotly_script.write_beside(target)
    write_file(target, [_rendered(contents, inline=inline).encode()])
    return [target] if shared is None else [shared, target]


def _rendered(contents: dict[str, Any], *, inline: bool) -> str:
    figures = contents["figures"]
    plotly = plotly_script.text() if figures and inline else ""
    script = text_of_template("page.js")
    return rendered(
        "page.html.j2",
        style=text_of_template("page.css"),
        plotly=plotly,
        shared=plotly_script.file_name() if figures and not inline else "",
        script=script,
        hashes=[_hash(text) for text in (plotly, script) if text],
        **contents,
    )


def _figures(sections: Sequence[Section]) -> list[Figure]:
    return [drawn for section in sections for place in section.places for drawn in place.figures]


def _sections(answer: "Answer", shown: Callable[["Table"], "Table | None"], prefix: str, first: int) -> list[Section]:
    sections: list[Section] = []
    for table in answer.tables:
        if (rows := shown(table)) is not None:
            places = _places(answer, table, first + len(_figures(sections)))
            sections.append(Section(rows, places, list(columns_of(rows, MOST_ROWS)), prefix))
    return sections


def _places(answer: "Answer", table: "Table", first: int) -> list[Place]:
    """The figures of a table, `first` being the index of the first. Charts with the same title share a place."""
    places: list[Place] = []
    charts = [chart for chart in answer.charts if chart.table == table.name and not is_empty(chart, table)]
    for title, group in groupby(charts, lambda chart: chart.title):
        same = list(group)
        places.append(Place(title, [one.choice for one in same], [figure(one, table) for one in same], first))
        first += len(same)
    drawn = [one for place in places for one in place.figures]
    height = max((one.layout["height"] for one in drawn), default=0)
    for one in drawn:  # adjacent figures have the same height
        one.layout["height"] = height
    return places


def _hash(script: str) -> str:
    return "sha256-" + b64encode(sha256(script.encode()).digest()).decode()

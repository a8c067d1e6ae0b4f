"""An answer as one self-contained HTML page: figures, tables, and what the numbers are based on.

The page loads nothing, and its content security policy allows only its two scripts, by hash. So text from events
could not run even if it were not escaped.
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from plotly.offline import get_plotlyjs

from advertisex.reporting.cells import NO_TEXT
from advertisex.reporting.columns import Column, columns_of
from advertisex.reporting.figures import Figure, figure
from advertisex.reporting.rendering import TEMPLATES, rendered

if TYPE_CHECKING:
    from advertisex.analysis.answer import Answer, Table

#: Maximum number of rows per table; CSV contains all rows.
MOST_ROWS = 1_000

#: Tables with more columns, or with rows of more characters, are placed below their figures.
_NARROW, _SHORT = 5, 60


@dataclass(frozen=True, slots=True)
class Section:
    """A table and its figures; `first` is the index of its first figure on the page."""

    table: "Table"
    figures: Sequence[Figure]
    first: int
    columns: Sequence[Column]

    @property
    def is_wide(self) -> bool:
        """Whether the table needs the full width of the page."""
        widths = (max(map(len, (column.name, *column.cells))) for column in self.columns)
        return len(self.columns) > _NARROW or sum(widths) > _SHORT

    @property
    def rows(self) -> Iterator[Iterator[tuple[str, Any, str]]]:
        """The cells of each row: text, value and kind of the column."""
        for place in range(min(self.table.rows.height, MOST_ROWS)):
            yield ((column.cells[place], column.values[place], column.kind) for column in self.columns)


def page_of(answer: "Answer") -> str:
    """Render an answer as an HTML page.

    Args:
        answer: the answer to any question.

    Returns:
        HTML; about five million characters if it has figures, since it embeds Plotly's script.
    """
    sections = _sections(answer)
    plotly = get_plotlyjs() if any(section.figures for section in sections) else ""
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    return rendered(
        "page.html.j2",
        answer,
        sections=sections,
        figures=[{"data": drawn.data, "layout": drawn.layout} for section in sections for drawn in section.figures],
        most=MOST_ROWS,
        no_text=NO_TEXT,
        version=version("advertisex"),
        style=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        plotly=plotly,
        script=script,
        hashes=[_hash(text) for text in (plotly, script) if text],
    )


def _sections(answer: "Answer") -> list[Section]:
    sections = []
    first = 0
    for table in answer.tables:
        figures = [figure(chart, table.rows) for chart in answer.charts if chart.table == table.name]
        height = max((drawn.layout["height"] for drawn in figures), default=0)
        for drawn in figures:  # adjacent figures have the same height
            drawn.layout["height"] = height
        sections.append(Section(table, figures, first, list(columns_of(table, MOST_ROWS))))
        first += len(figures)
    return sections


def _hash(script: str) -> str:
    return "sha256-" + b64encode(sha256(script.encode()).digest()).decode()

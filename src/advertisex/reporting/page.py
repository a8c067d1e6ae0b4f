"""An answer as one self-contained HTML page: figures, tables, and what the numbers are based on.

The page loads nothing, and its content security policy allows only our two scripts, by hash. So a text of the events
could not run even if it were not escaped.
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

import advertisex
from advertisex.analysis.answer import Answer, Table
from advertisex.reporting.cells import NO_TEXT, facts_of, format_counts, format_value
from advertisex.reporting.columns import Column, columns_of
from advertisex.reporting.figures import Figure, figure

#: Maximum number of rows per table; CSV contains all rows.
MOST_ROWS = 1_000

#: Tables with more columns, or with rows of more characters, are placed below their figures.
_NARROW, _SHORT = 5, 60

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Section:
    """A table and its figures; `first` is the index of its first figure on the page."""

    table: Table
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


def page_of(answer: Answer) -> str:
    """Render an answer as an HTML page.

    Args:
        answer: the answer to any question.

    Returns:
        HTML; about five million characters if it has figures, since it embeds Plotly's script.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    sections = _sections(answer)
    plotly = get_plotlyjs() if any(section.figures for section in sections) else ""
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        answer=answer,
        title=answer.question.replace("_", " ").capitalize(),
        facts=facts_of(answer.facts),
        about=about(answer),
        sections=sections,
        figures=[{"data": drawn.data, "layout": drawn.layout} for section in sections for drawn in section.figures],
        most=MOST_ROWS,
        format_value=format_value,
        no_text=NO_TEXT,
        version=advertisex.__version__,
        style=(_TEMPLATES / "page.css").read_text(encoding="utf-8"),
        plotly=plotly,
        script=script,
        hashes=[_hash(text) for text in (plotly, script) if text],
    )


def about(answer: Answer) -> list[tuple[str, str]]:
    """What the numbers are based on: definition, range, horizon, parameters and rows read, as (name, text)."""
    scope = answer.scope
    rows = [("definition", answer.definition), ("since", _bound(scope.since, "the first event"))]
    rows += [("until", _bound(scope.until, "the last event")), ("campaign", format_value(scope.campaign or "all"))]
    rows += [("as of", _bound(scope.as_of, "now")), ("complete up to", format_value(answer.horizon))]
    rows += [("computed from", format_counts(answer.computed_from))]
    return rows + facts_of({name: value for name, value in answer.parameters.items() if value is not None})


def _bound(time: Any, default: str) -> str:
    return default if time is None else format_value(time)


def _sections(answer: Answer) -> list[Section]:
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

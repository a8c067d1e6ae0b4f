"""An answer as one page of HTML that holds all it needs: figures, the tables beside them, and what they are of.

Nothing is fetched, and only the two scripts of ours run: the page's policy names them by their hashes, so a text of the
events could not run even if it were not escaped.
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
from advertisex.reporting.cells import NO_TEXT, facts_of, said, said_read
from advertisex.reporting.columns import Column, columns_of
from advertisex.reporting.figures import Figure, figure

#: A page shows so many rows of a table; CSV has all.
MOST_ROWS = 1_000

#: A table with more columns than these, or with more characters beside each other, stands below its figures.
_NARROW, _SHORT = 5, 60

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Section:
    """A table, with the figures that are drawn of it; `first` is the place of the first one on the page."""

    table: Table
    figures: Sequence[Figure]
    first: int
    columns: Sequence[Column]

    @property
    def is_wide(self) -> bool:
        """Whether the table takes the page's width."""
        widths = (max(map(len, (column.name, *column.cells))) for column in self.columns)
        return len(self.columns) > _NARROW or sum(widths) > _SHORT

    @property
    def rows(self) -> Iterator[Iterator[tuple[str, Any, str]]]:
        """Row by row each cell: its text, its value, and its column's kind."""
        for place in range(min(self.table.rows.height, MOST_ROWS)):
            yield ((column.cells[place], column.values[place], column.kind) for column in self.columns)


def page_of(answer: Answer) -> str:
    """The page.

    Args:
        answer: to any question.

    Returns:
        HTML, some five million characters: Plotly's script is in it.
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
        said=said,
        no_text=NO_TEXT,
        version=advertisex.__version__,
        style=(_TEMPLATES / "page.css").read_text(encoding="utf-8"),
        plotly=plotly,
        script=script,
        hashes=[_hash(text) for text in (plotly, script) if text],
    )


def about(answer: Answer) -> list[tuple[str, str]]:
    """What the numbers depend on, in words: definition, range, horizon, parameters, and what was read."""
    scope = answer.scope
    told = [("definition", answer.definition), ("since", _bound(scope.since, "the first event"))]
    told += [("until", _bound(scope.until, "the last event")), ("campaign", said(scope.campaign or "all"))]
    told += [("as of", _bound(scope.as_of, "now")), ("complete up to", said(answer.horizon))]
    told += [("computed from", said_read(answer.computed_from))]
    return told + facts_of({name: value for name, value in answer.parameters.items() if value is not None})


def _bound(moment: Any, otherwise: str) -> str:
    return otherwise if moment is None else said(moment)


def _sections(answer: Answer) -> list[Section]:
    sections = []
    first = 0
    for table in answer.tables:
        figures = [figure(chart, table.rows) for chart in answer.charts if chart.table == table.name]
        height = max((drawn.layout["height"] for drawn in figures), default=0)
        for drawn in figures:  # those beside each other are of one height
            drawn.layout["height"] = height
        sections.append(Section(table, figures, first, list(columns_of(table, MOST_ROWS))))
        first += len(figures)
    return sections


def _hash(script: str) -> str:
    return "sha256-" + b64encode(sha256(script.encode()).digest()).decode()

"""An answer as an HTML fragment for notebooks: facts and tables, without scripts and styles of its own."""

from typing import TYPE_CHECKING

from advertisex.reporting.columns import columns_of
from advertisex.reporting.rendering import rendered, values_of

if TYPE_CHECKING:
    from advertisex.analysis.answer import Answer

#: Maximum number of rows per table.
MOST_ROWS = 20


def fragment_of(answer: "Answer") -> str:
    """Render an answer as an HTML fragment; all texts are escaped."""
    sections = [(table, list(columns_of(table, MOST_ROWS))) for table in answer.tables]
    return rendered("notebook.html.j2", sections=sections, most=MOST_ROWS, **values_of(answer))

"""The header of a CSV file: its column names, adapted to the spelling of the feed's fields."""

import re
from collections.abc import Callable

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.mapping import FieldMapping

#: Maps header cells to column names, one each; returns None if the header has no known column.
Naming = Callable[[list[str]], list[str] | None]


def naming(feed: Feed, mapping: FieldMapping) -> Naming:
    """Return how header cells map to columns: `User Id` becomes `user_id` if the feed has that name.

    Mapped columns, and columns whose new name would not be unique, keep their name. A row without the name of a field
    counts as data, not as a header, unless the constants supply every required field.
    """
    names = {name for field in feed.fields for name in field.names}
    mapped = mapping.rename.keys()
    complete = all(not mapping.constants.keys().isdisjoint(f.names) for f in feed.fields if f.required)

    def named(header: list[str]) -> list[str] | None:
        plain = [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in header]
        free = {name for name in names if plain.count(name) == 1} - set(header) - mapped
        columns = [
            name if name in free and cell not in mapped else cell for cell, name in zip(header, plain, strict=True)
        ]
        return columns if complete or not (names | mapped).isdisjoint(columns) else None

    return named


def read_header(row: list[str], name_columns: Naming, where: str) -> list[str]:
    """Return the columns of a header row; a blank cell is a column without a name.

    Raises:
        SourceError: the header repeats a column, or has no known column.
    """
    row = [name if name.strip() else "" for name in row]
    if twice := sorted({name for name in row if name and row.count(name) > 1}):
        raise SourceError(
            f"duplicate column in the header: {', '.join(map(repr, twice))}",
            where=where,
            hint="rename one of them, or drop the header and name the columns with --columns",
        )
    columns = name_columns(row)
    if columns is None:
        raise SourceError(
            f"none of the {len(row)} columns in the header is a field",  # not shown: it may be a data row
            where=where,
            hint="name the columns with --columns, or map them with --map",
        )
    return columns

"""Column names: adapted to the spelling of the feed's fields, and whether a row has enough of them for a header."""

import re
from collections import Counter
from collections.abc import Sequence

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.mapping import FieldMapping

#: Words in the name of a column of times or dates.
_TIME_WORDS = frozenset(
    {"time", "date", "datetime", "timestamp", "day", "hour", "week", "month", "datum", "tag", "zeit"}
)


def spelled(name: str) -> str:
    """Return the plain spelling of a name, as fields have it: `User Id` becomes `user_id`."""
    return re.sub(r"[\s-]+", "_", name.lower())


class Naming:
    """How the cells of a header map to columns.

    Args:
        feed: feed of the rows.
        mapping: how columns map to its fields.
    """

    def __init__(self, feed: Feed, mapping: FieldMapping) -> None:
        field_of = {name: f.name for f in feed.fields for name in f.names}
        #: The names of the fields.
        self.names = field_of.keys()
        self._mapped = mapping.rename.keys()
        self._field_of = field_of | {column: field_of.get(name, name) for column, name in mapping.rename.items()}
        targets = {target: column for column, target in mapping.rename.items()}
        self._required = [
            set(f.names) | {targets[name] for name in f.names if name in targets}
            for f in feed.fields
            if f.required and mapping.constants.keys().isdisjoint(f.names)
        ]
        self._guesses_times = all(mapping.constants.keys().isdisjoint(f.names) for f in feed.fields if f.kind == "time")
        self._times = {
            column
            for f in feed.fields
            if f.kind == "time"
            for column in (*f.names, *(targets[name] for name in f.names if name in targets))
        }

    def columns(self, header: Sequence[str]) -> list[str]:
        """Return the column of each cell: `User Id` becomes `user_id` if the feed has that name.

        Mapped columns, and columns whose new name would not be unique, keep their name.
        """
        plain = list(map(spelled, header))
        once = {name for name, count in Counter(plain).items() if count == 1}
        free = (self.names & once) - set(header) - self._mapped
        return [
            name if name in free and cell not in self._mapped else cell
            for cell, name in zip(header, plain, strict=True)
        ]

    def fields(self, columns: Sequence[str]) -> list[str]:
        """Return the field of each column, under any of its names; the plain spelling of an unknown column."""
        return [self._field_of.get(column) or spelled(column) for column in columns]

    def known(self, columns: Sequence[str]) -> int:
        """Return the number of columns that are fields, or mapped to one."""
        return sum(column in self.names or column in self._mapped for column in columns)

    def is_header_line(self, line: str) -> bool:
        """Whether a line of text names two known columns, with one of the usual delimiters between them."""
        rows = ([cell.strip(" \t\r\"'") for cell in line.split(delimiter)] for delimiter in ",;\t|")
        return any(self.known(self.columns(row)) > 1 for row in rows)

    def is_mapped(self, columns: Sequence[str]) -> bool:
        """Whether the user maps one of the columns to a field."""
        return not self._mapped.isdisjoint(columns)

    @property
    def required(self) -> int:
        """The number of required fields without a constant."""
        return len(self._required)

    def required_in(self, columns: Sequence[str]) -> int:
        """Return the number of required fields that have a column."""
        return sum(not names.isdisjoint(columns) for names in self._required)

    def is_complete(self, columns: Sequence[str]) -> bool:
        """Whether every required field has a column, or a constant."""
        return all(not names.isdisjoint(columns) for names in self._required)

    def required_columns(self, columns: Sequence[str]) -> list[int]:
        """Return the indexes of the columns of required fields."""
        required = set[str]().union(*self._required)
        return [index for index, column in enumerate(columns) if column in required]

    def time_columns(self, columns: Sequence[str]) -> list[int]:
        """Return the indexes of the columns of times: those of the feed's time; without one, those with such a name.

        If the time is a constant, none.
        """
        own = [index for index, column in enumerate(columns) if column in self._times]
        if own or not self._guesses_times:
            return own
        words = (re.split("[^a-z]+", column.lower()) for column in columns)
        return [index for index, found in enumerate(words) if not _TIME_WORDS.isdisjoint(found)]


def check_unique(header: Sequence[str], where: str) -> None:
    """Raise if a header repeats a column.

    Raises:
        SourceError: it does.
    """
    if twice := sorted(name for name, count in Counter(header).items() if name and count > 1):
        names = ", ".join(repr(name[:_SHOWN]) for name in twice[:3]) + (", …" if len(twice) > 3 else "")
        raise SourceError(
            f"duplicate column in the header: {names}",
            where=where,
            hint="rename one of them, or drop the header and name the columns with --columns",
        )


#: Characters of a name that are shown in errors.
_SHOWN = 60

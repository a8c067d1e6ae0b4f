"""A small table in a CSV file, such as the catalogue: header and rows, within bounds. Errors name the line."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from advertisex.errors import ConfigurationError
from advertisex.limits import Limit
from advertisex.model import CAMPAIGN_COLUMNS, CATALOGUE_COLUMNS
from advertisex.reasons import reason_of

#: Which columns each kind of file has, as a hint.
CREATIVES_FORM = f"the columns, separated by commas, are {', '.join(CATALOGUE_COLUMNS)}"
CAMPAIGNS_FORM = f"the columns, separated by commas, are {', '.join(CAMPAIGN_COLUMNS)}"
BOTH_FORMS = f"of creatives, {CREATIVES_FORM}; of campaigns, {CAMPAIGNS_FORM}"

_FEWER = "leave out what has no events"

MOST_ROWS = Limit(1_000_000, "rows", of="a file of the catalogue", beyond="an error of the file")
FILE_CHARACTERS = Limit(64 * 2**20, "characters", of="a file of the catalogue", beyond="an error of the file")
LINE_CHARACTERS = Limit(2**16, "characters", of="a line of the catalogue", beyond="an error of the file")
_PART_ROWS = 20_000

#: Reads the cells of a row by column, without white space around them, and its line.
ReadRow = Callable[[Mapping[str, str], int], tuple[Any, ...]]


class CsvTable:
    """A CSV file that is being read.

    Args:
        file: the open file.
        path: its path.
        what: what it contains, for errors.
        form: which columns it has, for errors.

    Attributes:
        path: its path.
        columns: the names in its header.
    """

    def __init__(self, file: TextIO, path: Path, what: str = "the catalogue", form: str = BOTH_FORMS) -> None:
        self.path, self._what, self._form = path, what, form
        self._reader = csv.DictReader(self._lines(file), strict=True)
        self.columns = [name.strip() for name in self._reader.fieldnames or ()]
        self._reader.fieldnames = self.columns

    def require(self, required: Iterable[str], known: Iterable[str], hint: str) -> None:
        """Check the header.

        Raises:
            ConfigurationError: a required column is missing, or one of the known columns is repeated.
        """
        if missing := [name for name in required if name not in self.columns]:
            raise self.error(1, f"missing column in {self._what}: {', '.join(missing)}", hint)
        counts = Counter(self.columns)
        if repeated := [name for name in known if counts[name] > 1]:
            raise self.error(1, f"repeated column in {self._what}: {', '.join(repeated)}", hint)

    def frame(self, columns: Mapping[str, pl.DataType], read: ReadRow) -> pl.DataFrame:
        """Read all rows: the columns, and `line` (Int64)."""
        schema = {**columns, "line": pl.Int64()}
        rows = self._rows(read)
        frames, count = [pl.DataFrame(schema=schema)], 0
        while part := list(islice(rows, _PART_ROWS)):
            count += len(part)
            if count > MOST_ROWS:
                raise self.error(part[-1][-1], f"{self._what} has more than {MOST_ROWS:,} rows", _FEWER)
            frames.append(pl.DataFrame(part, schema=schema, orient="row"))
        return pl.concat(frames)

    def error(self, line: int, what: str, hint: str) -> ConfigurationError:
        """The exception for a line of the file."""
        return ConfigurationError(what, where=f"{self.path}:{line}", hint=hint)

    def _rows(self, read: ReadRow) -> Iterator[tuple[Any, ...]]:
        for cells in self._reader:
            line = self._reader.line_num
            if None in cells:
                raise self.error(line, "more cells than columns", "quote a cell that contains a comma")
            values = {name: value.strip() for name, value in cells.items() if isinstance(value, str)}
            yield *read(values, line), line

    def _lines(self, file: TextIO) -> Iterator[str]:
        """The lines of the file, with their ends; none is read beyond its bound."""
        number = total = 0
        while line := file.readline(LINE_CHARACTERS + len("\r\n")):
            number, total = number + 1, total + len(line)
            if len(line.rstrip("\r\n")) > LINE_CHARACTERS:
                raise self.error(number, f"the line has more than {LINE_CHARACTERS:,} characters", self._form)
            if total > FILE_CHARACTERS:
                raise self.error(number, f"{self._what} has more than {FILE_CHARACTERS:,} characters", _FEWER)
            yield line


@contextmanager
def opened_table(path: Path, what: str = "the catalogue", form: str = BOTH_FORMS) -> Iterator[CsvTable]:
    """Open a file of the catalogue, or of something else, and read its header.

    Raises:
        ConfigurationError: it cannot be read, here or in the context.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield CsvTable(file, path, what, form)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = "it is not valid CSV" if isinstance(error, csv.Error) else reason_of(error)
        raise ConfigurationError(
            f"cannot read {what}: {why}", where=str(path), hint="expected a CSV file in UTF-8"
        ) from error

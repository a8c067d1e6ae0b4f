"""Read Excel workbooks (.xlsx): a sheet becomes CSV text, as a person would export it, and is read like CSV."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advertisex.errors import SourceError
from advertisex.extras import extra
from advertisex.feeds import Feed
from advertisex.ingestion.csv.detect import HEADER_LINES
from advertisex.ingestion.csv.reader import CsvReader
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.excel.check import MAX_CELLS, check_workbook
from advertisex.ingestion.naming import Naming
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.records import Chunk, Reader, Reading
from advertisex.ingestion.stream import BLOCK, Stream

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

#: What is detected in the CSV text, which only we see.
_OF_CSV = {"delimiter", "quote", "escape", "encoding"}


class ExcelReader(Reader):
    """Reads the sheet whose header has the most fields of the feed.

    Args:
        stream: the workbook, at its first byte.
        feed: feed of the rows.
        options: how to read them; the dialect applies to text cells, except for how CSV itself is written.
        max_cells: maximum number of cells of a sheet, empty ones between its first and its last cell included.
    """

    def __init__(self, stream: Stream, feed: Feed, options: IngestOptions, *, max_cells: int = MAX_CELLS) -> None:
        self.reading = Reading("xlsx")
        self._stream, self._feed, self._options, self._max_cells = stream, feed, options, max_cells

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows of the sheet.

        Raises:
            SourceError: the extra `excel` is not installed; the input is not a workbook, is damaged, or protected; a
                sheet is too large; or see `CsvReader`.
        """
        name = self._stream.name
        with self._stream.on_disk() as path:
            errors = check_workbook(path, name, self._max_cells)
            with _workbook(path, name) as workbook:
                sheet, others = self._chosen(workbook)
                dialect = self._options.dialect
                written = CsvDialect(
                    delimiter=",",
                    quote='"',
                    encoding="utf-8",
                    decimal=dialect.decimal,
                    thousands=dialect.thousands,
                    skip=dialect.skip,
                    multiline=True,
                )
                text = Stream(_Text(sheet, dialect.decimal or "."), name)
                reader = CsvReader(text, self._feed, replace(self._options, format="csv", dialect=written))
                self.reading.detected["sheet"] = sheet.name
                if others:
                    self.reading.warnings[f"sheets with a header that are not read: {', '.join(others)}"] += 1
                if errors:
                    self.reading.warnings["cells with an error, such as #N/A, are read as missing"] += errors
                try:
                    for chunk in reader.chunks():
                        self._adopt(reader.reading)
                        yield chunk
                finally:
                    self._adopt(reader.reading)

    def _adopt(self, rows: Reading) -> None:
        """Take over what was found in the rows, except for how the CSV text is written."""
        own = self.reading
        own.columns, own.rows, own.skipped = rows.columns, rows.rows, rows.skipped
        own.warnings |= rows.warnings
        own.detected |= {name: found for name, found in rows.detected.items() if name not in _OF_CSV}

    def _chosen(self, workbook: "CalamineWorkbook") -> tuple["CalamineSheet", list[str]]:
        """Return the sheet to read, and the names of the others that have a header of the feed, too.

        It is the sheet with the most required fields, or the first of them. Without a header, it is the first sheet
        that is not empty; with the column names of the user, always.
        """
        naming = Naming(self._feed, self._options.mapping)
        filled, found = "", dict[str, int]()
        for title in _worksheets(workbook):
            sheet = workbook.get_sheet_by_name(title)
            if not sheet.height:
                continue
            filled = filled or title
            if not self._options.columns and (fields := _fields(sheet, naming)):
                found[title] = fields
        if not filled:
            raise SourceError("the workbook has no cells", where=self._stream.name, hint="check that it was saved")
        chosen = max(found, key=found.__getitem__, default=filled)
        return workbook.get_sheet_by_name(chosen), [title for title in found if title != chosen]


def _worksheets(workbook: "CalamineWorkbook") -> list[str]:
    """Return the names of the sheets that are tables, not charts."""
    from python_calamine import SheetTypeEnum  # noqa: PLC0415 - an extra

    return [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]


def _fields(sheet: "CalamineSheet", naming: Naming) -> int:
    """Return how many required fields the header of a sheet has, plus one; 0 without a header."""
    rows = (naming.columns([str(cell).strip() for cell in row]) for row in sheet.to_python(nrows=HEADER_LINES))
    return max((1 + naming.required_in(row) for row in rows if naming.known(row)), default=0)


@contextmanager
def _workbook(path: Path, name: str) -> Iterator["CalamineWorkbook"]:
    with extra("excel", "Excel workbooks", where=name, hint=", or save the sheet as CSV", error=SourceError):
        from python_calamine import CalamineError, CalamineWorkbook, PasswordError  # noqa: PLC0415 - an extra
    try:
        with CalamineWorkbook.from_path(path) as workbook:
            yield workbook
    except PasswordError as error:
        raise SourceError("the workbook is protected by a password", where=name, hint="save it without one") from error
    except CalamineError as error:
        raise SourceError("the workbook is damaged", where=name, hint="open and save it in Excel again") from error


class _Text:
    """A file that has the rows of a sheet as CSV text, one line each, so that line numbers are those of Excel."""

    def __init__(self, sheet: "CalamineSheet", decimal: str) -> None:
        # midnight is a mere date; between times it is a time
        self._timed = {at for row in sheet.iter_rows() for at, cell in enumerate(row) if isinstance(cell, datetime)}
        self._rows = sheet.iter_rows()
        self._decimal = decimal

    def read(self, size: int = BLOCK) -> bytes:
        parts: list[bytes] = []
        written = 0
        while written < size and (row := next(self._rows, None)) is not None:
            cells = [self._at_midnight(at, cell) if type(cell) is date else cell for at, cell in enumerate(row)]
            parts.append(",".join(_quoted(_text(cell, self._decimal)) for cell in cells).encode() + b"\n")
            written += len(parts[-1])
        return b"".join(parts)

    def _at_midnight(self, column: int, day: date) -> date:
        return datetime(day.year, day.month, day.day) if column in self._timed else day  # noqa: DTZ001 - naive

    def close(self) -> None:
        """Do nothing."""


def _quoted(text: str) -> str:
    quoted = any(character in text for character in ',"\n\r') or text != text.strip()
    return '"' + text.replace('"', '""') + '"' if quoted else text


def _text(cell: Any, decimal: str) -> str:
    """Return a cell as text.

    Excel keeps 15 digits of a number. A longer one has lost digits, and is written as Excel shows it, in scientific
    notation, which processing does not accept as an id or a time.
    """
    match cell:
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case float() | int():
            digits = format(cell, ".15g")
            exact = abs(cell) >= 1 or "e" not in digits
            return (digits if exact else format(Decimal(digits), "f")).replace(".", decimal)
        case datetime() | date() | time():
            return cell.isoformat()
        case _:
            return str(cell)

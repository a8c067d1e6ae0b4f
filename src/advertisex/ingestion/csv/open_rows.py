"""Find where a row ends whose line ends inside a quoted cell; linear for any input.

Reading on inside quotes depends only on the line, not on where the quote was opened. So all open rows of a run of lines
end, or fail, at the same line, which is searched for once.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from advertisex.ingestion.csv.row_parser import RowParser, Scan
from advertisex.limits import Limit

LOOKAHEAD_BYTES = Limit(
    2**20, "bytes", of="a row of CSV of several lines", beyond="its first line is rejected as `ambiguous_quotes`"
)
LOOKAHEAD_LINES = Limit(
    10_000, "lines", of="a row of CSV of several lines", beyond="its first line is rejected as `ambiguous_quotes`"
)


class Found(NamedTuple):
    """What an open row is.

    Attributes:
        kind: a row of several lines; one whose quote is never closed strictly; a row whose following lines are rows of
            the table as well; or unknown, because the input goes on.
        end: index of the line after it.
    """

    kind: Literal["row", "unclosed", "ambiguous", "unknown"]
    end: int


class Lookahead:
    """Searches the lines of a block.

    Args:
        parser: parser of the rows.
        lines: lines without their line ends.
        sizes: size of each line in bytes, with its line end.
        width: number of columns.
        multiline: whether cells may hold lines that look like rows.
        ended: whether no more lines follow.
    """

    def __init__(
        self,
        parser: RowParser,
        lines: Sequence[str],
        sizes: Sequence[int],
        *,
        width: int,
        multiline: bool,
        ended: bool,
    ) -> None:
        self._parser, self._lines, self._width = parser, lines, width
        self._multiline, self._ended = multiline, ended
        self._offsets = list(accumulate(sizes, initial=0))
        self._begin_run(0)

    def row_from(self, start: int, opened: Scan) -> Found:
        """Return where the row ends that begins in a line and is open at the end of it."""
        if start >= self._next - 1 or (self._stop is not None and start >= self._stop):
            self._begin_run(start)
        last = start
        while self._stop is None and self._is_near(start, last := self._next):
            if last == len(self._lines):
                return Found("unclosed" if self._ended else "unknown", start + 1)
            self._step(last)
        if self._stop is None or not self._is_near(start, self._stop):
            return Found("unclosed", start + 1)
        return self._evaluate(start, self._stop, opened)

    def _begin_run(self, start: int) -> None:
        self._run, self._next = start, start + 1
        self._stop: int | None = None
        self._stop_scan = Scan([])
        self._cells = [0]  # complete cells after each line of the run

    def _is_near(self, start: int, line: int) -> bool:
        """Whether a line is within the limits for a row."""
        end = min(line + 1, len(self._lines))
        return line - start <= LOOKAHEAD_LINES and self._offsets[end] - self._offsets[start] <= LOOKAHEAD_BYTES

    def _step(self, line: int) -> None:
        """Read a line as the continuation of an open cell, and find out whether the run stops in it."""
        self._next = line + 1
        scan = self._parser.scan(self._lines[line], inside=True)
        self._cells.append(self._cells[-1] + max(len(scan.cells) - 1, 0))
        if not scan.is_open or (not self._multiline and self._is_row(line, stray=False)):
            self._stop, self._stop_scan = line, scan

    def _is_row(self, line: int, *, stray: bool) -> bool:
        """Whether a line is a whole row of the table by itself, with or without a quote as plain text."""
        scan = self._parser.scan(self._lines[line])
        return not scan.is_open and not scan.fault and scan.stray == stray and self._is_whole(scan.cells)

    def _is_whole(self, cells: Sequence[str]) -> bool:
        return len(cells) >= self._width and not any(cells[self._width :])

    def _evaluate(self, start: int, stop: int, opened: Scan) -> Found:
        if self._stop_scan.is_open:
            return Found("ambiguous", start + 1)
        if self._stop_scan.fault:
            return Found("unclosed", start + 1)
        cells = len(opened.cells) + self._cells[stop - self._run] - self._cells[start - self._run]
        if cells > self._width:
            return Found("unclosed", start + 1)
        if not self._multiline:
            # two rows that each have a quote as plain text
            as_text = self._lines[start].split(self._parser.delimiter)
            two_rows = self._is_whole(as_text) and self._is_row(stop, stray=True)
            if two_rows or cells < self._width:
                return Found("ambiguous", start + 1)
        return Found("row", stop + 1)

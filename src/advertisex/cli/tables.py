"""Tables in the terminal: they fit its width, and no number and no id in them is ever cut or broken.

A table that is too wide first breaks its headings between words and folds its texts; then its prose is printed below
each row; then its columns are printed in several parts, each with the key columns; and keys that would take more than
half of the width get lines of their own, as do keys whose row then fits in one part.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from advertisex.cli.output import out, plain, say
from advertisex.reporting.cells import format_value, visible

#: Spaces between columns, and before what is printed below a row.
_GAP, _INDENT = 2, 4

#: A text is not folded to less than this; a word of it is only broken if it is longer than the second number.
_FOLDED, _WORD = 20, 30

#: Prose beside other columns has at least this width.
_PROSE = 30

#: The words of a heading: they end with a space, an underscore or a hyphen.
_WORDS = re.compile(r"[^ _-]+[ _-]*|[ _-]+")


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cells: Sequence[Text]
    is_number: bool
    is_whole: bool
    is_prose: bool

    @property
    def widest(self) -> int:
        return max((cell.cell_len for cell in self.cells), default=0)

    @property
    def natural(self) -> int:
        """The width with which nothing is folded."""
        return max(cell_len(self.name), self.widest)

    @property
    def least(self) -> int:
        """The smallest width."""
        heading = max(cell_len(word.rstrip()) for word in _WORDS.findall(self.name) or [""])
        if self.is_number or self.is_whole:
            return max(heading, self.widest)
        longest = max((cell_len(word) for cell in self.cells for word in cell.plain.split()), default=0)
        folded = max(_PROSE if self.is_prose else _FOLDED, min(longest, _WORD))
        return max(heading, min(self.widest, folded))


@dataclass(frozen=True, slots=True)
class _Part:
    """What is printed together: the columns beside each other, those above and those below each row."""

    beside: Sequence[_Column]
    above: Sequence[_Column] = ()
    below: Sequence[_Column] = ()


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    keys: Sequence[str] = (),
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
    prose: Sequence[str] = (),
) -> None:
    """Print a table.

    Args:
        title: what it shows; empty for none.
        columns: the names of its columns.
        rows: a value for each of them.
        keys: the columns that name a row; by default, the first one. They are never folded.
        numbers: columns that are right-aligned and never folded.
        whole: columns of ids, which are never folded, so that they can be copied.
        prose: columns of long texts, which are printed below their row if they do not fit beside it.
    """
    keys = keys or columns[:1]
    given = list(zip(*rows, strict=True)) or [()] * len(columns)
    found = [
        _Column(
            visible(name),
            [cell if isinstance(cell, Text) else plain(format_value(cell)) for cell in cells],
            is_number=name in numbers,
            is_whole=name in whole or name in keys or any(isinstance(cell, datetime) for cell in cells),
            is_prose=name in prose,
        )
        for name, cells in zip(columns, given, strict=True)
    ]
    first = [column for column, name in zip(found, columns, strict=True) if name in keys]
    others = [column for column, name in zip(found, columns, strict=True) if name not in keys]
    for number, part in enumerate(_parts(found, first, others, out.width)):
        if number:
            out.print()
        if title:
            say(f"{title}, continued" if number else title, style="bold")
        for line in _lines(part, out.width):
            _print(line)


def _print(line: Text) -> None:
    line.rstrip()
    out.print(line, soft_wrap=True)


def _parts(columns: list[_Column], keys: list[_Column], others: list[_Column], width: int) -> Iterator[_Part]:
    """Yield the columns in as few parts as fit the width."""
    if _least(columns) <= width:
        yield _Part(columns)
        return
    below = [column for column in others if column.is_prose]
    beside = [column for column in others if not column.is_prose]
    if _least([*keys, *beside]) <= width:
        yield _Part([*keys, *beside], below=below)
        return
    above = list[_Column]()
    if _least(keys) > width // 2 or _least(beside) + _INDENT <= width:
        above, keys, width = keys, above, width - _INDENT
    some = list[_Column]()
    for column in beside:
        if some and _least([*keys, *some, column]) > width:
            yield _Part([*keys, *some], above, below)
            some, below = [], []
        some.append(column)
    yield _Part([*keys, *some], above, below)


def _least(columns: Sequence[_Column]) -> int:
    return sum(column.least + _GAP for column in columns) - _GAP


def _lines(part: _Part, width: int) -> Iterator[Text]:
    """Yield the lines of the headings, then those of each row."""
    indent = _INDENT if part.above else 0
    widths = _widths(part.beside, width - indent)
    if part.above:
        yield from _above([Text(column.name, "bold") for column in part.above], part.above, width)
    headings = [_heading(column, at_most) for column, at_most in zip(part.beside, widths, strict=True)]
    height = max(map(len, headings), default=0)
    for line in zip(*([Text()] * (height - len(heading)) + heading for heading in headings), strict=True):
        yield _beside(line, part.beside, widths, indent)
    for row in range(len((*part.above, *part.beside)[0].cells)):
        if part.above:
            yield from _above([column.cells[row] for column in part.above], part.above, width)
        cells = [_folded(column.cells[row], column, w) for column, w in zip(part.beside, widths, strict=True)]
        for line in zip_longest(*cells, fillvalue=Text()):
            yield _beside(line, part.beside, widths, indent)
        for column in part.below:
            yield from _below(column, row, width, named=len(part.below) > 1)


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """The width of each column; what is left goes to the texts that are folded, then to the headings."""
    found = [column.least for column in columns]
    left = width - _least(columns)
    for wanted in (
        [0 if column.is_number or column.is_whole else column.natural for column in columns],
        [column.natural for column in columns],
    ):
        lacking = [max(0, most - have) for most, have in zip(wanted, found, strict=True)]
        for place, lack in enumerate(lacking):
            given = min(lack, left * lack // sum(lacking[place:])) if lack and left > 0 else 0
            found[place] += given
            left -= given
    return [min(width, _used(column, width)) for column, width in zip(columns, found, strict=True)]


def _used(column: _Column, width: int) -> int:
    """The width that a column takes of this one, with a heading that is broken accordingly."""
    return max([column.widest, *(line.cell_len for line in _heading(column, width))])


def _heading(column: _Column, width: int) -> list[Text]:
    """The lines of a heading, broken between words."""
    lines = [""]
    for word in _WORDS.findall(column.name):
        if lines[-1] and cell_len((lines[-1] + word).rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [Text(line.rstrip(), "bold") for line in lines]


def _folded(cell: Text, column: _Column, width: int) -> list[Text]:
    return [cell] if column.is_number or column.is_whole else list(cell.wrap(out, max(width, 1), overflow="fold"))


def _beside(line: Sequence[Text], columns: Sequence[_Column], widths: Sequence[int], indent: int = 0) -> Text:
    whole = Text(" " * indent)
    for place, (cell, column, width) in enumerate(zip(line, columns, widths, strict=True)):
        space = Text(" " * (width - cell.cell_len))
        whole.append_text(Text(" " * _GAP if place else ""))
        for piece in (space, cell) if column.is_number else (cell, space):
            whole.append_text(piece)
    return whole


def _above(cells: Sequence[Text], columns: Sequence[_Column], width: int) -> Iterator[Text]:
    """Yield cells beside each other, or as many on each line as fit."""
    widths = [column.natural for column in columns]
    if sum(widths) + _GAP * len(widths) - _GAP <= width:
        yield _beside(cells, columns, widths)
        return
    line = Text()
    for cell in cells:
        if line and line.cell_len + _GAP + cell.cell_len > width:
            yield line
            line = Text(" " * _GAP)
        line = Text.assemble(line, " " * _GAP if line.plain.strip() else "", cell)
    yield line


def _below(column: _Column, row: int, width: int, *, named: bool) -> Iterator[Text]:
    text = column.cells[row].copy()
    if not text.plain:
        return
    if named:
        text = Text.assemble((f"{column.name}: ", "dim"), text)
    for line in text.wrap(out, max(width - _INDENT, 1), overflow="fold"):
        yield Text.assemble(" " * _INDENT, line)

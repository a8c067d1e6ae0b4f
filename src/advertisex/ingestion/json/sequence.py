"""Split text into its objects, wherever they are: one a line, joined, pretty-printed, in arrays, in arrays of arrays.

White space, commas, record separators (RFC 7464), byte order marks and the brackets of arrays separate values. Anything
else between values is a fragment, and so is an object that is not valid JSON. Every byte that is not a separator is in
a piece.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from advertisex.codecs.json_text import is_json, lone_surrogates, replace_escapes
from advertisex.ingestion.json.bulk_split import Run, array_run, is_suspect, scalars_in, sequence_run
from advertisex.ingestion.json.fragment_end import fragment_end
from advertisex.ingestion.json.value_end import LOOK_BYTES, extent, resumption

#: Values are split from at most this much text at once, which bounds the number of objects in memory.
WINDOW = 2**20
#: After damage the window is this small, and it doubles again.
_SMALL_WINDOW = 2**13
#: How much text may be searched again for values within damaged ones, and how much more for each byte of the input.
_SEARCHED_AGAIN = 4 * 2**20
_SEARCHED_AGAIN_PER_BYTE = 1
#: What each search behind damage costs at least, in bytes.
_SEARCH_COST = 64
#: After a run that failed, this many values at most are read one by one.
_MOST_STEPS = 4096

_SEPARATORS = re.compile(rb"(?:[ \t\r\n\x0b\x0c,\x1e\[]++|\xef\xbb\xbf)*+")
_BLANKS = re.compile(rb"[ \t]*+")
_TRAILING = b" \t\r\n\x0b\x0c,\x1e"
_CUTS = (b"\n", b"\n}", b"}{")


class Piece(NamedTuple):
    """Consecutive objects or scalars, or one fragment.

    Attributes:
        kind: what it is.
        values: the slices of the text.
        lines: the line on which each begins, from 1.
        suspect: whether an object contains a list or a null, as every envelope does.
    """

    kind: Literal["objects", "scalars", "fragment"]
    values: list[bytes]
    lines: Sequence[int]
    suspect: bool = False


class Splitter:
    """Splits text that arrives in parts.

    Args:
        line: the line at the start of the text.
        inside: whether it starts inside an array, and ends with it.

    Attributes:
        depth: how many arrays are open.
        stopped: position in the last text behind what was split.
        line: the line at that position.
        level: position in the last text behind the last value or array that is in no array; None if there is none.
        level_line: the line at that position.
        by_line: whether there were lines of one object each.
        lone_surrogates: how many were replaced.
        ended: whether the array in which the text starts has ended.
    """

    def __init__(self, line: int = 1, *, inside: bool = False) -> None:
        self.line = self.level_line = line
        self.depth = int(inside)
        self.stopped = 0
        self.level: int | None = None
        self.by_line = False
        self.lone_surrogates = 0
        self.ended = False
        self._inside = inside
        self._indent, self._blank_so_far = 0, True
        self._line_start = self._line_searched = 0
        self._cut = _CUTS[0]
        self._window = WINDOW
        self._steps = self._steps_left = 0
        self._read = self._again = 0

    def pieces(self, text: bytes, *, ended: bool) -> Iterator[Piece]:
        """Yield the pieces of a text up to the last one that is complete.

        Args:
            text: what was not split of the last text (from `stopped`), and more.
            ended: whether no more text follows, so that what is not complete is a fragment.
        """
        self.stopped, self.level = 0, None
        self._line_start = self._line_searched = 0
        lone: list[int] | None = None
        while self._next(text):
            if self._steps_left and lone is not None:
                self._steps_left -= 1
            elif run := self._run(text):
                self._steps = 0
                self._window = min(self._window * 2, WINDOW)
                self.by_line |= run.by_line
                self._move(run.end, run.next_line)
                yield Piece("objects", run.values, run.lines, run.suspect)
                continue
            elif lone is None and (lone := lone_surrogates(text, self.stopped)):
                text = replace_escapes(text, lone)
                continue
            else:
                self._steps_left = self._steps
                self._steps = min(self._steps * 2 + 1, _MOST_STEPS)
            piece = self._one(text, ended=ended)
            if piece is None:
                break
            if piece.kind == "fragment":
                self._window = _SMALL_WINDOW
            yield piece
        self.lone_surrogates += sum(position < self.stopped for position in lone or ())
        self._indent, self._blank_so_far = self._indent_at(text, self.stopped)
        self._read += self.stopped

    def passed(self, text: bytes) -> None:
        """Count text that is not split, in front of the next one."""
        self.line += text.count(b"\n")
        self._line_start = self._line_searched = 0
        self._indent, self._blank_so_far = self._indent_at(text, len(text))
        self._read += len(text)
        self.stopped, self.level, self.level_line = 0, 0, self.line

    def _run(self, text: bytes) -> Run | None:
        at = self.stopped
        window = text[at : at + self._window]  # no copy if that is all of it
        if self.depth:
            run = array_run(window, self.line)
        else:
            run = sequence_run(window, self.line, self._cut)
            for cut in _CUTS if self._steps else ():  # not for a single failure
                if run is None and cut != self._cut and (run := sequence_run(window, self.line, cut)):
                    self._cut = cut
        return run and run._replace(end=at + run.end)

    def _next(self, text: bytes) -> bool:
        """Move to the next piece. Return whether there is one."""
        while True:
            found = _SEPARATORS.match(text, self.stopped)
            end = found.end() if found else self.stopped
            if end > self.stopped:
                self.depth += text.count(b"[", self.stopped, end)
                self.line += text.count(b"\n", self.stopped, end)
                self.stopped = end
            if not self.depth or text[end : end + 1] != b"]":
                return end < len(text)
            self.depth -= 1
            self._move(end + 1, self.line)
            if self._inside and not self.depth:
                self.ended = True
                return False

    def _move(self, end: int, line: int) -> None:
        self.stopped, self.line = end, line
        if not self.depth:
            self.level, self.level_line = end, line

    def _one(self, text: bytes, *, ended: bool) -> Piece | None:
        """Return the next piece, one object or one fragment; None if it is not complete."""
        start, line = self.stopped, self.line
        if text[start : start + 1] == b"{":
            end, is_fragment = self._object_end(text, ended=ended)
        else:
            end, is_fragment = self._fragment_end(text, ended=ended), True
        if end is None:
            return None
        value = text[start:end]
        self._move(end, line + value.count(b"\n"))
        if not is_fragment:
            return Piece("objects", [value], (line,), suspect=is_suspect(value))
        value = value.rstrip(_TRAILING)
        scalars = scalars_in(value)
        return Piece("scalars", scalars, (line,) * len(scalars)) if scalars else Piece("fragment", [value], (line,))

    def _object_end(self, text: bytes, *, ended: bool) -> tuple[int | None, bool]:
        """Return where the next object, or the fragment that begins like one, ends; and whether it is a fragment."""
        start = self.stopped
        indent, _ = self._indent_at(text, start)
        found = extent(text, start, indent)
        if found.end is not None:
            is_valid = is_json(text[start : found.end])
            return (found.end if is_valid else self._affordable(found.line, found.end)), not is_valid
        if found.broken is None:
            return (self._affordable(found.line, len(text)) if ended else None), True
        if found.line is not None:
            return self._affordable(found.line, found.broken), True
        is_cut = not ended and len(text) - found.broken < LOOK_BYTES
        newline = text.find(b"\n", found.broken)
        if is_cut and newline < 0:
            return None, True
        behind = None
        if not self._is_spent():
            behind, searched = resumption(text, start, found, indent, in_array=self.depth > 0)
            if behind is None and is_cut:
                return None, True
            self._again += searched + _SEARCH_COST
        if behind is None:
            behind = newline if newline >= 0 else len(text)
            if self.depth and text[start:behind].rstrip().endswith(b"}]"):
                behind = text.rindex(b"]", start, behind)  # it belongs to the array
        return behind, True

    def _affordable(self, line: int | None, end: int) -> int:
        """Return the line from which to search again; the end if none, or if hostile text has made that expensive."""
        if line is None:
            return end
        self._again += end - line
        return end if self._is_spent() else line

    def _is_spent(self) -> bool:
        """Whether hostile text has made the search for values within damaged ones too expensive."""
        return self._again > _SEARCHED_AGAIN + _SEARCHED_AGAIN_PER_BYTE * (self._read + self.stopped)

    def _fragment_end(self, text: bytes, *, ended: bool) -> int | None:
        """Return where the next fragment ends; None if it is not complete."""
        end, searched = fragment_end(text, self.stopped, in_array=self.depth > 0, ended=ended, by_line=self._is_spent())
        self._again += searched
        return end

    def _indent_at(self, text: bytes, at: int) -> tuple[int, bool]:
        """Return the indentation of the line that contains a position, and whether only blanks are before it."""
        newline = text.rfind(b"\n", self._line_searched, at)
        if newline >= 0:
            self._line_start = newline + 1
        self._line_searched = at
        found = _BLANKS.match(text, self._line_start, at)
        end = found.end() if found else self._line_start
        blanks, is_blank = end - self._line_start, end == at
        if self._line_start:
            return blanks, is_blank
        if not self._blank_so_far:
            return self._indent, False
        return self._indent + blanks, is_blank

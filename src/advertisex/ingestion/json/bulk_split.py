"""Split many values at once: text that ends between two values is decoded as a whole, which also checks it.

Text behind damage is left for later. The functions return None for text that is not exactly what they expect.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from advertisex.codecs.json_text import NOT_JSON

#: Decodes any sequence of values that white space separates, not only lines.
_values = msgspec.json.Decoder(msgspec.Raw).decode_lines
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_as_lines = msgspec.json.Encoder().encode_lines
#: Returns the bytes of a raw value, in less than half the time of `bytes`.
_slice = msgspec.json.Encoder().encode

#: What may close a text that was cut behind a nested object, from the most frequent.
_CLOSINGS = (b"]", b"}]", b"]}]", b"}}]", b"]}}]", b"]}]}]")
#: How a decoder says where the damage is.
_POSITION = re.compile(r"\(byte (\d+)\)\Z")


class Run(NamedTuple):
    """Consecutive objects.

    Attributes:
        values: their slices of the text.
        lines: the line on which each begins.
        end: position behind the last one.
        next_line: the line at that position.
        suspect: whether any of them contains a list or a null, as every envelope does.
        by_line: whether each is one line of the text.
    """

    values: list[bytes]
    lines: Sequence[int]
    end: int
    next_line: int
    suspect: bool
    by_line: bool = False


def sequence_run(text: bytes, line: int, cut: bytes) -> Run | None:
    """Return the objects of a sequence, up to the last line end or up to the last object.

    Args:
        text: text that begins with an object.
        line: the line at its start.
        cut: what is found at the end of a value: a line end, a line that begins with a brace, or two braces.
    """
    part = _up_to(text, len(text), cut)
    try:
        raws = _values(part)
    except NOT_JSON as error:
        part = _up_to(text, _position(error), cut)
        try:
            raws = _values(part)
        except NOT_JSON:
            return None
    if not raws:
        return None
    if _as_lines(raws) == part:
        values = part.split(b"\n")
        values.pop()
        # otherwise a value is on more than one line
        if len(values) == len(raws) and _only_objects(values):
            lines = range(line, line + len(values))
            return Run(values, lines, len(part), lines.stop, is_suspect(part), len(values) > 1)
    values = list(map(_slice, raws))
    return _run(part, values, line, suspect=is_suspect(part))


def array_run(text: bytes, line: int) -> Run | None:
    """Return the objects of an array, up to the last that a comma follows.

    Args:
        text: text that begins with an element.
        line: the line at its start.
    """
    cut = text.rfind(b"},") + 1
    while cut:
        part = b"[" + text[:cut]
        damage = len(part)
        for closing in _CLOSINGS:
            try:
                raws = _array(part + closing)
            except NOT_JSON as error:
                damage = min(damage, _position(error) or damage)
                if damage < len(part):
                    break
                continue
            end = cut
            if closing != b"]":
                # the cut is within the last element, which begins where the decoded one does
                end = cut + len(closing) - 1 - len(bytes(raws.pop()))
            return _run(text[:end], list(map(_slice, raws)), line, suspect=is_suspect(text[:end]))
        if damage == len(part):
            return None
        cut = text.rfind(b"},", 0, damage - 1) + 1
    return None


def _up_to(text: bytes, position: int, cut: bytes) -> bytes:
    """Return the text up to the last cut before a position."""
    found = text.rfind(cut, 0, position)
    return text[: found + (2 if cut == b"\n}" else 1)] if found >= 0 else b""


def _position(error: Exception) -> int:
    """Return the position of damage; 0 if the decoder does not say it."""
    found = _POSITION.search(str(error))
    return int(found[1]) if found else 0


def _run(part: bytes, values: list[bytes], line: int, *, suspect: bool) -> Run | None:
    if not _only_objects(values):
        return None
    lines, next_line = _lines_of(part, values, line)
    return Run(values, lines, len(part), next_line, suspect)


def is_suspect(text: bytes) -> bool:
    """Whether a text contains a list or a null, as every envelope does."""
    return b"[" in text or b"null" in text


def scalars_in(text: bytes) -> list[bytes]:
    """Return the texts, numbers and names that a text without objects lists, separated by commas; none if it is not."""
    try:
        return list(map(_slice, _array(b"[" + text + b"]")))
    except NOT_JSON:
        return []


def _only_objects(values: list[bytes]) -> bool:
    return min(values, default=b"")[:1] == b"{"  # no JSON value begins with a greater byte


def _lines_of(part: bytes, values: list[bytes], line: int) -> tuple[Sequence[int], int]:
    """Return the line of each object, and that at the end. Only separators are between the objects."""
    newlines = part.count(b"\n")
    if not newlines:
        return (line,) * len(values), line
    lines, at, last = [], 0, line
    for value in values:
        start = part.index(b"{", at)
        last += part.count(b"\n", at, start)
        lines.append(last)
        at = start + len(value)
        last += value.count(b"\n")
    return lines, line + newlines

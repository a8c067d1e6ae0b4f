"""Find where a value ends, in text that may be damaged: by its brackets, its line ends and what may follow a string.

A line end cannot be inside a JSON string, so that a lost quote is noticed at the end of its line at the latest.
"""

import re
from collections.abc import Iterable
from itertools import chain, islice
from typing import NamedTuple

from advertisex.limits import Limit

DEEPEST = Limit(1000, "levels", of="the nesting of JSON", beyond="rejected as `not_a_record`")
LOOK_BYTES = Limit(
    2**18, "bytes", of="the search for the end of a damaged JSON value", beyond="reading continues at the next line"
)
#: How many places on one line are tried as the start of the next value.
_TRIES = 32
#: How far the end of what may be around an object is searched, and what may be around it.
_NESTED_BYTES = 2**12
_AROUND = (b'{"":', b'{"":{"":', b'{"":[{"":')

_STRING = rb'"(?:[^"\\\n]++|\\[^\n])*+"'
_AFTER_STRING = rb"(?=[ \t\r\n]*+(?:[:,\]}]|\Z))"
_SCALARS = rb"[-+0-9.eEtrufalsn:, \t\r]++|" + _STRING + _AFTER_STRING


def _inside(before: bytes, levels: int = 2) -> bytes:
    """Return a pattern for what is in an array or object: scalars, and values of few levels behind `before`.

    Without these, each bracket is a step of its own, and millions of them take seconds.
    """
    if not levels:
        return rb"(?:" + _SCALARS + rb")*+"
    array, members = _inside(rb"[\[,]", levels - 1), _inside(rb'":', levels - 1)
    return rb"(?:" + _SCALARS + rb"|(?<=" + before + rb")(?:\[" + array + rb"\]|\{" + members + rb"\}))*+"


_IN_ARRAY, _IN_OBJECT = re.compile(_inside(rb"[\[,]")), re.compile(_inside(rb'":'))
_LOOSE = re.compile(rb'(?:[^"\[\]{}\n]++|' + _STRING + rb")*+")
_WHOLE_STRING = re.compile(_STRING)
_LINE_VALUE = re.compile(rb"\n([ \t]*+)[\[{]")
_NEXT_IN_ARRAY = re.compile(rb"[}\]][ \t\r\x1e]*+,?[ \t\r\x1e]*+(?={)")
_NEXT = re.compile(rb"[}\]][ \t\r\x1e]*+(?={)")
_OPENING, _CLOSING = b"{[", b"}]"
_SPACE = b" \t\r\n"
_OPENED_BY = {b"}": b"{", b"]": b"["}


class Extent(NamedTuple):
    """Where a value ends.

    Attributes:
        end: position behind the value; None if the text ends before.
        broken: position of the first damage that was noticed; None if there is none so far.
        line: start of the first line behind the start that may begin another value; None if there is none so far.
        open: the brackets that are open at the damage, or at the end of the text.
    """

    end: int | None
    broken: int | None
    line: int | None
    open: bytes


def extent(text: bytes, start: int, indent: int, stop: int | None = None) -> Extent:
    """Return the extent of the object or array that begins at a position.

    Args:
        text: the text.
        start: position of its opening bracket.
        indent: indentation of its line; a line that begins a value and is indented no deeper may be its successor.
        stop: position at which to end the search; None for the end of the text.
    """
    opened, at, line = bytearray(), start, None
    stop = len(text) if stop is None else min(stop, len(text))
    while True:
        if opened:
            found = (_IN_ARRAY if opened.endswith(b"[") else _IN_OBJECT).match(text, at, stop)
            at = found.end() if found else at
        byte = text[at : at + 1]
        if at >= stop:
            return Extent(None, None, line, bytes(opened))
        if byte in _OPENING:
            if len(opened) == DEEPEST or not _may_open(text, at, opened[-1:]):
                return Extent(None, at, line, bytes(opened))
            opened += byte
        elif byte in _CLOSING:
            if opened[-1:] != _OPENED_BY[byte]:
                return Extent(None, at, line, bytes(opened))
            opened.pop()
            if not opened:
                return Extent(at + 1, None, line, b"")
        elif byte == b"\n":
            if line is None:
                line = _value_line(text, at, indent)
        elif byte == b'"' and text.find(b"\n", at) < 0 and not _WHOLE_STRING.match(text, at):
            return Extent(None, None, line, bytes(opened))  # the string is not complete yet
        else:
            return Extent(None, at, line, bytes(opened))
        at += 1


def resumption(text: bytes, start: int, found: Extent, indent: int, *, in_array: bool) -> tuple[int | None, int]:
    """Return where reading can go on behind damage, None if no place is recognised; and how many bytes were searched.

    In an array, that is the next object on the same line that is not nested. Otherwise, it is where the brackets of the
    damaged value close on that line; else the next object on it, if the value is not written over several lines; else
    where the brackets close, or the next line that begins a value.
    """
    broken = found.broken or 0
    stop = min(len(text), broken + LOOK_BYTES)
    newline = text.find(b"\n", broken, stop)
    line_end = newline if newline >= 0 else stop
    opened = bytearray(found.open)
    at = _close(text, broken, line_end, opened)
    searched, closes = at - broken, not opened
    if in_array or (not closes and (at < line_end or text.find(b"\n", start, broken) < 0)):
        behind, tried = _next_object(text, broken, at if closes else line_end, indent, in_array=in_array)
        searched += tried
        if behind is not None:
            return behind, searched
    if closes:
        return at, searched
    behind, at = _line_behind(text, line_end, stop, indent, opened)
    return behind, searched + at - line_end


def _line_behind(text: bytes, at: int, stop: int, indent: int, opened: bytearray) -> tuple[int | None, int]:
    """Return where the brackets close, or the next line that begins a value; and where the search ended."""
    while at < stop:
        line = _value_line(text, at, indent)
        if line is not None:
            return line, at
        newline = text.find(b"\n", at + 1, stop)
        line_end = newline if newline >= 0 else stop
        at = _close(text, at + 1, line_end, opened)
        if not opened:
            return at, at
        at = line_end
    return None, at


def _may_open(text: bytes, at: int, around: bytes | bytearray) -> bool:
    """Whether what is before a bracket lets it open a value inside another one."""
    if around == b"{":
        return follows_key(text, at)
    while around and text[at - 1] in _SPACE:
        at -= 1
    return not around or text[at - 1] in b"[,"


def follows_key(text: bytes, at: int) -> bool:
    """Whether a quote and a colon are before a position, with nothing but white space between."""
    for byte in b':"':
        while at and text[at - 1] in _SPACE:
            at -= 1
        at -= 1
        if at < 0 or text[at] != byte:
            return False
    return True


def _close(text: bytes, at: int, stop: int, opened: bytearray) -> int:
    """Return where all brackets close, where the line ends, or where a string does not end; keep those still open."""
    while True:
        found = _LOOSE.match(text, at, stop)
        at = found.end() if found else at
        byte = text[at : at + 1]
        if at >= stop or byte == b'"':
            return at
        if byte in _OPENING:
            opened += byte
        else:
            # a bracket closes everything behind its own; one that was never opened belongs to what is around
            own = opened.rfind(_OPENED_BY[byte])
            if own < 0:
                return at
            del opened[own:]
        at += 1
        if not opened:
            return at


def _next_object(text: bytes, start: int, stop: int, indent: int, *, in_array: bool) -> tuple[int | None, int]:
    """Return the next position on a line at which a complete object begins, and how many bytes were searched for it."""
    searched = 0
    found = (place.end() for place in (_NEXT_IN_ARRAY if in_array else _NEXT).finditer(text, start, stop))
    places: Iterable[int] = islice(found, _TRIES)
    if text[start : start + 1] == b"{":
        places = chain([start], places)
    for place in places:
        tried = extent(text, place, indent, place + LOOK_BYTES)
        if tried.end is not None and not (in_array and _is_nested(text[place : place + _NESTED_BYTES])):
            return place, searched
        searched += (tried.end or tried.broken or place + LOOK_BYTES) - place
    return None, searched + stop - start


def _is_nested(text: bytes) -> bool:
    """Whether an object is inside an element of an array: what is around it ends where another element may follow."""
    listed = extent(b"[" + text, 0, 0)
    if listed.end is None and listed.broken is None:
        return False  # a long list, like the array itself
    opening = b"[" if listed.end is not None else b""
    for around in _AROUND:
        end = extent(around + opening + text, 0, 0).end
        if end is not None and text[end - len(around + opening) :].lstrip(_SPACE)[:1] in (b",", b"]"):
            return True
    return False


def _value_line(text: bytes, newline: int, indent: int) -> int | None:
    """Return the start of the line behind a line end, if a value begins it that is indented no deeper."""
    found = _LINE_VALUE.match(text, newline)
    return newline + 1 if found and len(found[1]) <= indent else None

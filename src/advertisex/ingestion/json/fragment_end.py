"""Find where a fragment ends: text between values that is not an object."""

import re

from advertisex.ingestion.json.value_end import extent, follows_key
from advertisex.limits import Limit

FRAGMENT_BYTES = Limit(2**16, "bytes", of="a fragment between JSON objects", beyond="rejected in several parts")

# only from a quote that is not escaped, which bounds how often the same text is searched
_TEXT = rb'(?<!\\)"(?:[^"\\\n]++|\\[^\n])*+"(?=[ \t\r\n]*+(?:[,\]}:]|\Z))'
_FRAGMENT = re.compile(rb"(?:" + _TEXT + rb"|[^\n{\[\]])++")
#: An object, or an array of objects; in the middle of a line, other text with brackets is just text.
_ARRAYS = re.compile(rb"(?:\[[ \t\r\n]*+)*+")


def fragment_end(text: bytes, start: int, *, in_array: bool, ended: bool, by_line: bool) -> tuple[int | None, int]:
    """Return the end of a fragment, None if it is not complete; and how many bytes behind it were searched.

    That is the end of its line, or where an object or an array of objects begins.

    Args:
        text: the text.
        start: start of the fragment.
        in_array: whether a bracket that closes an array ends it.
        ended: whether no more text follows.
        by_line: whether only the end of the line is searched.
    """
    limit = start + FRAGMENT_BYTES
    at, is_open, reached = _line_end(text, start, limit), False, 0
    if not by_line:
        at, is_open, reached = _search(text, start, limit, in_array=in_array)
    if at < limit:
        is_complete = ended or (at < len(text) and not is_open)
        return (at if is_complete else None), max(0, reached - at)
    comma = text.rfind(b",", start, at)
    return (comma if comma > start else at), 0


def _search(text: bytes, at: int, limit: int, *, in_array: bool) -> tuple[int, bool, int]:
    """Return where a fragment ends, whether more text may change that, and how far was searched."""
    reached = 0
    while at < limit:
        found = _FRAGMENT.match(text, at, limit)
        at = found.end() if found else at
        byte = text[at : at + 1]
        if byte in b"\n" or (byte == b"]" and in_array):
            break
        if byte == b"]":
            at += 1
            continue
        if follows_key(text, at):
            nested = extent(text, at, 0, limit)
            if nested.end is not None:
                at = nested.end
                continue
            # what is inside of a value that is not complete need not be searched again
            reached = min(limit, len(text)) if nested.broken is None else max(nested.broken, at + 1)
        else:
            arrays = _ARRAYS.match(text, at, limit)
            reached = arrays.end() if arrays else at
            if text[reached : reached + 1] == b"{":
                break
        if reached == len(text) < limit:
            return _line_end(text, at, reached), True, reached
        at = _line_end(text, at, reached)
    return at, False, reached


def _line_end(text: bytes, at: int, stop: int) -> int:
    newline = text.find(b"\n", at, stop)
    return newline if newline >= 0 else min(stop, len(text))

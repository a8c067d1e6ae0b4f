"""Replace lone surrogates, which UTF-8 text cannot contain, so that each costs one character and not the event."""

import re

_HEX = rb"[0-9a-fA-F]"
_LOW = rb"\\u[dD][c-fC-F]" + _HEX * 2
#: What may be the start of a low surrogate, cut off by the end of the text.
_CUT = rb"(?:\\(?:u(?:[dD](?:[c-fC-F]" + _HEX + rb"?)?)?)?)?\Z"
_HIGH = rb"\\u[dD][89abAB]" + _HEX * 2
_ESCAPE = re.compile(
    rb"(?P<pair>" + _HIGH + _LOW + rb")|(?P<lone>" + _HIGH + rb"(?!" + _CUT + rb")|" + _LOW + rb")|\\.", re.DOTALL
)
_REPLACEMENT = rb"\ufffd"


def lone_surrogates(text: bytes, start: int = 0) -> list[int]:
    """Return the positions, from `start` on, of the escapes that are lone surrogates."""
    if text.find(b"\\ud", start) < 0 and text.find(b"\\uD", start) < 0:
        return []
    return [found.start() for found in _ESCAPE.finditer(text, start) if found["lone"]]


def replace_escapes(text: bytes, positions: list[int]) -> bytes:
    """Return the text with the escape of U+FFFD, which is as long, at these positions."""
    replaced = bytearray(text)
    for start in positions:
        replaced[start : start + len(_REPLACEMENT)] = _REPLACEMENT
    return bytes(replaced)

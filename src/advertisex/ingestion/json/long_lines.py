"""Lines that are larger than a message can be and do not begin an object: in NDJSON, each of them costs itself only."""

from typing import NamedTuple

_OPENING = b"[ \t\r\x0b\x0c,\x1e"


class Held(NamedTuple):
    """What may not be split yet.

    Attributes:
        start: position of a line whose end must be known first; the end of the text if there is none.
        is_long: whether it is the first line of the text, and too large.
    """

    start: int
    is_long: bool


def held_line(text: bytes, most: int, *, ended: bool) -> Held:
    """Return the last line of a text if it is not complete, or its first line if that is too large.

    A line that begins an object, or an array of objects, can be split while it arrives.

    Args:
        text: text that begins at the start of a line.
        most: size of the largest line.
        ended: whether no more text follows.
    """
    newline = text.find(b"\n")
    is_first = newline < 0 or newline > most
    start = 0 if is_first else text.rfind(b"\n") + 1
    size = (newline if newline >= 0 else len(text)) if is_first else len(text) - start
    if (ended and size <= most) or text[start : start + most].lstrip(_OPENING).startswith(b"{"):
        return Held(len(text), is_long=False)
    return Held(start, is_long=is_first and size > most)


class LineSkipper:
    """Finds the end of a line that arrives in parts.

    Attributes:
        done: whether the end was found.
    """

    def __init__(self) -> None:
        self.done = False

    def skip(self, text: bytes) -> int:
        """Return how many bytes of a text belong to the line."""
        newline = text.find(b"\n")
        self.done = newline >= 0
        return newline if self.done else len(text)

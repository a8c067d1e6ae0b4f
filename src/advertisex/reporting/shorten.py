"""Shortens long names in the middle, keeping them distinct."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from os.path import commonprefix
from zlib import crc32

Width = Callable[[str], int]


def shortened(texts: Sequence[str], longest: int, width: Width = len) -> list[str]:
    """Shorten the texts that are too wide; the result has the same order.

    A text is cut in the middle. If that makes different texts equal, the cut is made before the first difference; if
    they are still equal, a checksum is appended. A sequence number would not do: the same text would get different
    ones in different tables.

    Args:
        texts: the texts; equal texts stay equal, different texts stay different.
        longest: maximum width.
        width: measures a text.
    """
    short = {text: text if width(text) <= longest else _cut(text, longest, width) for text in texts}
    for group in _collisions(short):
        prefix = len(commonprefix(group))  # noqa: RUF071 - which is meant to compare characters
        short |= {text: _cut_before(prefix, text, longest, width) for text in group if width(text) > longest}
    for group in _collisions(short):
        short |= {text: _cut(text, longest - 7, width) + _checksum(text) for text in group if width(text) > longest}
    return [short[text] for text in texts]


def _collisions(short: dict[str, str]) -> list[list[str]]:
    groups = defaultdict(list)
    for text, cut in short.items():
        groups[cut].append(text)
    return [group for group in groups.values() if len(group) > 1]


def _cut(text: str, longest: int, width: Width) -> str:
    room = max(longest - 1, 0)
    head = _fitting(text, room - room // 2, width)
    tail = _fitting(reversed(text), room // 2, width)
    return f"{text[:head]}…{text[len(text) - tail :]}"


def _cut_before(start: int, text: str, longest: int, width: Width) -> str:
    """Keep the head of the text, and as much as fits from `start` on."""
    head = text[: min(_fitting(text, longest // 3, width), start)]
    room = longest - width(head) - 1
    if width(text[start:]) <= room:
        return f"{head}…{text[len(text) - _fitting(reversed(text), room, width) :]}"
    return f"{head}…{text[start : start + _fitting(text[start:], room - 1, width)]}…"


def _checksum(text: str) -> str:
    return f" {crc32(text.encode()) & 0xFFFFFF:06x}"


def _fitting(characters: Iterable[str], room: int, width: Width) -> int:
    """The number of leading characters that fit."""
    return sum(1 for reached in accumulate(map(width, characters)) if reached <= room)

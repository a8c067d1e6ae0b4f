"""Names that are too long for their place: cut in the middle, and still told apart."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from os.path import commonprefix
from zlib import crc32

Width = Callable[[str], int]


def shortened(texts: Sequence[str], longest: int, width: Width = len) -> list[str]:
    """Each text in its place, cut where it is wider than so much.

    Cut in the middle; where that makes different texts equal, before the place where they begin to differ; and where
    they differ in many places, with a checksum. Never with a number: the same text would have another one elsewhere.

    Args:
        texts: any; equal ones stay equal, different ones different.
        longest: how wide each may be.
        width: of a text.
    """
    short = {text: text if width(text) <= longest else _cut(text, longest, width) for text in texts}
    for alike in _alike(short):
        shared = len(commonprefix(alike))  # noqa: RUF071 - which is meant to compare characters
        short |= {text: _cut_before(shared, text, longest, width) for text in alike if width(text) > longest}
    for alike in _alike(short):
        short |= {text: _cut(text, longest - 7, width) + _checksum(text) for text in alike if width(text) > longest}
    return [short[text] for text in texts]


def _alike(short: dict[str, str]) -> list[list[str]]:
    groups = defaultdict(list)
    for text, cut in short.items():
        groups[cut].append(text)
    return [group for group in groups.values() if len(group) > 1]


def _cut(text: str, longest: int, width: Width) -> str:
    room = max(longest - 1, 0)
    begin = _fitting(text, room - room // 2, width)
    end = _fitting(reversed(text), room // 2, width)
    return f"{text[:begin]}…{text[len(text) - end :]}"


def _cut_before(place: int, text: str, longest: int, width: Width) -> str:
    """Its beginning, then what it has from there on."""
    begin = text[: min(_fitting(text, longest // 3, width), place)]
    room = longest - width(begin) - 1
    if width(text[place:]) <= room:
        return f"{begin}…{text[len(text) - _fitting(reversed(text), room, width) :]}"
    return f"{begin}…{text[place : place + _fitting(text[place:], room - 1, width)]}…"


def _checksum(text: str) -> str:
    return f" {crc32(text.encode()) & 0xFFFFFF:06x}"


def _fitting(characters: Iterable[str], room: int, width: Width) -> int:
    """How many characters fit."""
    return sum(1 for reached in accumulate(map(width, characters)) if reached <= room)

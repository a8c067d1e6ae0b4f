"""Encode the origins of an append in a few bytes: MessagePack, with lines as a range or as differences."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec

from advertisex.model import Origin, SourceLine


class _Packed(msgspec.Struct, array_like=True, frozen=True):
    """One origin. `steps` is the step of a range, or the differences between the lines; `first` is 0 without lines."""

    source: str
    messages: int
    first: int = 0
    steps: int | list[int] = 0


_decode = msgspec.msgpack.Decoder(list[_Packed]).decode


def pack_origins(origins: Sequence[Origin]) -> bytes:
    """Return the origins as bytes."""
    return msgspec.msgpack.encode([_packed(origin) for origin in origins if origin.messages])


def source_line(packed: bytes, index: int) -> SourceLine | None:
    """Return the origin of the message at this index of the append; None if it has none."""
    for origin in _decode(packed):
        if index < origin.messages:
            return SourceLine(origin.source, _line(origin, index))
        index -= origin.messages
    return None


def _packed(origin: Origin) -> _Packed:
    lines = origin.lines
    if not lines:
        return _Packed(origin.source, origin.messages)
    steps = lines.step if isinstance(lines, range) else [after - before for before, after in pairwise(lines)]
    return _Packed(origin.source, origin.messages, lines[0], steps)


def _line(origin: _Packed, index: int) -> int | None:
    if not origin.first:
        return None
    if isinstance(origin.steps, int):
        return origin.first + index * origin.steps
    return list(accumulate(origin.steps, initial=origin.first))[index]

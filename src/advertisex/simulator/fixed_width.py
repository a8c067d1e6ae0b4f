"""Fixed-width encoding of text and Avro numbers, column by column: uint8 matrices with one row per message."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from advertisex.simulator.rows import Integers

Matrix = NDArray[np.uint8]

_DAY = 86_400 * 1_000_000
_HUNDRED = np.array([list(b"%02d" % n) for n in range(100)], np.uint8)
_TEN_THOUSAND = np.array([list(b"%04d" % n) for n in range(10_000)], np.uint8)


def zero_padded(values: Integers, width: int) -> Matrix:
    """Non-negative integers as ASCII digits, zero-padded to `width`, which must be even."""
    out = np.empty((len(values), width), np.uint8)
    remaining = values
    end = width
    while end >= 4:
        remaining, low = np.divmod(remaining, 10_000)
        out[:, end - 4 : end] = _TEN_THOUSAND[low]
        end -= 4
    if end:
        out[:, :2] = _HUNDRED[remaining % 100]
    return out


def rfc3339(times: Integers) -> Matrix:
    """Microseconds since the epoch as `2026-01-05T00:00:00.000000Z`."""
    out = np.empty((len(times), 27), np.uint8)
    if not len(times):
        return out
    days, micros = np.divmod(times, _DAY)
    first = int(days.min())
    calendar = np.arange(first, int(days.max()) + 1).astype("M8[D]").astype("S10")
    seconds, fraction = np.divmod(micros, 1_000_000)
    out[:, :10] = calendar.view(np.uint8).reshape(-1, 10)[days - first]
    out[:, 10] = ord("T")
    out[:, [13, 16]] = ord(":")
    for place, number in ((11, seconds // 3600), (14, seconds // 60 % 60), (17, seconds % 60)):
        out[:, place : place + 2] = _HUNDRED[number]
    out[:, 19] = ord(".")
    out[:, 20:26] = zero_padded(fraction, 6)
    out[:, 26] = ord("Z")
    return out


def avro_time(times: Integers) -> Matrix:
    """Microseconds since the epoch as Avro longs: zigzag, then base-128 varint, low bits first.

    Times from 1978 to 3111 always take eight bytes.
    """
    zigzag = times.astype(np.uint64) << np.uint64(1)
    shifts = np.arange(0, 56, 7, dtype=np.uint64)
    out = ((zigzag[:, None] >> shifts) & np.uint64(0x7F)).astype(np.uint8)
    out[:, :7] |= 0x80
    return out


def avro_doubles(values: NDArray[np.float64]) -> Matrix:
    """Avro doubles: eight bytes, little-endian."""
    return np.ascontiguousarray(values, dtype="<f8").view(np.uint8).reshape(-1, 8)


def concat_columns(parts: Sequence[bytes | Matrix], count: int) -> list[bytes]:
    """Concatenate constants and matrix rows into `count` messages."""
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in parts]
    out = np.empty((count, sum(widths)), np.uint8)
    start = 0
    for part, width in zip(parts, widths, strict=True):
        out[:, start : start + width] = np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part
        start += width
    text = out.tobytes()
    return [text[at : at + start] for at in range(0, count * start, start)] if start else [b""] * count

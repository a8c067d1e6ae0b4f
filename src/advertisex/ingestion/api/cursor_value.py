"""Values of the field that orders the records of a source: numbers and times."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from advertisex.errors import ConfigurationError, SourceError
from advertisex.times import EPOCH

Kind = Literal["number", "time", "time without a zone", "date"]

_NANO = 10**9
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"(-?)([0-9]{1,30})(?:\.([0-9]{1,9}))?")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:([Tt ])([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?([Zz]| UTC| GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
#: Epochs: below a number -> how many of them are a second. A smaller number than the first is not an epoch.
_FIRST_EPOCH = 10**8
_UNITS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, _NANO))
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class CursorValue:
    """A number or a time. Values of one kind are ordered; comparing two kinds is a SourceError.

    Attributes:
        text: as the source wrote it.
        kind: what it is.
        nanos: a number, or the time since the epoch in seconds, multiplied by 10^9.
    """

    text: str = field(compare=False)
    kind: Kind
    nanos: int

    def __lt__(self, other: "CursorValue") -> bool:
        if self.kind != other.kind:
            raise SourceError(
                f"the cursor is a {self.kind} in one record and a {other.kind} in another",
                hint="choose a field that has one notation",
            )
        return self.nanos < other.nanos

    def minus(self, lookback: timedelta) -> "CursorValue":
        """Return an earlier value, in the same notation. Numbers are epochs in s, ms, µs or ns, by their size.

        What the notation cannot express is rounded down.

        Raises:
            ConfigurationError: it is a number that cannot be an epoch, and the lookback is not zero.
        """
        micros = lookback // timedelta(microseconds=1)
        if not micros:
            return self
        if self.kind == "number":
            return cursor_value(_number_text(self.nanos - micros * 1000 * self.per_second(), self.text))
        return cursor_value(_time_text(self.nanos - micros * 1000, self.text))

    def time(self) -> datetime:
        """Return the time, in UTC if it has a zone; a date is its first moment in UTC. Nanoseconds are dropped.

        Raises:
            ConfigurationError: it is a number that cannot be an epoch.
        """
        nanos = self.nanos // self.per_second() if self.kind == "number" else self.nanos
        return _clamped(nanos)

    def per_second(self) -> int:
        """Return how many of an epoch are a second, by its size.

        Raises:
            ConfigurationError: it is a number that cannot be an epoch.
        """
        size = abs(self.nanos) // _NANO
        for limit, per_second in _UNITS:
            if _FIRST_EPOCH <= size < limit:
                return per_second
        raise ConfigurationError(
            f"the cursor {self.text} is a number, and not a time",
            hint="use the placeholder {cursor}, without a lookback, or choose a field that has times",
        )


def cursor_value(value: object) -> CursorValue:
    """Return the cursor of a value of a record: a whole number, an epoch, or a time such as 2026-01-05T09:00:00Z.

    Raises:
        SourceError: it is neither a number nor a time.
    """
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        value = f"{value:f}" if isinstance(value, Decimal) else _plain(value)
    if isinstance(value, str):
        text = value.strip()
        if match := _NUMBER.fullmatch(text):
            return CursorValue(text, "number", _nanos_of_number(match))
        if match := _TIME.fullmatch(text):
            return _time(text, match)
    raise _unreadable(value)


def value_of(text: str) -> CursorValue | None:
    """Return the cursor of a text that was one before; None if it is empty."""
    return cursor_value(text) if text else None


def _plain(value: float) -> str:
    """Return a number without an exponent. An int of thousands of digits has no text."""
    try:
        return str(int(value)) if value == int(value) else f"{Decimal(repr(value)):f}"
    except (ValueError, OverflowError):  # not a number, infinite
        return ""


def _nanos_of_number(match: re.Match[str]) -> int:
    sign, whole, fraction = match.groups()
    nanos = int(whole) * _NANO + int((fraction or "").ljust(9, "0"))
    return -nanos if sign else nanos


def _time(text: str, match: re.Match[str]) -> CursorValue:
    year, month, day, separator, hour, minute, second, fraction, zone = match.groups()
    try:
        time = datetime(int(year), int(month), int(day), tzinfo=UTC)
        if separator:
            leap = second == "60"  # the following second
            time = time.replace(hour=int(hour), minute=int(minute), second=59 if leap else int(second))
            time += timedelta(seconds=int(leap)) - timedelta(minutes=_offset_minutes(zone))
    except (ValueError, OverflowError):
        raise _unreadable(text) from None
    nanos = (time - EPOCH) // timedelta(seconds=1) * _NANO + int((fraction or "").ljust(9, "0"))
    return CursorValue(text, "time" if zone else "time without a zone" if separator else "date", nanos)


def _offset_minutes(zone: str | None) -> int:
    if zone is None or zone[0] not in "+-":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise ValueError
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def _number_text(nanos: int, like: str) -> str:
    digits = len(like.partition(".")[2])
    scaled = nanos // 10 ** (9 - digits)  # rounded down, also below zero
    sign, shown = "-" if scaled < 0 else "", str(abs(scaled)).rjust(digits + 1, "0")
    return sign + (f"{shown[:-digits]}.{shown[-digits:]}" if digits else shown)


def _time_text(nanos: int, like: str) -> str:
    match = _TIME.fullmatch(like)
    assert match is not None
    separator, fraction, zone = match[4], match[8] or "", match[9] or ""
    local = nanos + _offset_minutes(zone or None) * 60 * _NANO
    time = _clamped(local)
    text = f"{time.year:04}-{time.month:02}-{time.day:02}"
    if separator:
        text += f"{separator}{time.hour:02}:{time.minute:02}:{time.second:02}"
        text += f".{local % _NANO:09}"[: len(fraction) + 1] if fraction else ""
    return text + zone


def _clamped(nanos: int) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=nanos // 1000)
    except OverflowError:
        return _FIRST


def _unreadable(value: object) -> SourceError:
    shown = value[:_SHOWN] if isinstance(value, str) else type(value).__name__
    return SourceError(
        f"{shown!r} is neither a number nor a time, so it cannot be a cursor",
        hint="choose a field with numbers or with times such as 2026-01-05T09:00:00Z",
    )

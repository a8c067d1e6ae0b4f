"""Numbers as people write them: a decimal mark and groups of three digits, such as `1.234,56`."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from advertisex.codecs.json_encode import json_message
from advertisex.codecs.json_text import NOT_JSON
from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed

#: What each separator matches: spaces and apostrophes are written in several ways.
_SPACES = " \u00a0\u202f"
_SEPARATORS = {"": "", ".": ".", ",": ",", "'": "'\u2019"} | dict.fromkeys(_SPACES, _SPACES)
#: Text that is meant as a number: digits and separators, perhaps with an exponent.
_NUMBER_LIKE = re.compile(rf"[+-]?[0-9.,'\u2019{_SPACES}]*[0-9][0-9.,'\u2019{_SPACES}]*(?:[eE][+-]?[0-9]+)?")
#: A number with a decimal point, as processing reads it.
_PLAIN = re.compile(r"[+-]?[0-9]+\.[0-9]+")
#: A part of a whole number that is not zero.
_FRACTION = re.compile(r"\.[0-9]*[1-9]")


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """How numbers are written.

    Attributes:
        decimal: the decimal mark.
        thousands: the separator of groups of three digits; empty if digits are not grouped.
    """

    decimal: str
    thousands: str
    _written: re.Pattern[str]

    @classmethod
    def of(cls, decimal: str | None, thousands: str | None) -> "NumberStyle":
        """Return the style; a part that is None follows from the other.

        Raises:
            ConfigurationError: a part is invalid.
        """
        if decimal is None:
            decimal = "," if thousands == "." else "."
        if thousands is None:
            thousands = "." if decimal == "," else ""
        if decimal not in {".", ","}:
            raise ConfigurationError(
                f"invalid decimal mark {decimal!r}", where="--decimal", hint="use --decimal , or --decimal ."
            )
        if thousands not in _SEPARATORS:
            raise ConfigurationError(
                f"invalid separator of thousands {thousands!r}",
                where="--thousands",
                hint="use a point, a comma, a space or an apostrophe",
            )
        if decimal == thousands:
            raise ConfigurationError(
                f"the decimal mark and the separator of thousands are both {decimal!r}",
                where="--decimal, --thousands",
                hint="set --decimal and --thousands to different characters",
            )
        whole = "[0-9]+"
        if separators := _SEPARATORS[thousands]:
            whole += f"|[0-9]{{1,3}}(?:[{separators}][0-9]{{3}})+"
        mark = re.escape(decimal)
        fraction = f"(?P<sign>[+-]?)(?P<whole>{whole}|(?={mark}[0-9]))(?:{mark}(?P<fraction>[0-9]*))?"
        return cls(decimal, thousands, re.compile(f"{fraction}(?P<exponent>[eE][+-]?[0-9]+)?"))

    def plain(self, text: str) -> str | None:
        """Return the number with a decimal point and without groups; None if it is written in a different style.

        Text that is not meant as a number is returned as it is.
        """
        found = self._written.fullmatch(text)
        if found is None:
            return None if _NUMBER_LIKE.fullmatch(text) else text
        whole = re.sub("[^0-9]", "", found["whole"])
        fraction = found["fraction"] or ""
        if not fraction.strip("0") and len(fraction) == 3:
            fraction = ""  # 1,000 is 1: processing would suspect a group of three digits
        return f"{found['sign']}{whole}{'.' if fraction else ''}{fraction}{found['exponent'] or ''}"

    def __str__(self) -> str:
        return f"1{self.thousands}234{self.decimal}56"


class PlainNumbers:
    """Rewrites the number fields of a feed's records as plain numbers: texts, also those in JSON.

    Args:
        feed: feed of the records.
        style: how their numbers are written.
    """

    def __init__(self, feed: Feed, style: NumberStyle) -> None:
        self._style = style
        self.found = 0  # records with a number in text
        self.two_readings = 0  # records with a number that is also a plain one, of another value
        self._names = tuple((name, f.kind) for f in feed.fields if f.kind in {"count", "amount"} for name in f.names)

    def apply(self, record: dict[str, Any]) -> dict[str, Any] | bytes:
        """Return the record with plain numbers; if one is written in a different style, an unreadable message."""
        changed: dict[str, str] = {}
        is_found = False
        for name, kind in self._names:
            text = _text(record.get(name))
            if not text:
                continue
            is_found = is_found or _NUMBER_LIKE.fullmatch(text) is not None
            number = self._style.plain(text)
            if number is None:
                return self._unreadable(f"{name}: {text!r} is not written like {self._style}", record)
            if kind == "count" and self._style.decimal == "," and _FRACTION.search(number):
                # processing would show the text with a point, which the input does not have
                return self._unreadable(f"{name}: {text!r} is not a whole number", record)
            if number != text:
                changed[name] = number
        self.found += is_found
        self.two_readings += any(_PLAIN.fullmatch(_text(record[name]) or "") for name in changed)
        return record | changed if changed else record

    def _unreadable(self, what: str, record: dict[str, Any]) -> bytes:
        self.found += 1
        detail = f"{what}; hint: check --decimal and --thousands"
        return wrap(Unreadable("ambiguous_number", detail, json_message(record)))


def _text(value: Any) -> str | None:
    if isinstance(value, msgspec.Raw):
        if not bytes(value).startswith(b'"'):
            return None  # a JSON number is written in JSON's style
        try:
            value = msgspec.json.decode(value)
        except NOT_JSON:
            return None
    return value.strip() if isinstance(value, str) else None

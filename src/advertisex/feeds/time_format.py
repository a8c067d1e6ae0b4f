"""Reads timestamps in a format that the user gives, with the directives of strptime, but strictly.

Digits that directly follow digits have exactly their width: `%Y%m%d` takes eight. `%S` takes a fraction, of which the
digits beyond the microsecond are dropped. `%Z` takes UTC, GMT, Z or a numeric offset: other names are ambiguous.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

#: Directive -> the digits it takes: from, to.
_DIGITS: dict[str, tuple[int, int]] = {
    "Y": (4, 4), "y": (2, 2), "G": (4, 4), "m": (1, 2), "d": (1, 2), "j": (1, 3), "U": (1, 2), "W": (1, 2), "V": (1, 2),
    "H": (1, 2), "I": (1, 2), "M": (1, 2), "S": (1, 2), "u": (1, 1), "w": (1, 1), "f": (1, 6),
}  # fmt: skip
_OFFSET = r"[+-][0-9]{2}:?[0-5][0-9]"
_OTHERS: dict[str, str] = {
    **dict.fromkeys("aAbBp", r"[^\W\d_]+"),
    "z": rf"{_OFFSET}(?::?[0-5][0-9])?|(?-i:Z)",
    "Z": rf"(?-i:UTC|GMT|Z)|{_OFFSET}",
}
#: Directives that stand for several others.
_COMPOSED = {"c": "%a %b %d %H:%M:%S %Y", "x": "%m/%d/%y", "X": "%H:%M:%S"}
#: Directives that give a date together.
_DATES = ("YMD", "YJ", "GVE", "YWE")
_PARTS = {"y": "Y", "m": "M", "b": "M", "B": "M", "d": "D", "j": "J", "U": "W", **dict.fromkeys("aAuw", "E")}
_SAMPLE = datetime(2026, 1, 5, 9, tzinfo=UTC)
#: In place of a directive, for a format that ends with a single percent sign.
_END = "end"
_TOKEN = re.compile(r"%(.?)|([^%]+)", re.DOTALL)


class TimeFormat:
    """A format of timestamps.

    Args:
        text: the format, such as `%d/%m/%Y %H:%M`.

    Attributes:
        pattern: regular expression of the texts that may be in this format.

    Raises:
        ValueError: it has an unknown directive, or does not give a date.
    """

    def __init__(self, text: str) -> None:
        tokens = list(_tokens(text))
        directives = [directive for directive, _ in tokens if directive]
        if problem := next(_problems(directives), None):
            raise ValueError(f"{text!r} is not a valid time format: {problem}")
        parsed = [directive for directive in directives if directive not in ("f", "Z")]
        self.pattern = "(?i)^" + "".join(_patterns(tokens)) + "$"
        self._match = re.compile(self.pattern).fullmatch
        self._groups = [f"_{directive}" for directive in parsed]
        self._parsed = _joined(parsed)

    def read(self, text: str) -> datetime | None:
        """The time of a text, naive if the format has no zone; None if the text is not in this format."""
        found = self._match(text)
        if found is None:
            return None
        groups = found.groupdict()
        try:
            time = datetime.strptime(" ".join(groups[name] for name in self._groups), self._parsed)  # noqa: DTZ007
            zone = time.tzinfo or _zone(groups.get("_Z"))
        except ValueError:
            return None
        fraction = groups.get("_f") or groups.get("fraction") or "0"
        return time.replace(microsecond=int(fraction[:6].ljust(6, "0")), tzinfo=zone)


@lru_cache(maxsize=64)
def time_format(text: str) -> TimeFormat:
    """The format of a text; see `TimeFormat`."""
    return TimeFormat(text)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """The parts of a format: each a directive, or else literal text."""
    for directive, literal in _TOKEN.findall(text):
        if literal or directive == "%":
            yield "", literal or "%"
        elif directive in _COMPOSED:
            yield from _tokens(_COMPOSED[directive])
        else:
            yield directive or _END, ""


def _problems(directives: list[str]) -> Iterator[str]:
    """Why a format with these directives cannot be used."""
    if not directives:
        yield "it has no directive such as %Y"
    for directive in directives:
        if directive not in _DIGITS and directive not in _OTHERS:
            yield "it ends within a directive" if directive == _END else f"unknown directive %{directive}"
        if directives.count(directive) > 1:
            yield f"%{directive} occurs twice"
    parts = {_PARTS.get(directive, directive) for directive in directives}
    if not any(parts.issuperset(date) for date in _DATES):
        yield "a date needs a year, a month and a day"
    if ("I" in directives) != ("p" in directives):
        yield "%I and %p need each other: the hour could be before or after noon"
    joined = _joined(directive for directive in directives if directive not in ("f", "Z"))
    try:
        datetime.strptime(_SAMPLE.strftime(joined), joined)  # noqa: DTZ007 - only checks that it parses
    except ValueError:
        yield "its directives do not go together"


def _joined(directives: Iterable[str]) -> str:
    return " ".join(f"%{directive}" for directive in directives)


def _patterns(tokens: list[tuple[str, str]]) -> Iterator[str]:
    """The regular expression of each token."""
    has_fraction = ("f", "") in tokens
    has_offset = ("z", "") in tokens
    for place, (directive, literal) in enumerate(tokens):
        if literal:
            yield "".join(r"\s+" if part.isspace() else re.escape(part) for part in re.split(r"(\s+)", literal))
        elif directive in _DIGITS:
            low, high = _DIGITS[directive]
            exact = any(map(_is_digits, (*tokens[max(0, place - 1) : place], *tokens[place + 1 : place + 2])))
            if directive == "f" and not exact:
                high = 9
            yield f"(?P<_{directive}>[0-9]{{{high if exact else low},{high}}})"
            if directive == "S" and not has_fraction:
                yield r"(?:\.(?P<fraction>[0-9]{1,9}))?"
        else:
            pattern = r"(?-i:UTC|GMT)" if directive == "Z" and has_offset else _OTHERS[directive]
            yield f"(?P<_{directive}>{pattern})"


def _is_digits(token: tuple[str, str]) -> bool:
    directive, literal = token
    return directive in _DIGITS or any(map(str.isdigit, literal))


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    return UTC if name.isalpha() else datetime.strptime(name, "%z").tzinfo

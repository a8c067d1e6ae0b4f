"""A value as people read it: in terminals and on pages."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

_PERCENT = re.compile(r"(.*[ _])?(ctr|cvr|rate|share)([ _](low|high))?")
_SECONDS = "_seconds"
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))

#: What people read where a text is missing; an event may have "–" for a text.
NO_TEXT = "(none)"

#: Characters that move a cursor, or turn the direction of what follows, are shown, not obeyed.
_VISIBLE = (
    {code: 0x2400 + code for code in range(32)}
    | dict.fromkeys(range(127, 160), 0xFFFD)
    | {code: f"\\u{code:04x}" for code in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
)


def said(value: Any) -> str:  # noqa: PLR0911 - a line for each type
    """One value: thousands parted, six significant digits of a ratio, all digits of money."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.6g}"
        case Decimal():
            return said_amounts([value])[0]
        case datetime():
            return f"{value} UTC"
        case timedelta():
            return duration_text(value)
        case bytes():
            return value.hex()
        case Mapping():
            return ", ".join(f"{name} {said(inner)}" for name, inner in value.items())
        case list() | tuple():
            return ", ".join(said(inner) for inner in value)
        case _:
            return visible(str(value))


def visible(text: str) -> str:
    """A text from outside, with its control characters and those of bidirectional text shown."""
    return text.translate(_VISIBLE)


def said_delay(seconds: float | Decimal | None) -> str:
    """A measured duration, to its two largest units: 317 d 14 h, 2 m 5 s, 1.25 s."""
    if seconds is None:
        return said(None)
    sign, size = "-" if seconds < 0 else "", abs(Decimal(seconds))
    if size < 60:
        return f"{sign}{float(f'{size:.3g}'):g} s"
    (unit, large), (then, small) = next(pair for pair in pairwise((*_UNITS, ("s", 1))) if size >= pair[0][1])
    whole, rest = divmod(round(size / small), large // small)
    return f"{sign}{whole:,} {unit}" + (f" {rest} {then}" if rest else "")


def said_read(counts: Mapping[str, int]) -> str:
    """The rows that were read; those of the clicks feed are no clicks, since one may stand for many or for none."""
    return ", ".join(f"{n:,} {'rows of the clicks feed' if feed == 'clicks' else feed}" for feed, n in counts.items())


def said_of(name: str, value: Any) -> str:
    """A value that has a name: a ratio in percent, seconds as a duration."""
    if isinstance(value, float) and is_ratio(name):
        return percent(value)
    if isinstance(value, int | float) and name.endswith(_SECONDS):
        return duration_text(timedelta(seconds=value))
    return said(value)


def is_ratio(name: str) -> bool:
    """Whether a column or fact of this name is read in percent."""
    return _PERCENT.fullmatch(name) is not None


def interval_of(name: str) -> str | None:
    """The ratio whose interval has a bound of this name."""
    of, _, end = name.rpartition("_")
    return of if end in ("low", "high") and is_ratio(of) else None


def percent(ratio: float) -> str:
    """Two decimals, or two significant digits of what is smaller than that shows."""
    hundredths = 100 * ratio
    return f"{hundredths:.2g} %" if 0 < abs(hundredths) < 0.1 else f"{hundredths:,.2f} %"


def plain_decimal(value: Decimal) -> str:
    """All digits, without an exponent and without zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration_text(value: timedelta) -> str:
    """A duration as it is written on the command line: 30d, 12h, 90m, 1.5s."""
    seconds = Decimal(value // timedelta(microseconds=1)).scaleb(-6)
    for unit, size in _UNITS:
        if seconds and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{plain_decimal(seconds)}s"


def facts_of(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each single fact: its name and what it says; what lies in a table of its own has the names of both.

    A ratio and its interval are one.
    """
    told = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            told += [(f"{_words(name)} {inner}".strip(), text) for inner, text in facts_of(value)]
        elif interval_of(name) not in facts or isinstance(value, Decimal):
            has_bounds = is_ratio(name) and isinstance(value, float)
            bounds = (facts.get(f"{name}_{end}") if has_bounds else None for end in ("low", "high"))
            told.append((_words(name.removesuffix(_SECONDS)), said_of(name, value) + said_interval(name, *bounds)))
    return told


def said_interval(name: str, low: Any, high: Any) -> str:
    """What stands behind a value of this name; nothing where it has no interval."""
    if low is None or high is None:
        return ""
    first, last = (said_of(name, bound).removesuffix(" %") for bound in (low, high))
    return f" ({first} – {last})"


def said_times(times: list[date | None]) -> list[str]:
    """Times of a column: to the day or to the minute where that is all that they say."""
    texts = ["" if time is None else time.isoformat() for time in times]
    given = [text for text in texts if text]
    for ending, length in (("T00:00:00", 10), (":00", 16)):
        if all(text.endswith(ending) for text in given):
            texts = [text[:length] for text in texts]
            break
    return [text.replace("T", " ") if text else said(None) for text in texts]


def said_amounts(amounts: Sequence[Decimal | None], most: int = 9) -> list[str]:
    """Amounts with as many decimals each as any of them needs: two at least, and at most so many."""
    needed = (len(plain_decimal(amount).partition(".")[2]) for amount in amounts if amount is not None)
    places = min(max(2, max(needed, default=2)), most)
    return [said(None) if amount is None else f"{amount:,.{places}f}" for amount in amounts]


def _words(name: str) -> str:
    return visible(name.replace("_", " "))

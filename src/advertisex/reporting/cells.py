"""Human-readable formatting of values, for terminals and pages."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

_PERCENT = re.compile(r"(.*[ _])?(ctr|cvr|rate|share|pace)([ _](low|high|previous))?")
_SECONDS = "_seconds"
#: Durations that are measured; the others are those of options, and keep their notation.
_MEASURED = frozenset({"delay_seconds"})
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))

#: Maximum decimals shown of a credit. Credits have nine; JSON and CSV contain all of them.
_CREDIT_PLACES = 3

#: Shown for missing text; "–" would be ambiguous, since it can be an actual value.
NO_TEXT = "(none)"

#: Visible replacements of control characters and of bidirectional formatting characters.
_VISIBLE = (
    {code: 0x2400 + code for code in range(32)}
    | dict.fromkeys(range(127, 160), 0xFFFD)
    | {code: f"\\u{code:04x}" for code in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
)


def format_value(value: Any) -> str:  # noqa: PLR0911 - one return per type
    """Format a value: thousands separators, six significant digits of a float, all digits of a decimal."""
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
            return format_amount(value)
        case datetime():
            return f"{value} UTC"
        case timedelta():
            return duration_text(value)
        case bytes():
            return value.hex()
        case Mapping():
            return ", ".join(f"{name} {format_value(inner)}" for name, inner in value.items())
        case list() | tuple():
            return ", ".join(format_value(inner) for inner in value)
        case _:
            return visible(str(value))


def visible(text: str) -> str:
    """Make the control and bidirectional characters of untrusted text visible."""
    return text.translate(_VISIBLE)


def format_delay(seconds: float | Decimal | None) -> str:
    """Format a measured duration in its two largest units: 317 d 14 h, 2 m 5 s, 1.25 s."""
    if seconds is None:
        return format_value(None)
    sign, size = "-" if seconds < 0 else "", abs(Decimal(seconds))
    if size < 60:
        return f"{sign}{float(f'{size:.3g}'):g} s"
    (unit, large), (then, small) = next(pair for pair in pairwise((*_UNITS, ("s", 1))) if size >= pair[0][1])
    whole, remainder = divmod(round(size / small), large // small)
    return f"{sign}{whole:,} {unit}" + (f" {remainder} {then}" if remainder else "")


def format_counts(counts: Mapping[str, int]) -> str:
    """Format the number of rows read per feed. A row of the clicks feed is not a click: it can count any number."""
    return ", ".join(f"{n:,} {'rows of the clicks feed' if feed == 'clicks' else feed}" for feed, n in counts.items())


def format_named(name: str, value: Any) -> str:
    """Format a named value: a ratio as a percentage, seconds as a duration."""
    if isinstance(value, float) and is_ratio(name):
        return percent(value)
    if isinstance(value, Decimal) and name in _MEASURED:
        return format_delay(value)
    if isinstance(value, int | float) and name.endswith(_SECONDS):
        return duration_text(timedelta(seconds=value))
    return format_value(value)


def is_ratio(name: str) -> bool:
    """Whether a column or fact of this name is shown as a percentage."""
    return _PERCENT.fullmatch(name) is not None


def interval_of(name: str) -> str | None:
    """The ratio whose confidence interval has a bound of this name, or None."""
    of, _, end = name.rpartition("_")
    return of if end in ("low", "high") and is_ratio(of) else None


def percent(ratio: float) -> str:
    """Format a ratio as a percentage with two decimals, or two significant digits if it is very small."""
    hundredths = 100 * ratio
    return f"{hundredths:.2g} %" if 0 < abs(hundredths) < 0.1 else f"{hundredths:,.2f} %"


def plain_decimal(value: Decimal) -> str:
    """Format all digits, without exponent or trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration_text(value: timedelta) -> str:
    """Format a duration in the notation of the command line: 30d, 12h, 90m, 1.5s."""
    seconds = Decimal(value // timedelta(microseconds=1)).scaleb(-6)
    for unit, size in _UNITS:
        if seconds and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{plain_decimal(seconds)}s"


def format_interval(name: str, low: Any, high: Any) -> str:
    """Format the interval that follows a value; empty if it has none."""
    if low is None or high is None:
        return ""
    first, last = (format_named(name, bound).removesuffix(" %") for bound in (low, high))
    return f" ({first} – {last})"


def format_times(times: list[date | None], *, hours: bool = False) -> list[str]:
    """Format the times of a column, to the day or minute if that loses nothing; those of hours never to the day."""
    texts = ["" if time is None else time.isoformat() for time in times]
    given = [text for text in texts if text]
    for ending, length in ((":00", 16),) if hours else (("T00:00:00", 10), (":00", 16)):
        if all(text.endswith(ending) for text in given):
            texts = [text[:length] for text in texts]
            break
    return [text.replace("T", " ") if text else format_value(None) for text in texts]


def format_amount(amount: Decimal) -> str:
    """Format an amount with all its digits, and at least two decimals."""
    places = len(plain_decimal(amount).partition(".")[2])
    return f"{amount:,.{max(2, places)}f}"


def format_credits(amounts: Sequence[Decimal | None]) -> list[str]:
    """Format credits with the same number of decimals: as many as needed, two or three."""
    needed = (len(plain_decimal(credit).partition(".")[2]) for credit in amounts if credit is not None)
    places = min(max(2, max(needed, default=2)), _CREDIT_PLACES)
    return [format_value(None) if credit is None else f"{credit:,.{places}f}" for credit in amounts]

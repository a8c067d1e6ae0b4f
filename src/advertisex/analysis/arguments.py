"""Checks the arguments of a question, so that a wrong one is reported with a hint before any event is read.

The command line applies the same checks under the names of its options, before it opens the store.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NoReturn, TypeVar

from advertisex.errors import ConfigurationError
from advertisex.limits import Limit
from advertisex.settings.zones import zone_name

T = TypeVar("T", bound=str)

#: The breakdown of a question whose numbers can be counted day by day.
ByDay = Literal["day"]

#: Longest window and half-life, a hundred years: times are 64-bit microseconds.
LONGEST = timedelta(days=36_525)

#: Largest limit of listed rows: stores count rows in 32 bits.
MOST_LISTED = Limit(1_000_000_000, "rows", of="what --limit accepts", beyond="an error of the question")


def one_of(value: object, choices: Sequence[T], name: str) -> T:
    """Return the value if it is one of the choices.

    Raises:
        ConfigurationError: it is not.
    """
    for choice in choices:
        if isinstance(value, str) and value == choice:
            return choice
    raise ConfigurationError(f"{name}: unknown value {value!r}", hint=f"use one of {', '.join(choices)}")


def optional(value: object, choices: Sequence[T], name: str) -> T | None:
    """Like `one_of`, for an argument that may be None."""
    return None if value is None else one_of(value, choices, name)


def some_of(values: object, choices: Sequence[T], name: str) -> list[T]:
    """Return the values without repetitions, if there is at least one and all are choices.

    Raises:
        ConfigurationError: they are not.
    """
    found = [] if isinstance(values, str) or not isinstance(values, Iterable) else list(values)
    if not found:
        raise ConfigurationError(
            f"{name}: expected a list of names, got {values!r}", hint=f"use one or more of {', '.join(choices)}"
        )
    return list(dict.fromkeys(one_of(value, choices, name) for value in found))


def check_duration(value: object, name: str, *, minimum: timedelta = timedelta(0)) -> timedelta:
    """Return the value if it is a duration from the minimum to a hundred years.

    Raises:
        ConfigurationError: it is not.
    """
    if not isinstance(value, timedelta):
        raise ConfigurationError(f"{name}: {value!r} is not a timedelta", hint="use timedelta(days=30), for example")
    if value < minimum:
        least = "above 0" if minimum else "0 or more"
        raise ConfigurationError(f"{name}: must be {least}, got {value}", hint="use 30 days, for example")
    if value > LONGEST:
        raise ConfigurationError(f"{name}: {value} is longer than 100 years", hint=f"use {LONGEST.days}d or less")
    return value


def check_limit(value: object) -> int:
    """Return the value if it can be the maximum number of listed rows.

    Raises:
        ConfigurationError: it is not an integer from 0 to `MOST_LISTED`.
    """
    if not isinstance(value, int) or not 0 <= value <= MOST_LISTED:
        raise ConfigurationError(f"limit: {value!r} is not valid", hint=f"use an integer from 0 to {MOST_LISTED}")
    return value


def check_zone(name: object, argument: str) -> str:
    """Return the IANA name of a time zone.

    Raises:
        ConfigurationError: it is not one.
    """
    try:
        return zone_name(name) if isinstance(name, str) else _no_zone(name, argument)
    except ValueError:
        return _no_zone(name, argument)


def check_time(value: object, name: str) -> datetime:
    """Return a time as naive UTC. A time with a zone is converted; a naive one is UTC already.

    Raises:
        ConfigurationError: it is not a datetime, or it is out of range in UTC.
    """
    if not isinstance(value, datetime):
        raise ConfigurationError(f"{name}: {value!r} is not a datetime", hint="use datetime(2026, 1, 31), for example")
    try:
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ConfigurationError(f"{name}: {value} is out of range in UTC", hint="use a time in UTC") from error


def _no_zone(name: object, argument: str) -> NoReturn:
    raise ConfigurationError(f"{argument}: unknown time zone {name!r}", hint="use an IANA name such as Europe/Paris")

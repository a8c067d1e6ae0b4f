"""The names of indices of events: their periods, and lists of names that fit into a request."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import quote

from advertisex.stores.contract import Range

#: The period in the name of an index: its format for Polars, and its pattern.
PERIODS: dict[Literal["month", "day"], tuple[str, re.Pattern[str]]] = {
    "month": ("%Y-%m", re.compile(r"-g[0-9]+-(\d{4,}-\d\d)$")),
    "day": ("%Y-%m-%d", re.compile(r"-g[0-9]+-(\d{4,}-\d\d-\d\d)$")),
}
_ANY_PERIOD = re.compile(r"-g[0-9]+-(\d{4,}-\d\d(?:-\d\d)?)$")

_LAST_YEAR = 2262
#: A request line has at most 4,096 bytes.
_LONGEST_NAMES = 3_000


def joined(names: Iterable[str]) -> Iterator[str]:
    """Names joined by commas, in parts that fit into a request line."""
    part: list[str] = []
    for name in names:
        if part and sum(map(len, map(quote, part))) + len(part) + len(quote(name)) > _LONGEST_NAMES:
            yield ",".join(part)
            part = []
        part.append(name)
    if part:
        yield ",".join(part)


def period_end(name: str) -> datetime:
    """The end of the period in the name of an index."""
    year, month, *day = _numbers(name)
    if year > _LAST_YEAR:  # Elasticsearch rejected its events
        return datetime.max  # noqa: DTZ901 - naive UTC
    if day:
        return datetime(year, month, day[0]) + timedelta(days=1)  # noqa: DTZ001 - naive UTC
    return datetime(year + month // 12, month % 12 + 1, 1)  # noqa: DTZ001 - naive UTC


def _period_start(name: str) -> datetime:
    """The start of the period in the name of an index."""
    year, month, *day = _numbers(name)
    return datetime(min(year, _LAST_YEAR), month, day[0] if day else 1)  # noqa: DTZ001 - naive UTC


def overlaps(name: str, within: Range) -> bool:
    """Whether the period of an index overlaps a range of event times."""
    is_before = within.since is not None and period_end(name) <= within.since
    return not is_before and (within.until is None or _period_start(name) < within.until)


def part_of(name: str, within: Range) -> Range:
    """The part of a range that is in an index."""
    start, end = _period_start(name), period_end(name)
    return replace(within, since=max(start, within.since or start), until=min(end, within.until or end))


def _numbers(name: str) -> list[int]:
    found = _ANY_PERIOD.search(name)
    return [int(number) for number in found[1].split("-")] if found else [_LAST_YEAR + 1, 1]

"""Attribution in plain Python: loops over lists, whole numbers and fractions. It follows docs/metrics.md alone."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
Walk = tuple[int, tuple[Any, ...], str]  # how often, the keys, and "conversion" or "null"

CREDIT, MONEY = 10**9, 10**6


@dataclass(frozen=True)
class Asked:
    by: str = "campaign_id"
    within_campaign: bool = False
    split_journeys: bool = False
    click_window: timedelta = timedelta(days=30)
    view_window: timedelta = timedelta(days=1)
    half_life: timedelta = timedelta(days=7)
    since: datetime | None = None
    until: datetime | None = None
    campaign: str | None = None

    @property
    def column(self) -> str:
        return "domain" if self.by == "website" else self.by


@dataclass
class Expected:
    credits: dict[str, dict[Any, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    value: dict[str, dict[Any, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    conversions: int = 0
    attributed: int = 0
    value_total: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    value_attributed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    touched: set[bytes] = field(default_factory=set)
    walks: list[Walk] = field(default_factory=list)


def attributed(impressions: Sequence[Row], clicks: Sequence[Row], asked: Asked) -> Expected:
    """What each key is credited, in whole units; `walks` is what the Markov chain is made of."""
    impressions, clicks = (
        sorted((r for r in rows if asked.until is None or r["event_time"] < asked.until), key=place)
        for rows in (impressions, clicks)
    )
    touches = sorted(all_touches(impressions, clicks, asked), key=place)
    enders = [row for row in clicks if (row["conversions"] or 0) > 0]
    result, held = Expected(), set()
    for conversion in enders:
        journey = [t for t in touches if belongs(t, conversion, enders, asked)]
        held |= {t["event_id"] for t in journey}
        if (asked.since is None or conversion["event_time"] >= asked.since) and (
            asked.campaign in (None, conversion["campaign_id"])
        ):
            add(result, conversion, journey, asked)
    free = [t for t in touches if t["event_id"] not in held]
    for group in sorted({group_of(t, asked) for t in free}, key=repr):
        if asked.within_campaign and asked.campaign not in (None, group[1]):
            continue
        result.walks += null_walks([t for t in free if group_of(t, asked) == group], enders, asked)
    return result


def place(row: Row) -> tuple[datetime, bytes]:
    return row["event_time"], row["event_id"]


def group_of(row: Row, asked: Asked) -> tuple[str, str | None]:
    return row["user_id"], row["campaign_id"] if asked.within_campaign else None


def all_touches(impressions: Sequence[Row], clicks: Sequence[Row], asked: Asked) -> Iterator[Row]:
    for view in impressions:
        yield view | {"key": view[asked.column], "window": asked.view_window, "is_click": False}
    for click in clicks:
        if (click["clicks"] or 0) > 0:
            found = click if asked.by == "campaign_id" else answered_by(click, impressions)
            yield click | {
                "key": found[asked.column] if found else None, "window": asked.click_window, "is_click": True,
            }  # fmt: skip


def answered_by(click: Row, impressions: Sequence[Row]) -> Row | None:
    found = [
        view
        for view in impressions
        if (view["user_id"], view["campaign_id"]) == (click["user_id"], click["campaign_id"])
        and timedelta(0) <= click["event_time"] - view["event_time"] <= timedelta(days=30)
    ]
    return max(found, key=place, default=None)


def belongs(touch: Row, conversion: Row, enders: Sequence[Row], asked: Asked) -> bool:
    age = conversion["event_time"] - touch["event_time"]
    if group_of(touch, asked) != group_of(conversion, asked) or not timedelta(0) <= age <= touch["window"]:
        return False
    return not asked.split_journeys or ender_of(touch, enders, asked) is conversion


def ender_of(touch: Row, enders: Sequence[Row], asked: Asked) -> Row | None:
    mine = [c for c in enders if c["event_id"] == touch["event_id"]] or [
        c for c in enders if group_of(c, asked) == group_of(touch, asked) and c["event_time"] >= touch["event_time"]
    ]
    return min(mine, key=place, default=None)


def null_walks(touches: Sequence[Row], enders: Sequence[Row], asked: Asked) -> Iterator[Walk]:
    walks: dict[Any, list[Any]] = {}
    for touch in touches:
        ender = ender_of(touch, enders, asked)
        if asked.since is None or touch["event_time"] >= asked.since:
            walks.setdefault(ender and ender["event_id"], []).append(touch["key"])
    for walk in walks.values():
        yield 1, tuple(walk), "null"


def add(result: Expected, conversion: Row, journey: Sequence[Row], asked: Asked) -> None:
    count, currency = conversion["conversions"], conversion["currency"]
    value = None if conversion["value"] is None else round(Fraction(conversion["value"]) * MONEY)
    result.conversions += count
    if value is not None:
        result.value_total[currency or ""] += value
    if not journey:
        return
    result.attributed += count
    result.walks.append((count, tuple(t["key"] for t in journey), "conversion"))
    result.touched |= {t["event_id"] for t in journey}
    if value is not None:
        result.value_attributed[currency or ""] += value
    for model, weights in weights_of(journey, conversion, asked):
        for touch, weight, credit in zip(journey, weights, largest_remainder(count * CREDIT, weights), strict=True):
            if weight:
                result.credits[model][touch["key"]] += credit
        if value is not None:
            for touch, weight, part in zip(journey, weights, largest_remainder(value, weights), strict=True):
                if weight:
                    result.value[model][touch["key"], currency] += part


def weights_of(journey: Sequence[Row], conversion: Row, asked: Asked) -> Iterator[tuple[str, list[Fraction]]]:
    n = len(journey)
    clicks = [i for i, t in enumerate(journey) if t["is_click"]]
    keys = [t["key"] for t in journey]
    yield "first", [Fraction(i == 0) for i in range(n)]
    yield "last", [Fraction(i == n - 1) for i in range(n)]
    yield "last_click", [Fraction(i == (clicks or [n - 1])[-1]) for i in range(n)]
    yield "linear", [Fraction(1, n)] * n
    lags = [(journey[-1]["event_time"] - t["event_time"]) / timedelta(microseconds=1) for t in journey]
    half_life = asked.half_life / timedelta(microseconds=1)
    yield "time_decay", [Fraction(math.floor(2.0 ** -(lag / half_life) * 10**12 + 0.5)) for lag in lags]
    if n <= 2:
        yield "position", [Fraction(1, n)] * n
    else:
        yield "position", [Fraction(2, 5), *[Fraction(1, 5 * (n - 2))] * (n - 2), Fraction(2, 5)]
    yield "shapley", [Fraction(keys.index(key) == i, len(set(keys))) for i, key in enumerate(keys)]


def largest_remainder(units: int, weights: Sequence[Fraction]) -> list[int]:
    shares = [units * weight / sum(weights) for weight in weights]
    whole = [math.floor(share) for share in shares]
    order = sorted(range(len(shares)), key=lambda i: (whole[i] - shares[i], i))
    for i in order[: units - sum(whole)]:
        whole[i] += 1
    return whole


# -- the Markov chain ---------------------------------------------------------------------------------------------


def removal_effects(walks: Sequence[Walk]) -> dict[Any, Fraction]:
    """By definition: the chance of a conversion is worked out anew with every walk to the key lost."""
    chain: dict[Any, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
    for count, keys, end in walks:
        for origin, target in zip([("start",), *keys], [*keys, (end,)], strict=True):
            chain[origin][target] += count
    base = chance(chain, None)
    return {key: 1 - chance(chain, (key,)) / base for key in chain if key != ("start",)}


def chance(chain: dict[Any, dict[Any, int]], without: tuple[Any] | None) -> Fraction:
    """Of a conversion from the start, where `without` is a key as a tuple: Gauss's elimination in fractions."""
    states = [state for state in chain if without is None or state != without[0]]
    rows = []
    for state in states:
        total = sum(chain[state].values())
        row = [Fraction(int(state == other)) - Fraction(chain[state].get(other, 0), total) for other in states]
        rows.append([*row, Fraction(chain[state].get(("conversion",), 0), total)])
    for i in range(len(rows)):
        pivot = next(j for j in range(i, len(rows)) if rows[j][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [cell / rows[i][i] for cell in rows[i]]
        for j in range(len(rows)):
            if j != i and rows[j][i]:
                rows[j] = [a - rows[j][i] * b for a, b in zip(rows[j], rows[i], strict=True)]
    return rows[states.index(("start",))][-1]

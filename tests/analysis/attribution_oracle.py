"""Reference implementation of attribution in plain Python, written from docs/metrics.md only."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
#: How often or with what weight, the keys, and "conversion" or "null".
Walk = tuple[int | Fraction, tuple[Any, ...], str]

CREDIT, MONEY = 10**9, 10**12


@dataclass(frozen=True)
class Question:
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
    value_gross: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    value_net: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    value_attributed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    touched: set[bytes] = field(default_factory=set)
    walks: list[Walk] = field(default_factory=list)
    valued: dict[str | None, list[Walk]] = field(default_factory=lambda: defaultdict(list))
    valued_conversions: dict[str | None, int] = field(default_factory=lambda: defaultdict(int))


def attributed(impressions: Sequence[Row], clicks: Sequence[Row], question: Question) -> Expected:
    """The credit of each key in integer units; `walks` are the input of the Markov chain."""
    impressions, clicks = (
        sorted((r for r in rows if question.until is None or r["event_time"] < question.until), key=sort_key)
        for rows in (impressions, clicks)
    )
    touches = sorted(all_touches(impressions, clicks, question), key=sort_key)
    conversions = [row for row in clicks if (row["conversions"] or 0) > 0]
    result, in_journeys = Expected(), set()
    for conversion in conversions:
        journey = [t for t in touches if belongs(t, conversion, conversions, question)]
        in_journeys |= {t["event_id"] for t in journey}
        if is_selected(conversion, question):
            add(result, conversion, journey, question)
    for row in clicks:
        if row["conversion_type"] == "refund" and row["value"] and is_selected(row, question):
            result.value_net[row["currency"] or ""] += int(Fraction(row["value"]) * MONEY)
    unconverted = [t for t in touches if t["event_id"] not in in_journeys]
    for group in sorted({group_of(t, question) for t in unconverted}, key=repr):
        if question.within_campaign and question.campaign not in (None, group[1]):
            continue
        result.walks += null_walks([t for t in unconverted if group_of(t, question) == group], conversions, question)
    return result


def is_selected(row: Row, question: Question) -> bool:
    return (question.since is None or row["event_time"] >= question.since) and (
        question.campaign in (None, row["campaign_id"])
    )


def sort_key(row: Row) -> tuple[datetime, bytes]:
    return row["event_time"], row["event_id"]


def group_of(row: Row, question: Question) -> tuple[str, str | None]:
    return row["user_id"], row["campaign_id"] if question.within_campaign else None


def all_touches(impressions: Sequence[Row], clicks: Sequence[Row], question: Question) -> Iterator[Row]:
    for view in impressions:
        yield view | {"key": view[question.column], "window": question.view_window, "is_click": False}
    for click in clicks:
        if (click["clicks"] or 0) > 0:
            found = click if question.by in ("campaign_id", "app") else matched_impression(click, impressions)
            yield click | {
                "key": found[question.column] if found else None, "window": question.click_window, "is_click": True,
            }  # fmt: skip


def matched_impression(click: Row, impressions: Sequence[Row]) -> Row | None:
    found = [
        view
        for view in impressions
        if (view["user_id"], view["campaign_id"]) == (click["user_id"], click["campaign_id"])
        and timedelta(0) <= click["event_time"] - view["event_time"] <= timedelta(days=30)
    ]
    return max(found, key=sort_key, default=None)


def belongs(touch: Row, conversion: Row, conversions: Sequence[Row], question: Question) -> bool:
    age = conversion["event_time"] - touch["event_time"]
    if group_of(touch, question) != group_of(conversion, question) or not timedelta(0) <= age <= touch["window"]:
        return False
    return not question.split_journeys or next_conversion(touch, conversions, question) is conversion


def next_conversion(touch: Row, conversions: Sequence[Row], question: Question) -> Row | None:
    mine = [c for c in conversions if c["event_id"] == touch["event_id"]] or [
        c
        for c in conversions
        if group_of(c, question) == group_of(touch, question) and c["event_time"] >= touch["event_time"]
    ]
    return min(mine, key=sort_key, default=None)


def null_walks(touches: Sequence[Row], conversions: Sequence[Row], question: Question) -> Iterator[Walk]:
    walks: dict[Any, list[Any]] = {}
    for touch in touches:
        conversion = next_conversion(touch, conversions, question)
        if question.since is None or touch["event_time"] >= question.since:
            walks.setdefault(conversion and conversion["event_id"], []).append(touch["key"])
    for walk in walks.values():
        yield 1, tuple(walk), "null"


def add(result: Expected, conversion: Row, journey: Sequence[Row], question: Question) -> None:
    count, currency = conversion["conversions"], conversion["currency"]
    value = None if conversion["value"] is None else round(Fraction(conversion["value"]) * MONEY)
    result.conversions += count
    if value is not None:
        result.value_gross[currency or ""] += value
        result.value_net[currency or ""] += value
    if not journey:
        return
    result.attributed += count
    result.walks.append((count, tuple(t["key"] for t in journey), "conversion"))
    result.touched |= {t["event_id"] for t in journey}
    if value is not None:
        result.value_attributed[currency or ""] += value
        result.valued[currency].append((value, tuple(t["key"] for t in journey), "conversion"))
        result.valued_conversions[currency] += count
    for model, weights in weights_of(journey, conversion, question):
        for touch, weight, credit in zip(journey, weights, largest_remainder(count * CREDIT, weights), strict=True):
            if weight:
                result.credits[model][touch["key"]] += credit
        if value is not None:
            for touch, weight, part in zip(journey, weights, largest_remainder(value, weights), strict=True):
                if weight:
                    result.value[model][touch["key"], currency] += part


def weights_of(journey: Sequence[Row], conversion: Row, question: Question) -> Iterator[tuple[str, list[Fraction]]]:
    n = len(journey)
    clicks = [i for i, t in enumerate(journey) if t["is_click"]]
    keys = [t["key"] for t in journey]
    yield "first", [Fraction(i == 0) for i in range(n)]
    yield "last", [Fraction(i == n - 1) for i in range(n)]
    yield "last_click", [Fraction(i == (clicks or [n - 1])[-1]) for i in range(n)]
    yield "linear", [Fraction(1, n)] * n
    lags = [(journey[-1]["event_time"] - t["event_time"]) / timedelta(microseconds=1) for t in journey]
    half_life = question.half_life / timedelta(microseconds=1)
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


def effects_by_value(expected: Expected, currency: str | None) -> dict[Any, Fraction]:
    """The effects if a conversion weighs its value in a currency, and a walk to NULL the mean value of a conversion."""
    walks = [walk for walk in expected.valued[currency] if walk[0]]
    mean = sum(Fraction(value) for value, _, _ in walks) / expected.valued_conversions[currency]
    return removal_effects([*walks, *((mean, keys, end) for _, keys, end in expected.walks if end == "null")])


def removal_effects(walks: Sequence[Walk]) -> dict[Any, Fraction]:
    """By definition: recompute the probability of a conversion with every walk to the key lost."""
    chain: dict[Any, dict[Any, Any]] = defaultdict(lambda: defaultdict(int))
    for count, keys, end in walks:
        for origin, target in zip([("start",), *keys], [*keys, (end,)], strict=True):
            chain[origin][target] += count
    base = probability(chain, None)
    return {key: 1 - probability(chain, (key,)) / base for key in chain if key != ("start",)}


def probability(chain: dict[Any, dict[Any, Any]], without: tuple[Any] | None) -> Fraction:
    """Probability of a conversion from the start without a key (as a tuple), by Gaussian elimination in fractions."""
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

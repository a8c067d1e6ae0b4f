"""The facts of an answer as text: one line each, or as cards of a page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from advertisex.reporting.amounts import exact, format_amounts, is_money
from advertisex.reporting.cells import format_interval, format_named, format_value, interval_of, is_ratio, visible
from advertisex.reporting.labels import label, words

_SECONDS = "_seconds"

#: Facts whose inner names say enough.
_UNNAMED = {"counts"}


@dataclass(frozen=True, slots=True)
class Card:
    """A fact on a page.

    Attributes:
        name: its name in words.
        texts: the text, and the exact value if the text is rounded; a fact of money has one pair for each currency.
        is_money: whether it is a fact of money.
    """

    name: str
    texts: list[tuple[str, str]]
    is_money: bool = False


@dataclass(frozen=True, slots=True)
class _Fact:
    """A formatted fact.

    Attributes:
        path: its own name after those of the facts that contain it. The name of an amount is its currency.
        text: its text.
        amount: the amount of money, if it is one.
        time: the time, if it is one.
    """

    path: tuple[str, ...]
    text: str
    amount: Decimal | None = None
    time: datetime | None = None


#: Names of nested facts that their own names would not explain.
_GROUPS = {"gross": "with invalid traffic"}


def facts_of(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Flatten facts to pairs of name and text.

    The names of nested facts are prefixed with the name of their parent. A ratio and its interval become one pair.
    """
    return [(visible(" ".join(fact.path).replace("_", " ")).strip(), fact.text) for fact in _flat(facts)]


def cards_of(facts: Mapping[str, Any]) -> list[Card]:
    """Format facts as cards. The amounts of a fact share one, and come last."""
    counts, money = [], dict[str, list[tuple[str, str]]]()
    for fact in _flat(facts):
        if fact.amount is None:
            counts.append(Card(_label(fact.path), [_to_the_second(fact)]))
        else:
            shown = f"{fact.text} {visible(fact.path[-1])}".strip(), exact(fact.amount, fact.text)
            money.setdefault(_label(fact.path[:-1]), []).append(shown)
    return counts + [Card(name, texts, is_money=True) for name, texts in money.items()]


def _to_the_second(fact: _Fact) -> tuple[str, str]:
    """The text of a fact, a time without its fractions, and the whole text if that is another one."""
    if fact.time is None or not fact.time.microsecond:
        return fact.text, ""
    return format_value(fact.time.replace(microsecond=0)), fact.text


def _flat(facts: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[_Fact]:
    for name, value in facts.items():
        if is_money(value):
            currencies = list(value)
            for currency, text in zip(currencies, format_amounts(list(value.values()), currencies), strict=True):
                yield _Fact((*path, name, currency), text, value[currency])
        elif isinstance(value, Mapping):
            yield from _flat(value, (*path, _GROUPS.get(name, name)))
        elif interval_of(name) not in facts or isinstance(value, Decimal):
            has_bounds = is_ratio(name) and isinstance(value, float)
            bounds = (facts.get(f"{name}_{end}") if has_bounds else None for end in ("low", "high"))
            text = format_named(name, value) + format_interval(name, *bounds)
            time = value if isinstance(value, datetime) else None
            yield _Fact((*path, name.removesuffix(_SECONDS)), text, time=time)


def _label(path: tuple[str, ...]) -> str:
    first, *inner = [name for name in path if name not in _UNNAMED] or path
    if inner and words(inner[0]).startswith(label(first)):
        return ": ".join(map(words, inner))  # Pearson r, not Pearson: Pearson r
    return ": ".join([label(first), *map(words, inner)])

"""Computes the credits of all models from the journeys.

The rule-based models split each conversion on its own, the Markov chain all of them together. Weighted by value, there
is a chain for each currency: a walk to CONVERSION weighs the value of its conversion, and a walk to NULL the mean value
of a conversion, so that the effects neither depend on the unit of money, nor differ from those by conversions if all
values are equal. Conversions without a value weigh nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from advertisex.analysis.attribution import markov
from advertisex.analysis.attribution.credit import credited, weights
from advertisex.analysis.attribution.journeys import is_unconverted, journeys, next_conversion
from advertisex.analysis.attribution.touches import AttributionInput, Rules
from advertisex.analysis.money import check_integers, total
from advertisex.analysis.scope import Scope
from advertisex.model import CREDIT

#: What the Markov chain weighs a conversion by when it divides value.
Weight = Literal["conversions", "value"]

_CREDITS = {"key": pl.UInt32, "currency": pl.String, "credit": pl.Int128, "value": pl.Int128}


@dataclass(frozen=True, slots=True)
class Matched:
    """Flags the conversions that have a touch, and the touches that belong to a conversion."""

    conversions: NDArray[np.bool_]
    touches: NDArray[np.bool_]

    @classmethod
    def none(cls, inputs: AttributionInput) -> "Matched":
        """Flag nothing."""
        return cls(np.zeros(inputs.conversions.height, np.bool_), np.zeros(inputs.touches.height, np.bool_))

    def add(self, journeys: pl.DataFrame) -> None:
        """Flag the conversions and touches of a frame of `journeys`."""
        self.conversions[journeys["conversion"].to_numpy()] = True
        self.touches[journeys["touch"].to_numpy()] = True


class _Chains:
    """The transitions of the walks to CONVERSION: by conversions, and by value for each currency."""

    def __init__(self, size: int, *, by_value: bool) -> None:
        self._size, self._by_value = size, by_value
        self._counts: markov.Floats | None = None
        self._valued: dict[str | None, list[pl.DataFrame]] = {}
        self._largest, self._visits = 0, 0

    def add(self, frame: pl.DataFrame) -> None:
        """Add a frame of `journeys`."""
        counts = markov.counts(self._transitions(frame, "conversions"), self._size)
        self._counts = counts if self._counts is None else self._counts + counts
        if not self._by_value:
            return
        valued = frame.filter(pl.col("value") > 0)
        largest: Any = valued["value"].max()
        self._largest, self._visits = max(self._largest, largest or 0), self._visits + valued.height
        for (currency,), part in valued.group_by("currency"):
            name = None if currency is None else str(currency)
            self._valued.setdefault(name, []).append(markov.total(self._transitions(part, "value")))

    def effects(
        self, null_walks: pl.DataFrame, attributed: pl.DataFrame
    ) -> tuple[markov.Floats, dict[str | None, markov.Floats]] | None:
        """The removal effects by conversions, and by value for each currency that has any; None without a walk."""
        if self._counts is None:
            return None
        check_integers(self._largest, 2 * self._visits)  # the steps of all walks
        nulls = markov.counts(null_walks, self._size)
        return markov.removal_effects(self._counts + nulls), {
            currency: markov.removal_effects(self._values(steps) + nulls * _mean_value(attributed, currency))
            for currency, steps in self._valued.items()
        }

    def _values(self, steps: list[pl.DataFrame]) -> markov.Floats:
        return markov.counts(markov.total(pl.concat(steps)), self._size)  # a sum may exceed 2⁵³

    def _transitions(self, frame: pl.DataFrame, weight: str) -> pl.DataFrame:
        # journeys of a frame stay in order, so the visits of a walk lie together
        end = markov.conversion(self._size)
        return markov.transitions(frame["key"], frame["conversion"], frame[weight], self._size, end)


def _mean_value(attributed: pl.DataFrame, currency: str | None) -> float:
    """The mean value of a conversion, of those with a value in the currency."""
    own = attributed.filter(
        pl.col("value").is_not_null(), pl.col("currency").eq_missing(pl.lit(currency, pl.String))
    ).select(total("value"), total("conversions"))
    return float(Fraction(*map(int, own.row(0))))


def model_credits(
    inputs: AttributionInput, rules: Rules, scope: Scope, models: Sequence[str], half_life: timedelta, weight: Weight
) -> tuple[list[pl.DataFrame], Matched]:
    """Compute the credits of each model, in chunks with the columns of `credited` and model."""
    rule_based = {model: share for model, share in weights(half_life).items() if model in models}
    parts, matched, has_markov = [], Matched.none(inputs), "markov" in models
    chains = _Chains(len(inputs.keys), by_value=weight == "value")
    for frame in journeys(inputs, rules):
        matched.add(frame)
        parts += [credited(frame, share).with_columns(model=pl.lit(model)) for model, share in rule_based.items()]
        if has_markov:
            chains.add(frame)
    attributed = inputs.conversions.filter(pl.Series(matched.conversions))
    effects = chains.effects(_null_walks(inputs, rules, scope), attributed) if has_markov else None
    if effects is not None:
        parts.append(_by_effect(attributed, *effects).with_columns(model=pl.lit("markov")))
    return parts, matched


def _null_walks(inputs: AttributionInput, rules: Rules, scope: Scope) -> pl.DataFrame:
    """The transitions of walks that end in NULL: the touches in scope that are in no conversion's journey.

    A conversion of the user splits the walk in two.
    """
    following = next_conversion(inputs)
    unconverted = pl.Series(is_unconverted(inputs, rules, following))
    since = pl.lit(scope.since, pl.Datetime("us")).dt.timestamp("us")
    touches = inputs.touches.select("group", "key", "time", following=following).filter(
        unconverted & (pl.col("time") >= since).fill_null(True)
    )
    walk = touches.select(pl.struct("group", "following").rle_id()).to_series()
    once = pl.repeat(1, touches.height, dtype=pl.Int64, eager=True)
    return markov.transitions(touches["key"], walk, once, len(inputs.keys), markov.null(len(inputs.keys)))


def _by_effect(
    attributed: pl.DataFrame, effects: markov.Floats, by_value: dict[str | None, markov.Floats]
) -> pl.DataFrame:
    """Split conversions and value by removal effect, like `credited`; credits are in rows without a value."""
    conversions = int(attributed["conversions"].cast(pl.Int128).sum())
    credit = markov.apportion(conversions * 10**CREDIT, effects)
    rows: list[tuple[int, str | None, int, int | None]] = [
        (key, None, credit[key], None) for key in _effective(effects)
    ]
    for currency, units in value_by_currency(attributed).items():
        own = by_value.get(currency, effects)
        value = markov.apportion(units, own)
        rows += [(key, currency, 0, value[key]) for key in _effective(own)]
    return pl.DataFrame(rows, schema=_CREDITS, orient="row")


def _effective(effects: markov.Floats) -> Iterator[int]:
    return (int(key) for key in np.flatnonzero(effects > 0))


def value_by_currency(conversions: pl.DataFrame) -> dict[str | None, int]:
    """Sum up the value by currency, in units of its last decimal place."""
    return dict(conversions.drop_nulls("value").group_by("currency").agg(total("value")).sort("currency").iter_rows())

"""Attribution: the contribution of each campaign, creative or website to the conversions, by several models.

A conversion's touches are the same user's clicks within the click window before it and impressions within the view
window, both ends inclusive. A click that converted is also a touch of its own conversion. `credit`, `markov` and
`shapley` define the models; `docs/metrics.md` has an example of each.

Conversions are credited in billionths and money in units of its last decimal place, both integers: for every model, the
credits and the unattributed remainder add up exactly to the total.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import check_duration, some_of
from advertisex.analysis.attribution import markov
from advertisex.analysis.attribution.credit import check_sums, credited, weights
from advertisex.analysis.attribution.journeys import is_unconverted, journeys, next_conversion
from advertisex.analysis.attribution.touches import AttributionInput, Rules, read
from advertisex.analysis.keys import key_of
from advertisex.analysis.money import decimals, scaled, total
from advertisex.analysis.scope import Scope, check_scope
from advertisex.model import CREDIT, MONEY
from advertisex.stores.contract import EventStore

#: Version 2 takes campaigns from the catalogue as of the time of the answer.
DEFINITION = "attribution/2"

Model = Literal["first", "last", "last_click", "linear", "time_decay", "position", "markov", "shapley"]

#: All models, in the order of the columns.
MODELS: tuple[Model, ...] = get_args(Model)


def attribute(
    store: EventStore,
    scope: Scope = Scope(),
    *,
    by: str = "campaign_id",
    within_campaign: bool = False,
    split_journeys: bool = False,
    models: Sequence[Model] = MODELS,
    click_window: timedelta = timedelta(days=30),
    view_window: timedelta = timedelta(days=1),
    half_life: timedelta = timedelta(days=7),
) -> Answer:
    """Credit the conversions of a scope to the touches of their users, including touches before the scope.

    Args:
        store: the event store.
        scope: scope of the conversions; for touches only its `until` and `as_of` apply.
        by: the key to credit: `website`, or a text or flag field of impressions, own fields among them; see `keys`.
            Touches without one are credited to a null key.
        within_campaign: count only touches of the conversion's own campaign.
        split_journeys: assign each touch to the next conversion only.
        models: the models to compute.
        click_window: how long before a conversion a click counts.
        view_window: how long before a conversion an impression counts.
        half_life: half-life of the time_decay model.

    Returns:
        The tables `credits` (the key, `domain` for websites, then one Decimal(38, 9) column for each model, ordered by
        the first model) and `value` (key and currency, then one Decimal(38, 12) column for each model, ordered by key
        and currency), with the keys that any model credits. The facts give the conversions and their value, in total
        (value_gross, and value_net: less the refunds in the scope) and by whether they had a touch.

    Raises:
        AnalysisError: the scope contains no conversion, there are too many keys for the markov model, or a sum of money
            may overflow.
        ConfigurationError: the scope is invalid, a window is negative, the half-life is not positive, one of them is
            longer than a hundred years, a model is unknown, or a feed does not have the key.
    """
    scope, models = check_scope(scope, store, ["clicks"]), some_of(models, MODELS, "models")
    key = key_of(store, by, ["impressions"])
    rules = Rules(
        key,
        within_campaign,
        split_journeys,
        check_duration(click_window, "click_window"),
        check_duration(view_window, "view_window"),
    )
    half_life = check_duration(half_life, "half_life", minimum=timedelta.resolution)
    inputs = read(store, scope, rules, all_users="markov" in models)
    if "markov" in models:
        markov.check(len(inputs.keys), scope.text())
    parts, matched = _model_credits(inputs, rules, scope, models, half_life)
    attributed = inputs.conversions.filter(pl.Series(matched.conversions))
    all_credits = _all_credits(parts)
    for model in models:
        check_sums(all_credits.filter(pl.col("model") == model), attributed, model)
    ranked = _table(inputs, all_credits, ["key"], models).sort(models[0], descending=True, maintain_order=True)
    value = _table(inputs, all_credits, ["key", "currency"], models)
    return Answer(
        question="attribution",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, ["impressions", "clicks"]),
        computed_from=inputs.rows,
        parameters={
            "by": by,
            "scope": "campaign" if within_campaign else "any",
            "split_journeys": split_journeys,
            "models": models,
            "click_window_seconds": click_window.total_seconds(),
            "view_window_seconds": view_window.total_seconds(),
            "half_life_seconds": half_life.total_seconds(),
        },
        lookback=rules.lookback,
        facts=_facts(inputs, attributed, matched),
        tables=[
            Table("credits", "Credited conversions", key.named(ranked)),
            Table("value", "Credited value", key.named(value)),
        ],
        charts=[
            Chart("credits", "bar", key.column, tuple(models), "Credited conversions by model"),
            *(
                Chart(
                    "value",
                    "bar",
                    key.column,
                    tuple(models),
                    "Credited value by model",
                    choice=currency or "no currency",
                    only=("currency", currency),
                )
                for currency in _most_frequent(attributed)
            ),
        ],
    )


@dataclass(frozen=True, slots=True)
class _Matched:
    """Flags the conversions that have a touch, and the touches that belong to a conversion."""

    conversions: NDArray[np.bool_]
    touches: NDArray[np.bool_]

    @classmethod
    def none(cls, inputs: AttributionInput) -> "_Matched":
        return cls(np.zeros(inputs.conversions.height, np.bool_), np.zeros(inputs.touches.height, np.bool_))

    def add(self, journeys: pl.DataFrame) -> None:
        self.conversions[journeys["conversion"].to_numpy()] = True
        self.touches[journeys["touch"].to_numpy()] = True


def _model_credits(
    inputs: AttributionInput, rules: Rules, scope: Scope, models: Sequence[str], half_life: timedelta
) -> tuple[list[pl.DataFrame], _Matched]:
    """Compute the credits of each model, in chunks with the columns of `credited` and model."""
    rule_based = {model: weight for model, weight in weights(half_life).items() if model in models}
    size, parts, steps, matched = len(inputs.keys), [], [], _Matched.none(inputs)
    for frame in journeys(inputs, rules):
        matched.add(frame)
        parts += [credited(frame, weight).with_columns(model=pl.lit(model)) for model, weight in rule_based.items()]
        if "markov" in models:
            walks = markov.transitions(
                frame["key"], frame["conversion"], frame["conversions"], size, markov.conversion(size)
            )
            steps.append(markov.total(walks))
    if steps:
        effects = markov.removal_effects(pl.concat([*steps, _null_walks(inputs, rules, scope)]), size)
        attributed = inputs.conversions.filter(pl.Series(matched.conversions))
        parts.append(_by_effect(attributed, effects).with_columns(model=pl.lit("markov")))
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


def _by_effect(attributed: pl.DataFrame, effects: markov.Floats) -> pl.DataFrame:
    """Split conversions and value by removal effect, like `credited`; credits are in rows without a value."""
    columns = {"key": pl.UInt32, "currency": pl.String, "credit": pl.Int128, "value": pl.Int128}
    credit = markov.apportion(_sum(attributed["conversions"]) * 10**CREDIT, effects)
    found: list[tuple[int, str | None, int, int | None]] = [
        (key, None, units, None) for key, units in enumerate(credit)
    ]
    for currency, units in _by_currency(attributed).items():
        found += [(key, currency, 0, part) for key, part in enumerate(markov.apportion(units, effects))]
    rows = pl.DataFrame(found, schema=columns, orient="row")
    return rows.filter(pl.Series(np.tile(effects > 0, rows.height // len(effects))))


def _all_credits(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Concatenate the credits of all models."""
    columns = {"key": pl.UInt32, "currency": pl.String, "credit": pl.Int128, "value": pl.Int128, "model": pl.String}
    return pl.concat([pl.DataFrame(schema=columns), *(part.select(*columns) for part in parts)])


def _table(
    inputs: AttributionInput, all_credits: pl.DataFrame, keys: Sequence[str], models: Sequence[str]
) -> pl.DataFrame:
    """Pivot the credits to one column for each model: conversions by key, or value by key and currency."""
    units, places = ("value", MONEY) if "currency" in keys else ("credit", CREDIT)
    sums = (
        all_credits.drop_nulls(units)
        .group_by(keys)
        .agg(pl.col(units).filter(pl.col("model") == model).sum().alias(model) for model in models)
        .sort(keys)
    )
    return sums.with_columns(
        inputs.keys[sums["key"]].alias("key"), *(decimals(sums[model], places) for model in models)
    )


def _most_frequent(conversions: pl.DataFrame) -> list[str | None]:
    """The currencies of the value, that of the most conversions first."""
    counted = conversions.drop_nulls("value").group_by("currency").agg(pl.col("conversions").sum())
    return counted.sort("conversions", "currency", descending=[True, False])["currency"].to_list()


def _sum(numbers: pl.Series) -> int:
    return int(numbers.cast(pl.Int128).sum())


def _by_currency(conversions: pl.DataFrame) -> dict[str | None, int]:
    """Sum up the value by currency, in units of its last decimal place."""
    return dict(conversions.drop_nulls("value").group_by("currency").agg(total("value")).sort("currency").iter_rows())


def _money(amounts: Mapping[str | None, int]) -> dict[str, Decimal]:
    return {currency or "": scaled(units, MONEY) for currency, units in amounts.items()}


def _facts(inputs: AttributionInput, attributed: pl.DataFrame, matched: _Matched) -> dict[str, Any]:
    targets = inputs.conversions.filter("is_target")
    conversions, found = _sum(targets["conversions"]), _sum(attributed["conversions"])
    value, refunded = _by_currency(targets), _by_currency(inputs.refunds)
    currencies = sorted(value | refunded, key=lambda currency: currency or "")
    attributed_value = dict.fromkeys(value, 0) | _by_currency(attributed)
    is_click = inputs.touches["click"].to_numpy()
    clicks, views = (int((matched.touches & kind).sum()) for kind in (is_click, ~is_click))
    return {
        "conversions": conversions,
        "attributed": found,
        "unattributed": conversions - found,
        "value_gross": _money(value),
        "value_net": _money({currency: value.get(currency, 0) + refunded.get(currency, 0) for currency in currencies}),
        "value_attributed": _money(attributed_value),
        "value_unattributed": _money(
            {currency: units - attributed_value[currency] for currency, units in value.items()}
        ),
        "touches": {"clicks": clicks, "views": views},
    }

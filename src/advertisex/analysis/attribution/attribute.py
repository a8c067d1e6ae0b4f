"""Attribution: the contribution of each campaign, creative or website to the conversions, by several models.

A conversion's touches are the same user's clicks within the click window before it and impressions within the view
window, both ends inclusive. A click that converted is also a touch of its own conversion. `credit`, `markov` and
`shapley` define the models; `docs/metrics.md` has an example of each.

Conversions are credited in billionths and money in units of its last decimal place, both integers: for every model, the
credits and the unattributed remainder add up exactly to the total.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import check_duration, one_of, some_of
from advertisex.analysis.attribution import markov
from advertisex.analysis.attribution.costs import cost_rows, spend_of
from advertisex.analysis.attribution.credit import check_sums
from advertisex.analysis.attribution.models import Matched, Weight, model_credits, value_by_currency
from advertisex.analysis.attribution.touches import AttributionInput, Rules, read
from advertisex.analysis.breakdown import Breakdown
from advertisex.analysis.impression_match import ANSWER_WINDOW
from advertisex.analysis.keys import key_of
from advertisex.analysis.money import decimals, scaled
from advertisex.analysis.performance.spend import spend_of_events
from advertisex.analysis.scope import Scope, check_scope
from advertisex.model import CREDIT, MONEY
from advertisex.stores.contract import EventStore

#: Version 3 has costs, and fields of clicks alone as filters; version 2 takes campaigns from the catalogue as of the
#: time of the answer.
DEFINITION = "attribution/3"

Model = Literal["first", "last", "last_click", "linear", "time_decay", "position", "markov", "shapley"]

#: All models, in the order of the columns.
MODELS: tuple[Model, ...] = get_args(Model)

#: What the Markov chain can weigh a conversion by when it divides value.
WEIGHTS: tuple[Weight, ...] = get_args(Weight)

_FEEDS = ("impressions", "clicks", "bids")


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
    weight: Weight = "conversions",
) -> Answer:
    """Credit the conversions of a scope to the touches of their users, including touches before the scope.

    Args:
        store: the event store.
        scope: scope of the conversions and of the costs; for touches only its `until` and `as_of` apply.
        by: the key to credit: `website`, or a text or flag field of impressions, own fields among them; see `keys`.
            Touches without one are credited to a null key.
        within_campaign: count only touches of the conversion's own campaign.
        split_journeys: assign each touch to the next conversion only.
        models: the models to compute.
        click_window: how long before a conversion a click counts.
        view_window: how long before a conversion an impression counts.
        half_life: half-life of the time_decay model.
        weight: what the markov model weighs a conversion by when it divides value, see `models`: `conversions`, its
            count, or `value`. The other models divide the value of each conversion on its own.

    Returns:
        The tables `credits` (the key, `domain` for websites, then one Decimal(38, 9) column for each model, ordered by
        the first model) and `value` (key and currency, then one Decimal(38, 12) column for each model, ordered by key
        and currency), with the keys that any model credits; and `costs`, see `cost_rows`. The facts give the spend of
        the scope by currency (Decimal), the conversions and their value, in total
        (value_gross, and value_net: less the refunds in the scope) and by whether they had a touch.

    Raises:
        AnalysisError: the scope contains no conversion, there are too many keys for the markov model, or a sum of money
            may overflow.
        ConfigurationError: the scope is invalid, a window is negative, the half-life is not positive, one of them is
            longer than a hundred years, a model or the weight is unknown, or a feed does not have the key.
    """
    scope, models = check_scope(scope, store, ["impressions", "clicks"]), some_of(models, MODELS, "models")
    weight = one_of(weight, WEIGHTS, "weight")
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
    parts, matched = model_credits(inputs, rules, scope, models, half_life, weight)
    attributed = inputs.conversions.filter(pl.Series(matched.conversions))
    all_credits = _all_credits(parts)
    for model in models:
        check_sums(all_credits.filter(pl.col("model") == model), attributed, model)
    ranked = _table(inputs, all_credits, ["key"], models).sort(models[0], descending=True, maintain_order=True)
    value = _table(inputs, all_credits, ["key", "currency"], models)
    spent = spend_of_events(store, scope, Breakdown(zone=scope.zone, field=key))
    named = all_credits.with_columns(inputs.keys[all_credits["key"]].alias("key"))
    return Answer(
        question="attribution",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, _FEEDS),
        computed_from=inputs.rows,
        parameters={
            "by": by,
            "scope": "campaign" if within_campaign else "any",
            "split_journeys": split_journeys,
            "models": models,
            "click_window_seconds": click_window.total_seconds(),
            "view_window_seconds": view_window.total_seconds(),
            "half_life_seconds": half_life.total_seconds(),
            "weight": weight,
        },
        lookback=max(rules.lookback, ANSWER_WINDOW),  # a click may cost nothing because of its impression
        facts=_facts(inputs, attributed, matched) | {"spend": spend_of(spent)},
        tables=[
            Table("credits", "Credited conversions", key.named(ranked)),
            Table("value", "Credited value", key.named(value)),
            Table("costs", "Costs by model", key.named(cost_rows(spent, named, models))),
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
        notes=spent.notes,
    )


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


def _money(amounts: Mapping[str | None, int]) -> dict[str, Decimal]:
    return {currency or "": scaled(units, MONEY) for currency, units in amounts.items()}


def _facts(inputs: AttributionInput, attributed: pl.DataFrame, matched: Matched) -> dict[str, Any]:
    targets = inputs.conversions.filter("is_target")
    conversions, found = _sum(targets["conversions"]), _sum(attributed["conversions"])
    value, refunded = value_by_currency(targets), value_by_currency(inputs.refunds)
    currencies = sorted(value | refunded, key=lambda currency: currency or "")
    attributed_value = dict.fromkeys(value, 0) | value_by_currency(attributed)
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

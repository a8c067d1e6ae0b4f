"""Attribution: what each campaign, creative or website did for the conversions, by several models.

A conversion's touches are the same user's clicks within the click window before it, and impressions within the view
window, both ends included. A click that converted is a touch of its own conversion, too. `credit`, `markov` and
`shapley` define the models; `docs/metrics.md` has an example of each.

Conversions are credited in billionths, money in millionths, both shared out as whole units: for every model, credits
and what is unattributed add up to what there was, exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from advertisex.analysis import markov
from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.credit import check_sums, credited, weights
from advertisex.analysis.exact import CREDIT, MONEY, decimals, total
from advertisex.analysis.journeys import is_free, journeys, next_conversion
from advertisex.analysis.scope import Scope
from advertisex.analysis.touches import COLUMNS, LONGEST, Key, Rules, World, read
from advertisex.errors import ConfigurationError
from advertisex.stores.contract import EventStore

DEFINITION = "attribution/1"

Model = Literal["first", "last", "last_click", "linear", "time_decay", "position", "markov", "shapley"]

#: All models, in the order of the columns.
MODELS: tuple[Model, ...] = get_args(Model)


def attribute(
    store: EventStore,
    scope: Scope,
    *,
    by: Key = "campaign_id",
    within_campaign: bool = False,
    split_journeys: bool = False,
    models: Sequence[Model] = MODELS,
    click_window: timedelta = timedelta(days=30),
    view_window: timedelta = timedelta(days=1),
    half_life: timedelta = timedelta(days=7),
) -> Answer:
    """Credit the conversions of a scope to what their users saw and clicked, also before the scope.

    Args:
        store: where the events are.
        scope: of the conversions; of the touches only its end and `as_of`.
        by: what is credited. Touches without one share a null key.
        within_campaign: only touches of the conversion's own campaign.
        split_journeys: a touch belongs to the next conversion only.
        models: which.
        click_window: how long before a conversion a click counts.
        view_window: the same for an impression.
        half_life: of the model time_decay.

    Returns:
        The tables `credits` (the key, `domain` for websites, then Decimal(38, 9) for each model, ordered by the first
        model's) and `value` (the key, currency, Decimal(38, 6) for each model, ordered by these), of keys that a model
        credits; as facts the conversions, value, and how much of both had a touch.

    Raises:
        AnalysisError: no conversion is stored there, or there are too many keys for the model markov.
        ConfigurationError: a window is negative, the half-life is not above 0, one of them is longer than a hundred
            years, or a model or key is unknown.
    """
    rules = Rules(by, within_campaign, split_journeys, click_window, view_window)
    models = list(dict.fromkeys(models))
    _check(rules, models, half_life)
    world = read(store, scope, rules, everyone="markov" in models)
    if "markov" in models:
        markov.check(len(world.keys), scope.text())
    shares, seen = _shares(world, rules, scope, models, half_life)
    attributed = world.conversions.filter(pl.Series(seen.conversions))
    given = _given(shares)
    for model in models:
        check_sums(given.filter(pl.col("model") == model), attributed, model)
    ranked = _table(world, given, ["key"], models).sort(models[0], descending=True, maintain_order=True)
    value = _table(world, given, ["key", "currency"], models)
    return Answer(
        question="attribution",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, ["impressions", "clicks"]),
        computed_from=world.rows,
        parameters={
            "by": by,
            "scope": "campaign" if within_campaign else "any",
            "split_journeys": split_journeys,
            "models": models,
            "click_window_seconds": click_window.total_seconds(),
            "view_window_seconds": view_window.total_seconds(),
            "half_life_seconds": half_life.total_seconds(),
        },
        facts=_facts(world, attributed, seen),
        tables=[
            Table("credits", "Conversions credited", ranked.rename({"key": COLUMNS[by]})),
            Table("value", "Value credited", value.rename({"key": COLUMNS[by]})),
        ],
        charts=[
            Chart("credits", "bar", COLUMNS[by], tuple(models), "Conversions credited by each model"),
            *(
                Chart("value", "bar", COLUMNS[by], (model,), f"Value credited by the model {model}", colour="currency")
                for model in models
            ),
        ],
    )


def _check(rules: Rules, models: Sequence[str], half_life: timedelta) -> None:
    if rules.by not in get_args(Key):
        raise ConfigurationError(f"nothing is credited by {rules.by!r}", hint=f"take one of {', '.join(get_args(Key))}")
    unknown = [model for model in models if model not in MODELS]
    if unknown or not models:
        raise ConfigurationError(
            f"there is no model {unknown[0]!r}" if unknown else "no model is asked for",
            hint=f"take some of {', '.join(MODELS)}",
        )
    if min(rules.click_window, rules.view_window) < timedelta(0) or half_life <= timedelta(0):
        raise ConfigurationError("windows must not be negative, and the half-life must be above 0")
    if max(rules.click_window, rules.view_window, half_life) > LONGEST:
        raise ConfigurationError(f"windows and the half-life must not be longer than {LONGEST.days} days")


@dataclass(frozen=True, slots=True)
class _Seen:
    """Which conversions have a touch, and which touches have a conversion."""

    conversions: NDArray[np.bool_]
    touches: NDArray[np.bool_]

    @classmethod
    def nothing(cls, world: World) -> "_Seen":
        return cls(np.zeros(world.conversions.height, np.bool_), np.zeros(world.touches.height, np.bool_))

    def add(self, journeys: pl.DataFrame) -> None:
        self.conversions[journeys["conversion"].to_numpy()] = True
        self.touches[journeys["touch"].to_numpy()] = True


def _shares(
    world: World, rules: Rules, scope: Scope, models: Sequence[str], half_life: timedelta
) -> tuple[list[pl.DataFrame], _Seen]:
    """What each model gives, in parts with the columns of `credited` and model, and of what that was found."""
    rule_based = {model: weight for model, weight in weights(half_life).items() if model in models}
    size, shares, steps, seen = len(world.keys), [], [], _Seen.nothing(world)
    for frame in journeys(world, rules):
        seen.add(frame)
        shares += [_named(model, credited(frame, weight)) for model, weight in rule_based.items()]
        if "markov" in models:
            walks = markov.transitions(
                frame["key"], frame["conversion"], frame["conversions"], size, markov.conversion(size)
            )
            steps.append(markov.total(walks))
    if steps:
        effects = markov.removal_effects(pl.concat([*steps, _null_walks(world, rules, scope)]), size)
        shares.append(_named("markov", _by_effect(world.conversions.filter(pl.Series(seen.conversions)), effects)))
    return shares, seen


def _null_walks(world: World, rules: Rules, scope: Scope) -> pl.DataFrame:
    """The steps of walks that end in NULL: of the touches in scope that no conversion's journey holds.

    The user's conversions cut them: what comes before one and what comes after it are two walks.
    """
    following = next_conversion(world)
    free = pl.Series(is_free(world, rules, following))
    since = pl.lit(scope.since, pl.Datetime("us")).dt.timestamp("us")
    touches = world.touches.select("group", "key", "time", following=following).filter(
        free & (pl.col("time") >= since).fill_null(True)
    )
    walk = touches.select(pl.struct("group", "following").rle_id()).to_series()
    once = pl.repeat(1, touches.height, dtype=pl.Int64, eager=True)
    return markov.transitions(touches["key"], walk, once, len(world.keys), markov.null(len(world.keys)))


def _by_effect(attributed: pl.DataFrame, effects: markov.Floats) -> pl.DataFrame:
    """Conversions and value shared by removal effect; the columns of `credited`, the credit in rows without a value."""
    columns = {"key": pl.UInt32, "currency": pl.String, "credit": pl.Int128, "value": pl.Int128}
    credit = markov.shared(_sum(attributed["conversions"]) * 10**CREDIT, effects)
    found: list[tuple[int, str | None, int, int | None]] = [
        (key, None, units, None) for key, units in enumerate(credit)
    ]
    for currency, units in _by_currency(attributed).items():
        found += [(key, currency, 0, part) for key, part in enumerate(markov.shared(units, effects))]
    rows = pl.DataFrame(found, schema=columns, orient="row")
    return rows.filter(pl.Series(np.tile(effects > 0, rows.height // len(effects))))


def _named(model: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(model=pl.lit(model))


def _given(shares: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All parts of what the models give."""
    columns = {"key": pl.UInt32, "currency": pl.String, "credit": pl.Int128, "value": pl.Int128, "model": pl.String}
    return pl.concat([pl.DataFrame(schema=columns), *(share.select(*columns) for share in shares)])


def _table(world: World, given: pl.DataFrame, keys: Sequence[str], models: Sequence[str]) -> pl.DataFrame:
    """What each model gives, a column each: conversions by key, or value by key and currency; ordered by these."""
    units, places = ("value", MONEY) if "currency" in keys else ("credit", CREDIT)
    sums = (
        given.drop_nulls(units)
        .group_by(keys)
        .agg(pl.col(units).filter(pl.col("model") == model).sum().alias(model) for model in models)
        .sort(keys)
    )
    return sums.with_columns(world.keys[sums["key"]].alias("key"), *(decimals(sums[model], places) for model in models))


def _sum(numbers: pl.Series) -> int:
    return int(numbers.cast(pl.Int128).sum())


def _by_currency(conversions: pl.DataFrame) -> dict[str | None, int]:
    """Their value in each currency, in millionths."""
    return dict(conversions.drop_nulls("value").group_by("currency").agg(total("value")).sort("currency").iter_rows())


def _money(amounts: Mapping[str | None, int]) -> dict[str, Decimal]:
    return {currency or "": Decimal(units).scaleb(-MONEY) for currency, units in amounts.items()}


def _facts(world: World, attributed: pl.DataFrame, seen: _Seen) -> dict[str, Any]:
    asked = world.conversions.filter("asked")
    conversions, found = _sum(asked["conversions"]), _sum(attributed["conversions"])
    value = _by_currency(asked)
    part = dict.fromkeys(value, 0) | _by_currency(attributed)
    is_click = world.touches["click"].to_numpy()
    return {
        "conversions": conversions,
        "attributed": found,
        "unattributed": conversions - found,
        "value_total": _money(value),
        "value_attributed": _money(part),
        "value_unattributed": _money({currency: units - part[currency] for currency, units in value.items()}),
        "touches": {"clicks": int((seen.touches & is_click).sum()), "views": int((seen.touches & ~is_click).sum())},
    }

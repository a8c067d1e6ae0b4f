"""Alert rules: the defaults, the changes made by the settings, and their evaluation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal, NamedTuple

import polars as pl

from advertisex.errors import ConfigurationError
from advertisex.monitoring.anomalies import DEVIATIONS
from advertisex.monitoring.explained import drop_explained
from advertisex.monitoring.grid import FLIGHT_METRICS, Metric
from advertisex.settings.alerts import AlertSettings, RuleSettings

#: Campaign of a rule that applies to each campaign separately.
EACH_CAMPAIGN = "*"
#: Feed of an alert that does not belong to a single feed.
ALL_FEEDS = "all"
#: Fixed bounds on ratios are only checked from this sample size on.
_MIN_MESSAGES = 20

Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Defines which values of which series are bad.

    Attributes:
        name: unique name.
        metric: the metric to monitor.
        severity: severity of the alert.
        feed: restricts the rule to one feed; None for all feeds.
        campaign: a campaign id, `EACH_CAMPAIGN`, or None for whole feeds.
        above: values above this are bad.
        below: values below this are bad.
        deviations: score at which an anomaly is bad; None to check the fixed bounds only.
    """

    name: str
    metric: Metric
    severity: Severity = "warning"
    feed: str | None = None
    campaign: str | None = None
    above: float | None = None
    below: float | None = None
    deviations: float | None = None


class Key(NamedTuple):
    """Identifies an alert."""

    rule: str
    feed: str
    campaign: str | None


class Evaluation(NamedTuple):
    """Result of a rule for one bucket. Values from `low` to `high` are good; None means unbounded.

    `recovered` is whether the value also ends an incident: it is back at least halfway from its bound to the expected
    value. Otherwise, a value close to its bound would end and begin incidents all the time.
    """

    key: Key
    bucket: datetime
    bad: bool
    value: float
    expected: float | None
    low: float | None
    high: float | None
    recovered: bool = True


def _default(name: str, metric: Metric, severity: Severity = "warning", campaign: str | None = None) -> AlertRule:
    return AlertRule(name, metric, severity, campaign=campaign, deviations=DEVIATIONS)


DEFAULTS = (
    _default("silence", "silence", "critical"),
    _default("volume", "volume"),
    _default("ctr", "ctr"),
    _default("cvr", "cvr"),
    _default("rejects", "reject_share"),
    _default("duplicates", "duplicate_share"),
    _default("delay", "delay"),
    _default("campaign_volume", "volume", campaign=EACH_CAMPAIGN),
    _default("campaign_ctr", "ctr", campaign=EACH_CAMPAIGN),
    _default("campaign_cvr", "cvr", campaign=EACH_CAMPAIGN),
    # fixed bounds, which need no history
    AlertRule("mostly_rejected", "reject_share", "critical", above=0.5),
    AlertRule("clock_ahead", "delay", "warning", below=-60.0),
    AlertRule("behind", "lag", "critical", above=900.0),
    AlertRule("pacing", "pace", campaign=EACH_CAMPAIGN, below=0.9),
    AlertRule("far_behind", "pace", "critical", campaign=EACH_CAMPAIGN, below=0.75),
    AlertRule("overspend", "projected_spend", campaign=EACH_CAMPAIGN, above=1.1),
    AlertRule("budget_exhausted", "budget_spent", campaign=EACH_CAMPAIGN, above=1.0),
)


def rules_of(settings: AlertSettings) -> list[AlertRule]:
    """The active rules: the defaults with changes from the settings, then the rules added by the settings.

    Raises:
        ConfigurationError: a rule is incomplete or contradictory.
    """
    known = {rule.name: rule for rule in DEFAULTS}
    added = [name for name in settings.rules if name not in known]
    changed = [_rule(name, settings.rules.get(name), known.get(name)) for name in [*known, *added]]
    return [rule for rule in changed if rule is not None]


def _rule(name: str, given: RuleSettings | None, default: AlertRule | None) -> AlertRule | None:
    if given is None:
        return default
    if given.off:
        return None
    metric = given.metric or (default.metric if default else None)
    if metric is None:
        raise _invalid(name, "missing metric", f"set alerts.rules.{name}.metric")
    has_bounds = (given.above, given.below, given.deviations) != (None, None, None)
    bounds = given if has_bounds else default
    above, below, deviations = (bounds.above, bounds.below, bounds.deviations) if bounds else (None, None, DEVIATIONS)
    if above is not None and below is not None and above < below:
        raise _invalid(name, "every value is bad, since `above` is less than `below`", "swap `above` and `below`")
    if metric in ("lag", *FLIGHT_METRICS) and deviations is not None:
        raise _invalid(name, f"{metric} requires a fixed bound", f"set `{'below' if metric == 'pace' else 'above'}`")
    if metric == "silence" and deviations is None:
        raise _invalid(name, "silence does not support fixed bounds", "use metric `volume` with `below`")
    of_flights = metric in FLIGHT_METRICS
    campaign = given.campaign or (default.campaign if default else EACH_CAMPAIGN if of_flights else None)
    if campaign and metric not in ("volume", "ctr", "cvr") and not of_flights:
        raise _invalid(name, f"{metric} is not available per campaign", "remove `campaign`, or use volume, ctr or cvr")
    if given.feed and of_flights:
        raise _invalid(name, f"{metric} is not available per feed", "remove `feed`")
    return AlertRule(
        name,
        metric,
        given.severity or (default.severity if default else "warning"),
        given.feed or (default.feed if default else None),
        campaign,
        above,
        below,
        deviations,
    )


def _invalid(name: str, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"setting alerts.rules.{name}: {what}", hint=hint, setting=("alerts", "rules", name))


def evaluations(rules: Sequence[AlertRule], evaluated: pl.DataFrame) -> list[Evaluation]:
    """Apply rules to evaluated buckets.

    Args:
        rules: the rules.
        evaluated: evaluated buckets of all metrics, with the schema `anomalies.EVALUATED`.

    Returns:
        One result per rule, series and bucket with enough data, ordered by bucket.
    """
    found: list[Evaluation] = []
    for deviations, group in groupby(sorted(rules, key=_deviations), _deviations):
        flagged = drop_explained(flag_anomalies(evaluated, deviations)) if deviations else evaluated
        for rule in group:
            found += _evaluations(rule, _select(rule, flagged))
    return sorted(found, key=lambda evaluation: evaluation.bucket)


def evaluate_lag(rules: Sequence[AlertRule], bucket: datetime, seconds: float) -> list[Evaluation]:
    """Apply the lag rules to the current processing lag, which is not part of the evaluated buckets."""
    return [
        Evaluation(
            Key(rule.name, ALL_FEEDS, None),
            bucket,
            (rule.above is not None and seconds > rule.above) or (rule.below is not None and seconds < rule.below),
            seconds,
            None,
            rule.below,
            rule.above,
        )
        for rule in rules
        if rule.metric == "lag"
    ]


def _deviations(rule: AlertRule) -> float:
    return rule.deviations or 0.0


def _select(rule: AlertRule, evaluated: pl.DataFrame) -> pl.DataFrame:
    """The rows that a rule applies to."""
    campaign = pl.col("campaign")
    selected = campaign.eq_missing(rule.campaign) if rule.campaign != EACH_CAMPAIGN else campaign.is_not_null()
    if rule.feed:
        selected &= pl.col("feed") == rule.feed
    return evaluated.filter((pl.col("metric") == rule.metric) & selected)


def _evaluations(rule: AlertRule, rows: pl.DataFrame) -> Iterator[Evaluation]:
    checked = rows if rule.deviations else _check_bounds(rows, rule)
    columns = ("feed", "campaign", "bucket", "bad", "value", "expected", "low", "high", "recovered")
    for feed, campaign, *rest in checked.select(columns).iter_rows():
        yield Evaluation(Key(rule.name, feed, campaign), *rest)


def flag_anomalies(evaluated: pl.DataFrame, deviations: float) -> pl.DataFrame:
    """Add `low`, `high`, `bad` and `recovered` to the rows that have a baseline, and drop the others.

    Values from `low` to `high` are normal; a null bound is unbounded. The upper bound of counts and ratios uses the
    square root transformation, which gives independent events a standard deviation of 1/2 at any level (Bartlett, "The
    Square Root Transformation in Analysis of Variance", JRSS Supplement 3, 1936): (√expected + deviations / 2)². The
    lower bound does not, because that would alert too early.
    """
    is_counted = pl.col("metric") != "delay"
    by = deviations * pl.col("scale")
    up = pl.when(is_counted).then(deviations**2 / 4 / pl.col("of")).otherwise(0.0)
    low = pl.min_horizontal(pl.col("expected") - by, "least_low")
    high = pl.max_horizontal(pl.col("expected") + by + up, "least_high")
    known = pl.col("scale").is_not_null()
    bounded = evaluated.filter(pl.col("expected").is_not_null()).with_columns(
        low=pl.when(known & low.is_finite() & ~(is_counted & (low < 0))).then(low), high=pl.when(known).then(high)
    )
    silent = pl.col("metric") == "silence"
    halfway = pl.col("value").is_between((low + pl.col("expected")) / 2, (high + pl.col("expected")) / 2)
    return bounded.with_columns(
        bad=pl.when(silent).then(pl.col("score") >= deviations).otherwise(_is_outside()),
        recovered=silent | halfway.fill_null(value=True),
    )


def _is_outside() -> pl.Expr:
    """Whether the value lies outside `low` to `high`."""
    value = pl.col("value")
    return (value < pl.col("low")).fill_null(value=False) | (value > pl.col("high")).fill_null(value=False)


def _check_bounds(rows: pl.DataFrame, rule: AlertRule) -> pl.DataFrame:
    own = rows.with_columns(value=pl.col("own"), of=pl.col("own_of"))
    sampled = pl.col("of") >= (1 if rule.metric == "volume" else _MIN_MESSAGES)
    expected, low, high = (pl.lit(bound, pl.Float64) for bound in (None, rule.below, rule.above))
    return (
        own.filter(sampled)
        .with_columns(expected=expected, low=low, high=high)
        .with_columns(bad=_is_outside(), recovered=pl.lit(value=True))
    )

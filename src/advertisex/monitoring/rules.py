"""The rules of alerts: which values are bad. The default ones, and what the settings make of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal, NamedTuple

import polars as pl

from advertisex.errors import ConfigurationError
from advertisex.monitoring.anomalies import DEVIATIONS
from advertisex.monitoring.grid import Metric
from advertisex.settings import AlertSettings, RuleSettings

#: As the campaign of a rule: each one by itself.
EACH = "*"
#: As the feed of an alert: not of one of them.
ALL_FEEDS = "all"
#: A share of fewer messages than these is no share.
_SAMPLE = 20

Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Which values of which series are bad.

    Attributes:
        name: unique.
        metric: what is watched.
        severity: how grave it is.
        feed: only this one; None for all.
        campaign: this one, `EACH`, or None for feeds as a whole.
        above: a value above it is bad.
        below: a value below it is bad.
        deviations: an anomaly of so many deviations is bad; None: it watches the bounds alone.
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
    """What an alert is about."""

    rule: str
    feed: str
    campaign: str | None


class Evaluation(NamedTuple):
    """What a rule says of one bucket: a value is good from low to high; None is no such bound."""

    key: Key
    bucket: datetime
    bad: bool
    value: float
    expected: float | None
    low: float | None
    high: float | None


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
    _default("campaign_volume", "volume", campaign=EACH),
    _default("campaign_ctr", "ctr", campaign=EACH),
    _default("campaign_cvr", "cvr", campaign=EACH),
    # these need no history
    AlertRule("mostly_rejected", "reject_share", "critical", above=0.5),
    AlertRule("clock_ahead", "delay", "warning", below=-60.0),
    AlertRule("behind", "lag", "critical", above=900.0),
)


def rules_of(settings: AlertSettings) -> list[AlertRule]:
    """The rules that hold: the default ones as the settings change them, then those that the settings add.

    Raises:
        ConfigurationError: a rule says too little, or what cannot be.
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
        raise _wrong(name, "it does not say what it watches", f"set alerts.rules.{name}.metric")
    has_bounds = (given.above, given.below, given.deviations) != (None, None, None)
    bounds = given if has_bounds else default
    above, below, deviations = (bounds.above, bounds.below, bounds.deviations) if bounds else (None, None, DEVIATIONS)
    if above is not None and below is not None and above < below:
        raise _wrong(name, "every value is above the one bound or below the other", "let `above` be the larger one")
    if metric == "lag" and deviations is not None:
        raise _wrong(name, "nothing is expected of the lag", "give it a bound with `above`")
    if metric == "silence" and deviations is None:
        raise _wrong(name, "a silence has no bounds", "watch the volume with `below`")
    campaign = given.campaign or (default.campaign if default else None)
    if campaign and metric not in ("volume", "ctr", "cvr"):
        raise _wrong(name, f"{metric} is of whole feeds", "leave the campaign out, or watch volume, ctr or cvr")
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


def _wrong(name: str, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"setting alerts.rules.{name}: {what}", hint=hint)


def evaluations(rules: Sequence[AlertRule], evaluated: pl.DataFrame) -> list[Evaluation]:
    """What the rules say of each bucket that they can judge, in the order of the buckets.

    Args:
        rules: the rules.
        evaluated: `anomalies.JUDGED`, of all metrics.
    """
    found: list[Evaluation] = []
    for deviations, alike in groupby(sorted(rules, key=_deviations), _deviations):
        said = _unexplained(with_bad(evaluated, deviations)) if deviations else evaluated
        for rule in alike:
            found += _evaluations(rule, _of(rule, said))
    return sorted(found, key=lambda evaluation: evaluation.bucket)


def of_lag(rules: Sequence[AlertRule], bucket: datetime, seconds: float) -> list[Evaluation]:
    """What the rules say of how far processing is behind the log, which no judged bucket tells."""
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


def _of(rule: AlertRule, evaluated: pl.DataFrame) -> pl.DataFrame:
    """What a rule is about."""
    campaign = pl.col("campaign")
    of = campaign.eq_missing(rule.campaign) if rule.campaign != EACH else campaign.is_not_null()
    if rule.feed:
        of &= pl.col("feed") == rule.feed
    return evaluated.filter((pl.col("metric") == rule.metric) & of)


def _evaluations(rule: AlertRule, mine: pl.DataFrame) -> Iterator[Evaluation]:
    said = mine if rule.deviations else _against_bounds(mine, rule)
    columns = ("feed", "campaign", "bucket", "bad", "value", "expected", "low", "high")
    for feed, campaign, *rest in said.select(columns).iter_rows():
        yield Evaluation(Key(rule.name, feed, campaign), *rest)


def with_bad(evaluated: pl.DataFrame, deviations: float) -> pl.DataFrame:
    """Only what can be judged, with `low` and `high`, between which a value is as expected, and `bad`.

    A bound is null where there is none. Whether a count is too high is told by its square root, the spread of which is
    1/2 where events come independently, whatever is expected (Bartlett, "The Square Root Transformation in Analysis of
    Variance", JRSS Supplement 3, 1936): from (√expected + deviations / 2)² on. Downward that would warn too soon.
    """
    counted = pl.col("metric") != "delay"
    by = deviations * pl.col("scale")
    up = pl.when(counted).then(deviations**2 / 4 / pl.col("of")).otherwise(0.0)
    low = pl.min_horizontal(pl.col("expected") - by, "least_low")
    high = pl.max_horizontal(pl.col("expected") + by + up, "least_high")
    known = pl.col("scale").is_not_null()
    bounded = evaluated.filter(pl.col("expected").is_not_null()).with_columns(
        low=pl.when(known & low.is_finite() & ~(counted & (low < 0))).then(low), high=pl.when(known).then(high)
    )
    silent = pl.col("metric") == "silence"
    return bounded.with_columns(bad=pl.when(silent).then(pl.col("score") >= deviations).otherwise(_is_outside()))


def _is_outside() -> pl.Expr:
    """Whether a value is below `low` or above `high`."""
    value = pl.col("value")
    return (value < pl.col("low")).fill_null(value=False) | (value > pl.col("high")).fill_null(value=False)


def _against_bounds(mine: pl.DataFrame, rule: AlertRule) -> pl.DataFrame:
    own = mine.with_columns(value=pl.col("own"), of=pl.col("own_of"))
    sampled = pl.col("of") >= (1 if rule.metric == "volume" else _SAMPLE)
    expected, low, high = (pl.lit(bound, pl.Float64) for bound in (None, rule.below, rule.above))
    return own.filter(sampled).with_columns(expected=expected, low=low, high=high).with_columns(bad=_is_outside())


def _unexplained(said: pl.DataFrame) -> pl.DataFrame:
    """Without what something larger explains: anything by the silence of its feed, a campaign by its feed."""
    bad, metric = said.filter("bad"), pl.col("metric")
    keys = ["bucket", "feed"]
    silent = bad.filter(metric == "silence").select(keys)
    of_feeds = bad.filter(pl.col("campaign").is_null()).select(*keys, "metric")
    feeds, campaigns = said.filter(pl.col("campaign").is_null()), said.filter(pl.col("campaign").is_not_null())
    kept = pl.concat([feeds.filter(metric != "silence"), campaigns.join(of_feeds, on=[*keys, "metric"], how="anti")])
    return pl.concat([feeds.filter(metric == "silence"), kept.join(silent, on=keys, how="anti")])

"""Simulated days as tallies, with daily and weekly seasons; fast enough for months of data."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from advertisex.monitoring.anomalies import evaluate
from advertisex.monitoring.grid import grids
from advertisex.monitoring.rules import Evaluation, Key, evaluations, rules_of
from advertisex.monitoring.series import TALLY
from advertisex.monitoring.states import State, step
from advertisex.settings.alerts import AlertSettings

START = datetime(2026, 3, 2)  # a Monday
DEFAULTS = AlertSettings()
FEEDS = ("impressions", "clicks", "bids")


@dataclass(frozen=True)
class Days:
    """Expected counts and rates, (feeds, buckets) or (buckets,). Incidents change these."""

    bucket: timedelta
    rate: np.ndarray  # of impressions
    ctr: np.ndarray
    cvr: np.ndarray
    rejects: np.ndarray  # (3, T)
    duplicates: np.ndarray
    delay: np.ndarray  # seconds
    present: np.ndarray  # 1, or 0 where the feed has stopped


def quiet(days: int, bucket: timedelta, impressions_a_day: float, peak: float = 0.7, weekend: float = 0.8) -> Days:
    """Days without incidents: a daily season between 1 - peak and 1 + peak, and fewer events on weekends."""
    a_day = timedelta(days=1) // bucket
    t = np.arange(days * a_day)
    hour = (t % a_day) / a_day * 2 * np.pi
    of_week = np.where((t // a_day) % 7 >= 5, weekend, 1.0)
    season = (1 - peak * np.cos(hour - 0.5) + 0.15 * np.sin(2 * hour)) * of_week
    whole = np.ones((3, len(t)))
    return Days(
        bucket,
        rate=season * impressions_a_day / a_day,
        ctr=0.05 * (1 + 0.2 * np.sin(hour)),
        cvr=np.full(len(t), 0.1),
        rejects=0.01 * whole,
        duplicates=0.02 * whole,
        delay=4.0 * whole,
        present=whole,
    )


def tallies(days: Days, seed: int, campaigns: int = 0) -> pl.DataFrame:
    """Tallies (`series.TALLY`) with Poisson noise and a slow drift of the level, like real traffic."""
    rng = np.random.default_rng(seed)
    buckets = len(days.rate)
    drift = np.exp(_slow(rng, buckets, 0.08))
    level = days.rate * drift
    seen = rng.poisson(level * days.present[0])
    clicked = rng.poisson(level * days.ctr * days.present[1])
    counts = (seen, clicked, rng.poisson(level * 2 * days.present[2]))
    times = [START + k * days.bucket for k in range(buckets)]
    frames = []
    for number, feed in enumerate(FEEDS):
        bad = rng.binomial(counts[number], days.rejects[number])
        twice = rng.binomial(counts[number] - bad, days.duplicates[number])
        events = counts[number] - bad - twice
        noise = rng.gamma(8, 1 / 8, buckets) * np.exp(_slow(rng, buckets, 0.1))
        delay = days.delay[number] * noise
        frames.append(_frame(times, feed, None, counts[number], events, twice, bad, delay, rng, days))
    if campaigns:
        share = rng.dirichlet(np.full(campaigns, 2.0))
        for part, name in zip(share, range(campaigns), strict=True):
            for number, feed in enumerate(("impressions", "clicks")):
                events = rng.binomial(counts[number], part)
                frames.append(
                    _frame(times, feed, f"k{name}", 0 * events, events, 0 * events, 0 * events, None, rng, days)
                )
    found = pl.concat(frames, how="diagonal_relaxed").filter((pl.col("events") > 0) | (pl.col("read") > 0))
    return found.select(pl.col(name).cast(dtype) for name, dtype in TALLY.items())


def _slow(rng: np.random.Generator, buckets: int, spread: float) -> np.ndarray:
    """Autocorrelated noise."""
    keep, value, out = 0.9, 0.0, np.empty(buckets)
    steps = rng.normal(0, spread * np.sqrt(1 - keep**2), buckets)
    for place, change in enumerate(steps):
        value = keep * value + change
        out[place] = value
    return out


def _frame(times, feed, campaign, read, events, twice, bad, delay, rng, days) -> pl.DataFrame:
    clicks = events if feed == "clicks" else 0 * events
    conversions = rng.binomial(clicks, days.cvr) if feed == "clicks" else clicks
    return pl.DataFrame(
        {
            "bucket": pl.Series(times, dtype=pl.Datetime("us")), "feed": feed, "campaign": campaign,
            "events": events, "clicks": clicks, "conversions": conversions,
            "delay": pl.Series(delay if delay is not None else [None] * len(times), dtype=pl.Float64),
            "read": read, "duplicate": twice, "rejected": bad,
        },
        schema_overrides={"campaign": pl.String},
    )  # fmt: skip


def evaluated(tallied: pl.DataFrame, days: Days, since: int = 0, settings: AlertSettings = DEFAULTS) -> pl.DataFrame:
    """Evaluate every bucket from the given one on."""
    until = START + len(days.rate) * days.bucket
    found = [
        evaluate(grid, START + since * days.bucket, until, timedelta(days=28))
        for grid in grids(tallied, until, settings.model_copy(update={"bucket": days.bucket}))
    ]
    return pl.concat(found)


def changed(days: Days, **arrays: np.ndarray) -> Days:
    return replace(days, **arrays)


def fired(evaluated_buckets: pl.DataFrame) -> list[tuple[Key, datetime]]:
    """The alerts that fire under the default rules, each with the bucket in which it fires."""
    settings = AlertSettings()
    rules = rules_of(settings)
    by_bucket: dict[datetime, list[Evaluation]] = defaultdict(list)
    for evaluation in evaluations(rules, evaluated_buckets):
        by_bucket[evaluation.bucket].append(evaluation)
    severities = {rule.name: rule.severity for rule in rules}
    states: dict[Key, State] = {}
    found = []
    for bucket in sorted(by_bucket):
        before, states = states, step(states, by_bucket[bucket], severities, settings.pending, settings.cooldown)
        for key, state in states.items():
            if state.fired == bucket and (key not in before or before[key].fired != bucket):
                found.append((key, bucket))
    return found

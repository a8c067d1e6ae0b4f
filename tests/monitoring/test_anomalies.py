"""Anomaly detection on tallies: quiet months, incidents at several hours, and the formulas computed by hand."""

import statistics
from datetime import timedelta
from itertools import product

import numpy as np
import polars as pl
import pytest

from advertisex.monitoring.anomalies import evaluate
from advertisex.monitoring.grid import Grid, SeriesKey
from advertisex.monitoring.rules import Key, flag_anomalies
from tests.budget import some, usually
from tests.monitoring.simulated_days import START, Days, changed, evaluated, fired, quiet, tallies

QUARTER = timedelta(minutes=15)
MONTHS = usually(6, thorough=21)  # of simulated quiet days
DAYS = 30


@pytest.mark.parametrize(
    ("bucket", "impressions_a_day", "campaigns"),
    some([(QUARTER, 200_000, 0), (QUARTER, 20_000, 3), (timedelta(hours=1), 5_000, 5)], 2),
)
def test_quiet_months_raise_fewer_than_one_false_alert_a_week(
    bucket: timedelta, impressions_a_day: float, campaigns: int
) -> None:
    days = quiet(DAYS, bucket, impressions_a_day)
    by_month = [fired(evaluated(tallies(days, seed, campaigns), days)) for seed in range(MONTHS // 3)]
    assert max(map(len, by_month)) < DAYS / 7, by_month
    assert sum(map(len, by_month)) <= 1, by_month  # measured; see docs/monitoring.md


def incident(name: str, days: Days, at: int) -> Days:
    """The same days with an incident that starts at a bucket."""
    on = (np.arange(len(days.rate)) >= at) * 1.0
    only = np.array([[0.0], [1.0], [0.0]]) * on  # the clicks feed
    since = np.arange(len(on)) - at + 1
    what = {
        "a feed stops": {"present": days.present - only},
        "rejects jump": {"rejects": days.rejects + 0.3 * only},
        "duplicates jump": {"duplicates": days.duplicates + 0.4 * only},
        "CTR collapses": {"ctr": days.ctr * (1 - 0.8 * on)},
        "a clock is an hour late": {"delay": days.delay + 3600 * only},
        "a clock is an hour ahead": {"delay": days.delay - 3600 * only},
        "a delay grows": {"delay": days.delay + 60 * only * since},
    }
    return changed(days, **what[name])


RULES = {
    "a feed stops": "silence",
    "rejects jump": "rejects",
    "duplicates jump": "duplicates",
    "CTR collapses": "ctr",
    "a clock is an hour late": "delay",
    "a clock is an hour ahead": "clock_ahead",
    "a delay grows": "delay",
}


@pytest.mark.parametrize(("name", "hour"), some(product(RULES, [3, 9, 15, 21]), 9))
def test_an_incident_is_found_within_five_buckets_at_any_hour(name: str, hour: int) -> None:
    day, a_day = 8, timedelta(days=1) // QUARTER
    at = day * a_day + hour * a_day // 24
    days = incident(name, quiet(day + 1, QUARTER, 200_000), at)
    for seed in range(3):
        found = [
            (key.rule, (bucket - START) // QUARTER - at + 1)
            for key, bucket in fired(evaluated(tallies(days, 100 + seed), days, since=day * a_day))
        ]
        notified = [after for rule, after in found if rule == RULES[name]]
        assert notified, f"seed {seed}: not found"
        assert 0 < min(notified) <= 5, f"seed {seed}: found after {min(notified)} buckets"


def test_buckets_without_enough_history_are_not_evaluated() -> None:
    days = quiet(5, QUARTER, 50_000)
    known = evaluated(tallies(days, 1), days).filter(pl.col("expected").is_not_null())
    first = dict(known.group_by("metric").agg(pl.col("bucket").min()).iter_rows())
    assert first.pop("volume") == START + timedelta(days=3), "volume has a daily season: it takes three days to learn"
    assert set(first.values()) == {START + timedelta(days=1)}
    assert len(first) == 6


def test_a_lasting_incident_does_not_become_the_baseline() -> None:
    day, a_day = 8, timedelta(days=1) // QUARTER
    at = day * a_day + 1
    for name in ("CTR collapses", "rejects jump", "a clock is an hour late", "a feed stops"):
        days = incident(name, quiet(day + 2, QUARTER, 200_000), at)
        found = flag_anomalies(evaluated(tallies(days, 5), days, since=at + 8), 5.0)
        metric = {"rejects": "reject_share"}.get(RULES[name], RULES[name])
        mine = found.filter((pl.col("feed") == "clicks") & (pl.col("metric") == metric))
        assert mine["bad"].mean() > 0.9, f"{name}: not flagged on the second day"


def test_one_bad_day_does_not_make_the_next_one_anomalous() -> None:
    days = quiet(10, QUARTER, 100_000)
    was = np.ones(len(days.rate))
    was[8 * 96 : 9 * 96] = 0.05
    days = changed(days, rate=days.rate * was)
    assert fired(evaluated(tallies(days, 2), days, since=9 * 96 + 4)) == []


def test_a_new_campaign_is_not_compared_with_the_time_before_its_start() -> None:
    days = quiet(9, QUARTER, 100_000)
    late = tallies(days, 1, campaigns=2).filter(
        (pl.col("campaign") != "k1") | pl.col("campaign").is_null() | (pl.col("bucket") >= START + timedelta(days=4))
    )
    found = evaluated(late, days).filter(pl.col("campaign") == "k1")
    volume = found.filter(pl.col("metric") == "volume")
    assert volume["bucket"].min() == START + timedelta(days=4)
    assert volume.filter(pl.col("expected").is_not_null())["bucket"].min() == START + timedelta(days=7)
    assert flag_anomalies(found, 5.0).filter("bad").is_empty()


@pytest.mark.parametrize("bucket", [timedelta(minutes=1), timedelta(hours=12), timedelta(days=1)])
def test_any_bucket_length_that_divides_a_day_works(bucket: timedelta) -> None:
    day = 6
    days = incident("rejects jump", quiet(day + 1, bucket, 200_000), day * (timedelta(days=1) // bucket))
    found = flag_anomalies(
        evaluated(tallies(days, 1, campaigns=1), days, since=day * (timedelta(days=1) // bucket)), 5.0
    )
    assert set(found["metric"]) == {"volume", "silence", "ctr", "cvr", "reject_share", "duplicate_share", "delay"}
    bad = found.filter("bad")
    assert set(bad["metric"]) == {"reject_share"}
    assert set(bad["feed"]) == {"clicks"}


# -- computed by hand --------------------------------------------------------------------------------------------


def grid(metric: str, x: np.ndarray, n: np.ndarray, bucket: timedelta = timedelta(hours=1)) -> Grid:
    return Grid(metric, [SeriesKey("clicks", None)], START, bucket, x[None, :], n[None, :])  # type: ignore[arg-type]


def test_the_score_of_a_count_is_as_defined() -> None:
    rng = np.random.default_rng(4)
    x = rng.poisson(100, 24 * 6).astype(float)
    x[-1] = 400
    (row,) = evaluate(
        grid("volume", x, np.ones(len(x))), START + timedelta(hours=143), START + timedelta(days=6), timedelta(days=5)
    ).iter_rows(named=True)

    days = x.reshape(6, 24)
    expected = statistics.median(days[:5, 23])
    between = [
        abs(days[d, h] - days[d - 1, h]) / ((days[d, h] + days[d - 1, h]) / 2) for d in range(1, 5) for h in range(24)
    ]
    spread = 1.4826 * statistics.median(between) / 2**0.5
    scale = max(spread * expected, expected**0.5, 0.05 * expected) * (1 + np.pi / 2 / 5) ** 0.5
    assert (row["value"], row["expected"]) == (400, expected)
    assert row["scale"] == pytest.approx(scale)
    assert row["score"] == pytest.approx((400 - expected) / scale)
    (bounds,) = flag_anomalies(pl.DataFrame([row], schema_overrides={"campaign": pl.String}), 5.0).iter_rows(named=True)
    assert bounds["high"] == pytest.approx(max(expected + 5 * scale + 6.25, 2 * expected))
    assert bounds["low"] == pytest.approx(min(expected - 5 * scale, expected / 2))
    assert bounds["bad"]


def test_rare_events_are_pooled_over_several_buckets() -> None:
    hours = 24 * 5
    n = np.full(hours, 200.0)
    x = np.full(hours, 20.0)  # 10 %, 20 an hour: three hours reach the minimum of 60
    x[-3:] = 5
    (row,) = evaluate(
        grid("ctr", x, n), START + timedelta(hours=hours - 1), START + timedelta(hours=hours), timedelta(days=4)
    ).iter_rows(named=True)
    assert (row["value"], row["of"], row["expected"]) == (pytest.approx(15 / 600), 600, pytest.approx(0.1))


def test_silence_is_flagged_once_enough_events_are_missing() -> None:
    x = np.full(24 * 5, 5.0)
    x[-6:] = 0
    found = evaluate(
        grid("silence", x, np.ones(len(x))), START + timedelta(hours=113), START + timedelta(days=5), timedelta(days=4)
    )
    assert found["score"].to_list() == pytest.approx([0, *(5 * 5 * hours / 14 for hours in range(1, 7))])
    assert flag_anomalies(found, 5.0)["bad"].to_list() == [False, False, False, True, True, True, True]


def test_a_feed_with_events_in_every_fourth_bucket_is_never_silent() -> None:
    x = np.tile([40.0, 0, 0, 0], 24 * 5)
    x[-96:] = 0
    found = evaluate(
        grid("silence", x, np.ones(len(x)), QUARTER),
        START + timedelta(days=4),
        START + timedelta(days=5),
        timedelta(days=4),
    )
    assert found["expected"].null_count() == found.height


def silence(*recent: float) -> list[bool]:
    """Whether the last buckets of a day are silent, after four days with 10 events an hour."""
    x = np.full(24 * 5, 10.0)
    x[-len(recent) :] = recent
    end = START + timedelta(days=5)
    found = evaluate(
        grid("silence", x, np.ones(len(x))), end - len(recent) * timedelta(hours=1), end, timedelta(days=4)
    )
    return flag_anomalies(found, 5.0)["bad"].to_list()


def test_a_silence_lasts_until_half_of_the_volume_is_back() -> None:
    assert silence(0, 0, 0, 1, 0, 4, 5, 0) == [False, True, True, True, True, True, False, False]
    assert silence(0, 1, 0, 1) == [False] * 4, "too short to be a silence"


def test_a_gap_is_compared_with_the_level_before_it() -> None:
    assert not any(silence(*[1.0] * 6, 0, 0, 0)), "at a tenth of the volume, three empty hours are no silence"
    assert silence(*[10.0] * 6, 0, 0, 0)[-2:] == [True, True]


def test_a_campaign_that_ends_is_reported_once_and_then_not_evaluated() -> None:
    days, end = quiet(10, QUARTER, 200_000), START + timedelta(days=8, hours=10)
    over = tallies(days, 1, campaigns=2).filter(
        (pl.col("campaign") != "k0").fill_null(value=True) | (pl.col("bucket") < end)
    )
    found = evaluated(over, days, since=8 * 96)
    mine = found.filter((pl.col("campaign") == "k0") & (pl.col("metric") == "volume"))
    assert mine["bucket"].max() == end + timedelta(days=1) - QUARTER
    assert [(key, bucket - end) for key, bucket in fired(found)] == [
        (Key("campaign_volume", "impressions", "k0"), QUARTER)
    ]

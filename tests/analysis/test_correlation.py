"""Correlation, against Python's statistics module and scipy, and worked examples."""

import math
import statistics
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from advertisex.analysis.correlation import DEFINITION, Correlation, Distribution, correlate, relate
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore
from tests.budget import examples

Stored = Callable[..., EventStore]


def of(*users: tuple[int, int]) -> Correlation:
    totals = pl.DataFrame(users, schema={"clicks": pl.Int64, "conversions": pl.Int64}, orient="row")
    return relate(totals)


COUNTS = st.integers(0, 5) | st.integers(0, 10_000)


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=40))
def test_all_numbers_match_independent_libraries(users: list[tuple[int, int]]) -> None:
    answer = of(*users)

    clicks, conversions = ([user[place] for user in users] for place in (0, 1))
    assert answer.users == len(users)
    for found, x in ((answer.clicks, clicks), (answer.conversions, conversions)):
        assert found.sum == sum(x)
        assert found.mean == pytest.approx(statistics.fmean(x), rel=1e-12)
        assert found.median == statistics.median(x)
        assert found.std_deviation == pytest.approx(statistics.pstdev(x), rel=1e-12)
        if len(x) > 1:
            assert found.std_deviation_sampling == pytest.approx(statistics.stdev(x), rel=1e-12)
        else:
            assert found.std_deviation_sampling is None
    assert answer.clicks_per_conversion == (sum(clicks) / sum(conversions) if sum(conversions) else None)
    if len(set(clicks)) == 1 or len(set(conversions)) == 1:
        assert (answer.r, answer.r_p, answer.rho, answer.rho_p) == (None, None, None, None)
        return
    for (found_r, found_p), expected in (
        ((answer.r, answer.r_p), pearsonr(clicks, conversions)),
        ((answer.rho, answer.rho_p), spearmanr(clicks, conversions)),
    ):
        assert found_r == pytest.approx(float(expected.statistic), rel=1e-9, abs=1e-9)
        assert -1 <= found_r <= 1
        if len(users) > 2:
            assert found_p == pytest.approx(float(expected.pvalue), rel=1e-6, abs=1e-6)
        else:
            assert found_p is None  # no test without degrees of freedom


def test_worked_example() -> None:
    answer = of((3, 1), (1, 0), (2, 2))

    spread = math.sqrt(2 / 3)
    assert answer.clicks == Distribution(6, 2.0, 2.0, spread, 1.0)
    assert answer.conversions == Distribution(3, 1.0, 1.0, spread, 1.0)
    assert answer.clicks_per_conversion == 2.0
    assert (answer.r, answer.rho) == (0.5, 0.5)
    # with one degree of freedom, t has a Cauchy distribution: p = 1 - 2/π · atan(1/√3) = 2/3
    assert answer.r_p == pytest.approx(2 / 3)
    assert answer.rho_p == pytest.approx(2 / 3)


def test_the_published_example_of_spearmans_coefficient() -> None:
    """The worked example of Wikipedia's "Spearman's rank correlation coefficient": IQ and hours of television."""
    iq = (106, 100, 86, 101, 99, 103, 97, 113, 112, 110)
    hours = (7, 27, 2, 50, 28, 29, 20, 12, 6, 17)

    answer = of(*zip(iq, hours, strict=True))

    assert answer.rho == pytest.approx(-29 / 165, abs=1e-12)
    assert answer.rho_p == pytest.approx(0.627188, abs=1e-6)


@pytest.mark.parametrize(
    ("users", "r"),
    [
        (((1, 2), (2, 4), (3, 6)), 1.0),
        (((1, 6), (2, 4), (3, 2)), -1.0),
        (((10**9, 1), (10**9 + 1, 2), (10**9 + 2, 3)), 1.0),  # float sums would lose all precision
    ],
)
def test_a_perfect_line_has_an_exact_correlation(users: tuple[tuple[int, int], ...], r: float) -> None:
    answer = of(*users)

    assert (answer.r, answer.rho) == (r, r)
    assert (answer.r_p, answer.rho_p) == (0.0, 0.0)


def test_undefined_numbers_are_null() -> None:
    alone = of((3, 0)).facts()

    assert alone["clicks"]["std_deviation"] == 0.0
    assert alone["clicks"]["std_deviation_sampling"] is None
    assert alone["clicks_per_conversion"] is None
    assert alone["pearson"] == {"r": None, "p": None, "n": 1}
    assert alone["spearman"] == {"rho": None, "p": None, "n": 1}
    assert of((1, 1), (1, 2), (1, 3)).r is None
    assert of((0, 1), (0, 2)).clicks_per_conversion == 0.0


def test_clicks_without_conversions_have_no_ratio() -> None:
    assert of((5, 0), (7, 0)).clicks_per_conversion is None


# -- over a real store -------------------------------------------------------------------------------------------

CLICKS: list[dict[str, Any]] = [
    {"user_id": "a", "campaign_id": "x", "clicks": 2},
    {"user_id": "a", "campaign_id": "y", "conversion_type": "signup", "timestamp": "2026-01-06T00:00:00Z"},
    {"user_id": "a", "campaign_id": "y", "timestamp": "2026-01-07T00:00:00Z"},
    {"user_id": "b", "campaign_id": "x"},
    {"user_id": "c", "campaign_id": "y", "clicks": 2, "conversions": 2},
]


def test_correlate_reads_the_stored_clicks(stored: Stored) -> None:
    answer = correlate(stored(clicks=CLICKS), Scope()).to_dict()

    by_hand = of((3, 1), (1, 0), (2, 2))
    end = "2026-01-07T00:00:00Z"
    assert answer == by_hand.facts() | {
        "question": "correlation",
        "definition": DEFINITION,
        "range": {"since": None, "until": None, "campaign": None, "as_of": None, "where": {}, "zone": "UTC"},
        "horizon": end,
        "horizons": {"clicks": end},
        "computed_from": {"clicks": 5},
        "parameters": {},
        "per_user": [{"kind": kind, **by_hand.facts()[kind]} for kind in ("clicks", "conversions")],
        "measures": [
            {"measure": "clicks_per_conversion", "value": 2.0, "p": None},
            {"measure": "pearson_r", "value": by_hand.r, "p": by_hand.r_p},
            {"measure": "spearman_rho", "value": by_hand.rho, "p": by_hand.rho_p},
        ],
    }
    assert answer["range"] == {
        "since": None,
        "until": None,
        "campaign": None,
        "as_of": None,
        "where": {},
        "zone": "UTC",
    }
    assert answer["users"] == answer["pearson"]["n"] == answer["spearman"]["n"] == 3


def test_a_scope_filters_events_and_is_part_of_the_answer(stored: Stored) -> None:
    store = stored(clicks=CLICKS)
    scope = Scope(datetime(2026, 1, 5), datetime(2026, 1, 7), "y")

    answer = correlate(store, scope)

    assert (answer.facts["users"], answer.facts["clicks"]["sum"], answer.facts["conversions"]["sum"]) == (2, 2, 3)
    assert answer.to_dict()["range"] == {
        "since": "2026-01-05T00:00:00Z",
        "until": "2026-01-07T00:00:00Z",
        "campaign": "y",
        "as_of": None,
        "where": {},
        "zone": "UTC",
    }


def test_computed_from_counts_the_rows_of_the_campaign(stored: Stored) -> None:
    assert correlate(stored(clicks=CLICKS), Scope(campaign="y")).computed_from == {"clicks": 3}


def test_each_day_is_correlated_separately(stored: Stored) -> None:
    late = [
        {"user_id": user, "clicks": clicks, "conversions": conversions, "timestamp": f"2026-01-09T{hour:02}:00:00Z"}
        for user, clicks, conversions, hour in (("a", 2, 1, 0), ("a", 1, 0, 23), ("b", 1, 0, 9), ("c", 2, 2, 9))
    ]
    store = stored(clicks=[*CLICKS, *late])

    answer = correlate(store, by="day")

    days = answer.table("days")
    assert days["day"].to_list() == [date(2026, 1, day) for day in (5, 6, 7, 9)]
    assert days["users"].to_list() == [3, 1, 1, 3]
    assert days["clicks"].to_list() == [5, 0, 1, 6]
    assert days["conversions"].to_list() == [2, 1, 0, 3]
    assert days["clicks_per_conversion"].to_list() == [2.5, 0.0, None, 2.0]
    by_hand = of((3, 1), (1, 0), (2, 2))  # the data of the last day
    last = days.row(3, named=True)
    assert (last["r"], last["r_p"], last["rho"], last["rho_p"]) == (by_hand.r, by_hand.r_p, by_hand.rho, by_hand.rho_p)
    assert days["r"].to_list()[1:3] == [None, None]
    assert days["r"].dtype == days["rho_p"].dtype == pl.Float64
    assert answer.to_dict()["pearson"] == correlate(store, Scope()).to_dict()["pearson"]
    assert answer.parameters == {"by": "day"}


def test_days_with_undefined_numbers_keep_their_columns(stored: Stored) -> None:
    days = correlate(stored(clicks=[{}]), by="day").table("days")

    assert days.schema["r"] == days.schema["clicks_per_conversion"] == pl.Float64
    assert days.row(0)[1:] == (1, 1, 0, None, None, None, None, None)


def test_no_clicks_by_day_is_an_error(stored: Stored) -> None:
    with pytest.raises(AnalysisError, match="no clicks or conversions"):
        correlate(stored(impressions=[{}]), by="day")


def test_users_of_other_feeds_do_not_count(stored: Stored) -> None:
    store = stored(impressions=[{"user_id": "z"}], bids=[{"user_id": "y"}], clicks=[{"user_id": "a"}])

    assert correlate(store).facts["users"] == 1


@pytest.mark.parametrize("scope", [Scope(), Scope(campaign="nobody's"), Scope(since=datetime(2030, 1, 1))])
def test_no_clicks_is_an_error(stored: Stored, scope: Scope) -> None:
    store = stored(impressions=[{}]) if scope == Scope() else stored(clicks=CLICKS)

    with pytest.raises(AnalysisError, match="no clicks or conversions") as caught:
        correlate(store, scope)

    assert caught.value.hint
    assert caught.value.where == scope.text()

"""Journeys, against plain loops and worked examples."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer
from advertisex.analysis.arguments import LONGEST
from advertisex.analysis.attribution import journeys as pairs
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.funnel import funnel
from advertisex.analysis.journeys.path_text import STEPS, path_text
from advertisex.analysis.journeys.report import journeys
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.reporting.cells import duration_text
from advertisex.stores.contract import EventStore
from tests.analysis.attribution_oracle import Question, all_touches, belongs, is_selected, sort_key
from tests.analysis.small_worlds import CLICKS, IMPRESSIONS, MOVING, REFUNDS, START, Dataset, Rows, dataset
from tests.budget import examples

Stored = Callable[..., EventStore]
Journey = tuple[dict[str, Any], Rows]
DAY, MICRO = timedelta(days=1), timedelta(microseconds=1)
#: Among them those whose borders the times of the small worlds meet.
WINDOWS = st.lists(
    st.sampled_from([MICRO, timedelta(hours=6), DAY, 7 * DAY, 29 * DAY, 30 * DAY]), min_size=1, max_size=3
)
BOUND = st.none() | st.builds(
    lambda days, micros: START + timedelta(days=days, microseconds=micros),
    st.sampled_from([0, 3, 4, 6]),
    st.integers(-1, 1),
)
QUESTIONS = st.builds(
    Question,
    by=st.sampled_from(["campaign_id", "creative_id", "website", "app"]),
    within_campaign=st.booleans(),
    since=BOUND,
    campaign=st.sampled_from([None, None, "k1"]),
)


def expected_journeys(data: Dataset, question: Question) -> Iterator[Journey]:
    touches = sorted(all_touches(data.impressions, data.clicks, question), key=sort_key)
    conversions = [row for row in data.clicks if row["conversions"] > 0]
    for conversion in sorted(conversions, key=sort_key):
        if is_selected(conversion, question):
            yield conversion, [touch for touch in touches if belongs(touch, conversion, conversions, question)]


def each(found: Sequence[Journey]) -> Iterator[Journey]:
    """One journey for each conversion, not for each row."""
    for conversion, journey in found:
        for _ in range(conversion["conversions"]):
            yield conversion, journey


def lags(found: Sequence[Journey], place: int) -> list[int]:
    return sorted((row["event_time"] - journey[place]["event_time"]) // MICRO for row, journey in found if journey)


def path_of(journey: Rows) -> tuple[Any, ...]:
    return tuple(key for key, _ in groupby(touch["key"] for touch in journey))


def kind(conversion: dict[str, Any], journey: Rows, window: timedelta) -> str:
    near = [touch for touch in journey if conversion["event_time"] - touch["event_time"] <= window]
    if any(touch["is_click"] for touch in near):
        return "click_through"
    return "view_through" if near else "untouched"


def check(answer: Answer, found: Sequence[Journey], windows: Sequence[timedelta]) -> None:
    everything = len(found)
    touched = [one for one in found if one[1]]
    assert answer.facts == {
        "conversions": everything, "touched": len(touched), "untouched": everything - len(touched),
    }  # fmt: skip
    kinds = ("click_through", "view_through", "untouched")
    counts = [(window, Counter(kind(*one, window) for one in found)) for window in sorted(set(windows))]
    assert answer.table("windows").rows() == [
        (duration_text(window), *(count[name] for name in kinds), *(count[name] / everything for name in kinds))
        for window, count in counts
    ]
    quantiles = [Decimal(percent) / 100 for percent in (0, 25, 50, 75, 90, 95, 99, 100)]
    assert answer.table("lags").rows() == [
        (name, len(lag), *(Decimal(lag[max(ceil(q * len(lag)), 1) - 1]).scaleb(-6) for q in quantiles))
        for name, place in (("first", 0), ("last", -1))
        if (lag := lags(found, place))
    ]
    lengths = Counter(len(journey) for _, journey in found)
    assert answer.table("lengths").rows() == [
        (
            length,
            lengths[length],
            sum(n for other, n in lengths.items() if other >= length),
            lengths[length] / everything,
        )
        for length in sorted(lengths)
    ]
    paths = Counter(path_of(journey) for _, journey in touched)
    assert answer.table("paths")["rank"].to_list() == list(range(1, len(paths) + 1))
    assert sorted(answer.table("paths").drop("rank").rows()) == sorted(
        (path_text(path), len(path), number, number / everything) for path, number in paths.items()
    )
    assert answer.table("paths")["conversions"].is_sorted(descending=True)
    ends = Counter((journey[0]["key"], journey[-1]["key"]) for _, journey in touched)
    assert answer.table("first_last").rows() == [
        (*pair, ends[pair], ends[pair] / everything)
        for pair in sorted(ends, key=lambda pair: [(key is None, key or "") for key in pair])
    ]


@settings(max_examples=examples(40))
@given(
    st.lists(IMPRESSIONS, max_size=12), st.lists(CLICKS | CLICKS | REFUNDS, min_size=3, max_size=8), QUESTIONS, WINDOWS
)
def test_all_numbers_match_a_loop(
    impressions: Rows, clicks: Rows, question: Question, windows: list[timedelta]
) -> None:
    question = replace(question, click_window=max(windows), view_window=max(windows))
    scope = Scope(question.since, campaign=question.campaign)
    with dataset(MOVING, impressions=impressions, clicks=clicks) as data:
        found = list(each(list(expected_journeys(data, question))))
        options = {"by": question.by, "within_campaign": question.within_campaign}
        if not found:
            with pytest.raises(AnalysisError):
                journeys(data.store, scope, windows=windows, **options)
            return
        answer = journeys(data.store, scope, windows=windows, **options)
        check(answer, found, windows)
        check_sums(answer)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pairs, "_MAX_PAIRS", 2)
            assert journeys(data.store, scope, windows=windows, **options).to_dict() == answer.to_dict()
        follow_click = journeys(data.store, scope, windows=[timedelta(days=30)]).table("windows")["click_through"]
        assert funnel(data.store, scope).facts["click_conversions"] == follow_click.item()
        credited = attribute(
            data.store, scope, **options, models=["first"], click_window=max(windows), view_window=max(windows)
        )
        assert credited.facts["attributed"] == answer.facts["touched"]


def check_sums(answer: Answer) -> None:
    """Every conversion is in each table once."""
    conversions, touched = answer.facts["conversions"], answer.facts["touched"]
    by_window = answer.table("windows").select("click_through", "view_through", "untouched")
    assert set(by_window.sum_horizontal()) == {conversions}
    assert answer.table("lengths")["conversions"].sum() == conversions
    assert answer.table("windows")["untouched"][-1] == answer.facts["untouched"]
    by_lag = answer.table("lag_distribution")
    for sums in (
        by_lag["from_first"], by_lag["from_last"], answer.table("paths")["conversions"],
        answer.table("first_last")["conversions"],
    ):  # fmt: skip
        assert sums.sum() == touched


@settings(max_examples=examples(20))
@given(
    st.lists(st.integers(0, 40 * 86_400), min_size=1, max_size=6), st.sampled_from([DAY, 28 * DAY, 30 * DAY, LONGEST])
)
def test_each_lag_is_in_the_part_that_names_it(ages: list[int], window: timedelta) -> None:
    bought = START + 45 * DAY
    shown = [
        {"user_id": f"u{n}", "timestamp": (bought - timedelta(seconds=age)).isoformat() + "Z", "website": "a.example",
         "creative_id": "c1"}
        for n, age in enumerate(ages)
    ]  # fmt: skip
    sold = [
        {"user_id": f"u{n}", "timestamp": bought.isoformat() + "Z", "campaign_id": "k1", "conversion_type": "sale"}
        for n in range(len(ages))
    ]
    with dataset(impressions=shown, clicks=sold) as data:
        parts = journeys(data.store, windows=[window]).table("lag_distribution")

    units = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
    bounds = [[int(end[:-1]) * units[end[-1]] for end in name.split("-")] for name in parts["lag"]]
    assert [start for start, _ in bounds] == [0, *(end for _, end in bounds[:-1])]
    assert bounds[-1][1] == window.total_seconds()
    inside = [age for age in ages if age <= window.total_seconds()]
    expected = [sum(start < age <= end or age == start == 0 for age in inside) for start, end in bounds]
    assert parts["from_first"].to_list() == parts["from_last"].to_list() == expected
    if inside:
        shares = [sum(age <= end for age in inside) / len(inside) for _, end in bounds]
        assert parts["from_last_share"].to_list() == shares
    else:
        assert parts["from_first_share"].null_count() == parts.height


def touches(stored: Stored, *keys: str) -> EventStore:
    """A conversion on the 8th of January, and clicks of these campaigns, one each hour before it."""
    clicked = [
        {
            "campaign_id": key,
            "timestamp": (datetime(2026, 1, 8) - (len(keys) - n) * timedelta(hours=1)).isoformat() + "Z",
        }
        for n, key in enumerate(keys)
    ]
    return stored(clicks=[*clicked, {"timestamp": "2026-01-08T00:00:00Z", "conversion_type": "sale"}])


def test_repetitions_of_a_key_are_one_step_of_a_path_and_several_touches(stored: Stored) -> None:
    answer = journeys(touches(stored, "a", "a", "b", "b", "a"))

    assert answer.table("paths").rows() == [(1, "a > b > a", 3, 1, 1.0)]
    assert answer.table("lengths").rows() == [(5, 1, 1, 1.0)]
    assert answer.table("first_last").rows() == [("a", "a", 1, 1.0)]


def test_a_click_wins_over_a_later_view_where_it_is_in_the_window(stored: Stored) -> None:
    store = stored(
        impressions=[{"timestamp": "2026-01-07T12:00:00Z"}],
        clicks=[
            {"timestamp": "2026-01-05T00:00:00Z"},
            {"timestamp": "2026-01-08T00:00:00Z", "conversion_type": "sale"},
            {"user_id": "of nobody", "conversion_type": "sale"},
        ],
    )

    answer = journeys(store, windows=[28 * DAY, timedelta(hours=1), DAY, 3 * DAY])

    kinds = answer.table("windows").select("window", "click_through", "view_through", "untouched")
    assert kinds.rows() == [("1h", 0, 0, 2), ("1d", 0, 1, 1), ("3d", 1, 0, 1), ("28d", 1, 0, 1)]


def test_a_click_that_converts_is_a_touch_of_itself(stored: Stored) -> None:
    answer = journeys(stored(clicks=[{"clicks": 1, "conversions": 2}]), windows=[MICRO])

    assert answer.table("windows")["click_through"].to_list() == [2]
    assert set(answer.table("lags").select("min", "max").row(0)) == {Decimal(0)}


def test_the_list_of_paths_is_bounded(stored: Stored) -> None:
    clicks = [{"user_id": f"u{n}", "campaign_id": f"k{n % 7}", "conversions": 1 + n, "clicks": 1} for n in range(7)]
    store = stored(clicks=clicks)

    answer = journeys(store, limit=3)

    assert answer.table("paths").rows() == [(1, "k6", 1, 7, 0.25), (2, "k5", 1, 6, 6 / 28), (3, "k4", 1, 5, 5 / 28)]
    assert answer.to_dict()["rows_in_all"] == {"paths": 7}
    assert journeys(store, limit=0).table("paths").height == 0


def test_a_long_path_is_listed_in_short(stored: Stored) -> None:
    answer = journeys(touches(stored, *(f"k{n % 2}" for n in range(STEPS + 5))))

    ((_, text, steps, _, _),) = answer.table("paths").rows()
    assert steps == STEPS + 5
    assert len(text.split(" > ")) == STEPS + 1
    assert " > (5 more) > " in text
    assert text.startswith("k0 > k1 > k0")
    assert text.endswith("k1 > k0")


KEYS = st.lists(st.none() | st.text(' ">(none)ab', min_size=1, max_size=6), min_size=1, max_size=3)


@settings(max_examples=examples(400))
@given(KEYS, KEYS)
def test_different_paths_have_different_texts(one: list[str | None], other: list[str | None]) -> None:
    assert (path_text(one) == path_text(other)) == (one == other)


def test_answer_metadata(stored: Stored) -> None:
    store = stored(impressions=[{}], clicks=[{}, {"timestamp": "2026-01-06T10:00:00Z", "conversion_type": "sale"}])

    answer = journeys(store, Scope(campaign="k1"), by="website", within_campaign=True)

    assert answer.definition == "journeys/1"
    assert answer.computed_from == {"impressions": 0, "clicks": 2}
    assert answer.parameters == {"by": "website", "scope": "campaign", "windows": ["1d", "7d", "28d"]}
    assert answer.lookback == 58 * DAY
    assert answer.table("paths")["path"].to_list() == ["(none)"]
    for chart in answer.charts:
        assert {chart.x, *chart.y, chart.colour or chart.x} <= set(answer.table(chart.table).columns)


@pytest.mark.parametrize("windows", [[], "7d", 7, [timedelta(0)], [DAY, LONGEST + DAY], ["7d"]])
def test_wrong_windows_are_reported(stored: Stored, windows: Any) -> None:
    with pytest.raises(ConfigurationError, match="windows: ") as caught:
        journeys(stored(), windows=windows)

    assert caught.value.hint


def test_no_conversion_is_an_error(stored: Stored) -> None:
    with pytest.raises(AnalysisError, match="no conversions found"):
        journeys(stored(impressions=[{}], clicks=[{}]))

"""Figures: valid for Plotly, with escaped texts, and a note on the rows that are left out."""

import json
from datetime import datetime, timedelta
from decimal import Decimal

import plotly.graph_objects as go
import polars as pl
import pytest

from advertisex.analysis.answer import Answer, Chart, Table
from advertisex.reporting import figures
from advertisex.reporting.figures import Figure


def figure(chart: Chart, rows: pl.DataFrame) -> Figure:
    return figures.figure(chart, Table(chart.table, "", rows))


def texts(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for inner in value.values() for text in texts(inner)]
        case list():
            return [text for inner in value for text in texts(inner)]
        case _:
            return []


def test_every_figure_is_valid_plotly_and_plain_data(answer: Answer) -> None:
    for chart in answer.charts:
        drawn = figure(chart, answer.table(chart.table))

        go.Figure({"data": drawn.data, "layout": drawn.layout})  # raises for unknown properties
        assert json.loads(json.dumps(drawn.data, allow_nan=False)) == drawn.data


def test_event_texts_contain_no_tags(answer: Answer) -> None:
    for chart in answer.charts:
        drawn = figure(chart, answer.table(chart.table))

        found = [
            text for trace in drawn.data for text in texts({k: v for k, v in trace.items() if k != "hovertemplate"})
        ]
        assert {text for text in found + texts(drawn.layout) if "<" in text} <= {"<i>(none)</i>"}


def test_numbers_and_names_keep_the_order_of_the_table() -> None:
    rows = pl.DataFrame({"campaign_id": ["b", None, "17"], "clicks": [3, None, 1], "value": [Decimal(5), None, None]})

    drawn = figure(Chart("t", "bar", "campaign_id", ("clicks", "value"), "says"), rows)

    clicks, value = drawn.data
    assert clicks["x"] == value["x"] == ["b", "<i>(none)</i>", "17"]
    assert clicks["y"] == [3, None, 1]
    assert value["y"] == [5.0, None, None]
    assert drawn.layout["xaxis"]["type"] == "category"
    assert drawn.note == ""


def test_texts_that_look_like_times_are_categories() -> None:
    days = [datetime(2026, 1, 5), datetime(2026, 1, 6)]

    of_times = figure(Chart("t", "line", "day", ("n",), ""), pl.DataFrame({"day": days, "n": [1, 2]}))
    of_texts = figure(Chart("t", "line", "day", ("n",), ""), pl.DataFrame({"day": ["2026-01-05"], "n": [1]}))

    assert of_times.layout["xaxis"]["type"] == "date"
    assert of_times.data[0]["x"] == ["2026-01-05T00:00:00", "2026-01-06T00:00:00"]
    assert of_texts.layout["xaxis"]["type"] == "category"


@pytest.mark.parametrize(("small", "panels"), [(100, 1), (99, 2)])
def test_series_of_different_magnitudes_get_separate_panels(small: int, panels: int) -> None:
    rows = pl.DataFrame({"day": ["a"], "impressions": [1_000], "clicks": [small]})

    drawn = figure(Chart("t", "bar", "day", ("impressions", "clicks"), ""), rows)

    assert len({trace["yaxis"] for trace in drawn.data}) == panels
    assert drawn.layout["showlegend"] == (panels == 1)
    domains = [drawn.layout[name]["domain"] for name in ("yaxis", "yaxis2")[:panels]]
    assert all(low < high for low, high in domains)
    assert domains == sorted(domains, reverse=True)


def test_the_colour_column_splits_the_rows_into_series() -> None:
    rows = pl.DataFrame({"hour": [1, 1, 2], "feed": ["a", "b", "a"], "share": [0.1, 0.2, 0.3]})

    drawn = figure(Chart("t", "line", "hour", ("share",), "", colour="feed"), rows)

    assert [(trace["name"], trace["x"], trace["y"]) for trace in drawn.data] == [
        ("a", [1, 2], [0.1, 0.3]),
        ("b", [1], [0.2]),
    ]
    assert drawn.layout["yaxis"]["tickformat"].endswith("%")


def test_rows_with_the_same_x_are_summed() -> None:
    rows = pl.DataFrame({"day": ["b", "a", "b"], "change": [1, 2, -4]})

    (trace,) = figure(Chart("t", "bar", "day", ("change",), ""), rows).data

    assert (trace["x"], trace["y"]) == (["b", "a"], [-3, 2])


def test_a_heatmap_has_one_cell_per_pair() -> None:
    rows = pl.DataFrame({"one": ["b", "a", "a"], "other": ["a", "b", "c"], "users": [1, 2, 3]})

    (trace,) = figure(Chart("t", "heatmap", "one", ("other",), "", colour="users"), rows).data

    assert trace["y"] == ["a", "b", "c"]
    assert trace["x"] == ["a", "b"]
    assert trace["z"] == [[None, 1], [2, None], [3, None]]


def test_with_too_many_names_only_the_largest_are_shown() -> None:
    rows = pl.DataFrame({"campaign_id": [f"c{n:03}" for n in range(100)], "clicks": range(100)})

    drawn = figure(Chart("t", "bar", "campaign_id", ("clicks",), ""), rows)

    assert drawn.data[0]["y"] == list(range(60, 100))
    assert drawn.note == "largest only; 60 more in the table"


def test_no_time_is_left_out() -> None:
    hours = [datetime(2026, 1, 1) + timedelta(hours=n) for n in range(1_000)]

    drawn = figure(Chart("t", "line", "hour", ("n",), ""), pl.DataFrame({"hour": hours, "n": range(1_000)}))

    assert len(drawn.data[0]["x"]) == 1_000
    assert drawn.note == ""


def test_a_long_tail_does_not_compress_the_bulk() -> None:
    rows = pl.DataFrame({"frequency": range(1, 1_001), "users": [10_000] * 10 + [1] * 990})

    drawn = figure(Chart("t", "bar", "frequency", ("users",), ""), rows)

    assert drawn.layout["xaxis"]["range"] == [0, 10.5]
    assert len(drawn.data[0]["x"]) == 1_000
    assert drawn.note.startswith("up to 10 (99% of the total)")


def test_long_names_are_only_cut_in_the_tick_labels() -> None:
    names = [f"{'long' * 20}-{n}" for n in range(9)]

    drawn = figure(Chart("t", "bar", "name", ("n",), ""), pl.DataFrame({"name": names, "n": range(9)}))

    assert drawn.data[0]["x"] == drawn.layout["xaxis"]["tickvals"] == names
    short = drawn.layout["xaxis"]["ticktext"]
    assert all(len(text) == 22 and text.endswith(f"-{n}") for n, text in enumerate(short))


def test_a_missing_name_differs_from_the_text_none() -> None:
    rows = pl.DataFrame({"name": ["(none)", None, "–"], "n": [1, 2, 3]})

    drawn = figure(Chart("t", "bar", "name", ("n",), ""), rows)

    assert len(set(drawn.data[0]["x"])) == len(set(drawn.layout["xaxis"]["ticktext"])) == 3


@pytest.mark.parametrize("kind", ["line", "bar"])
def test_missing_days_are_gaps(kind: str) -> None:
    days = [datetime(2026, 1, day) for day in (20, 12, 13)]
    rows = pl.DataFrame({"day": days, "n": [3, 1, 2]})

    (trace,) = figure(Chart("t", kind, "day", ("n",), ""), rows).data  # type: ignore[arg-type]

    assert [time[:10] for time in trace["x"]] == ["2026-01-12", "2026-01-13", "2026-01-14", "2026-01-20"]
    assert trace["y"] == [1, 2, None, 3]


def test_ratios_have_error_bars() -> None:
    rows = pl.DataFrame({"name": ["a", "b"], "ctr": [0.5, None], "ctr_low": [0.25, None], "ctr_high": [0.625, None]})

    (trace,) = figure(Chart("t", "bar", "name", ("ctr",), ""), rows).data

    assert (trace["error_y"]["array"], trace["error_y"]["arrayminus"]) == ([0.125, None], [0.25, None])


@pytest.mark.parametrize(("numbers", "step"), [([1, -3], 1), ([1, 9], None), ([0.5, 1.0], None)])
def test_small_integers_have_one_tick_each(numbers: list[float], step: int | None) -> None:
    drawn = figure(Chart("t", "bar", "name", ("n",), ""), pl.DataFrame({"name": ["a", "b"], "n": numbers}))

    assert drawn.layout["yaxis"].get("dtick") == step
    assert drawn.layout["xaxis"]["title"]["standoff"] > 0


@pytest.mark.parametrize("kind", ["bar", "line", "heatmap"])
def test_a_table_without_rows_makes_an_empty_figure(kind: str) -> None:
    rows = pl.DataFrame(schema={"x": pl.String, "y": pl.Int64, "c": pl.Int64})

    drawn = figure(Chart("t", kind, "x", ("y",), "", colour="c" if kind == "heatmap" else None), rows)  # type: ignore[arg-type]

    go.Figure({"data": drawn.data, "layout": drawn.layout})


def test_a_funnel_is_labelled_with_its_numbers() -> None:
    rows = pl.DataFrame(
        {"step": ["bids", "<b>", "clicks"], "count": [12_029, 6_969, 186], "rate": [None, None, 0.0267]}
    )

    drawn = figure(Chart("t", "funnel", "step", ("count", "rate"), "Funnel"), rows)

    (trace,) = drawn.data
    assert (trace["type"], trace["x"]) == ("funnel", [12_029, 6_969, 186])
    assert drawn.layout["yaxis"]["ticktext"] == [
        "<b>Bids</b><br>12,029",
        "<b>&lt;b&gt;</b><br>6,969",
        "<b>Clicks</b><br>186 · 2.67 %",
    ]
    go.Figure({"data": drawn.data, "layout": drawn.layout})


@pytest.mark.parametrize(
    ("seconds", "unit", "drawn"),
    [
        ([86_400, 172_800], "Days", [1.0, 2.0]),
        ([60, -90], "Minutes", [1.0, -1.5]),
        ([0.5, None], "Seconds", [0.5, None]),
    ],
)
def test_durations_are_drawn_in_the_largest_unit(
    seconds: list[float | None], unit: str, drawn: list[float | None]
) -> None:
    rows = pl.DataFrame({"feed": ["a", "b"], "p50": seconds, "p99": seconds})

    found = figures.figure(Chart("t", "bar", "feed", ("p50", "p99"), ""), Table("t", "", rows, seconds=("p50", "p99")))

    assert found.data[0]["y"] == drawn
    assert [trace["name"] for trace in found.data] == ["Median", "99th percentile"]
    assert found.layout["yaxis"]["title"]["text"] == unit


def test_codes_are_words_but_event_texts_are_not() -> None:
    rows = pl.DataFrame({"reason": ["bad_amount"], "campaign_id": ["a_b"], "n": [1]})
    table = Table("t", "", rows, codes=("reason",))

    for x, text in (("reason", "bad amount"), ("campaign_id", "a_b")):
        assert figures.figure(Chart("t", "bar", x, ("n",), ""), table).data[0]["x"] == [text]


def test_a_chart_can_have_some_of_the_rows() -> None:
    rows = pl.DataFrame({"key": ["a", "a", "b"], "currency": ["EUR", None, "EUR"], "value": [1, 2, 3]})

    for currency, values in (("EUR", [1, 3]), (None, [2])):
        chart = Chart("t", "bar", "key", ("value",), "", only=("currency", currency))
        assert figure(chart, rows).data[0]["y"] == values


def test_the_only_time_of_a_figure_is_readable() -> None:
    rows = pl.DataFrame({"hour": [datetime(2026, 1, 5, 6)], "n": [1]})

    drawn = figure(Chart("t", "bar", "hour", ("n",), ""), rows)

    assert drawn.layout["xaxis"]["ticktext"] == ["2026-01-05 06:00"]

"""Formatting of cells, facts and columns, and shortening of names."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from advertisex.analysis.answer import Table
from advertisex.reporting.cells import (
    format_amount,
    format_counts,
    format_credits,
    format_delay,
    format_named,
    format_times,
    format_value,
    plain_decimal,
)
from advertisex.reporting.columns import columns_of
from advertisex.reporting.facts import facts_of
from advertisex.reporting.shorten import shortened


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (False, "no"),
        (1_234_567, "1,234,567"),
        (-1_000, "-1,000"),
        (0.25, "0.25"),
        (1 / 3, "0.333333"),
        (1234567.89, "1.23457e+06"),
        (Decimal("1234.500000"), "1,234.50"),
        (Decimal("-0.000001"), "-0.000001"),
        (Decimal(17), "17.00"),
        (datetime(2026, 1, 5, 9), "2026-01-05 09:00:00 UTC"),
        (date(2026, 1, 5), "2026-01-05"),
        (timedelta(days=30), "30d"),
        (timedelta(hours=36), "36h"),
        (timedelta(minutes=90), "90m"),
        (timedelta(milliseconds=1_500), "1.5s"),
        (timedelta(0), "0s"),
        (b"\x00\xff", "00ff"),
        (["a", 1_000], "a, 1,000"),
        ({"a": 1}, "a 1"),
        ("text", "text"),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ctr", 0.0225, "2.25 %"),
        ("win_rate", 1.0, "100.00 %"),
        ("share", 0.0, "0.00 %"),
        ("rejected_share", 0.00000123, "0.00012 %"),
        ("ctr_low", 0.5, "50.00 %"),
        ("rate", 12.5, "1,250.00 %"),
        ("average", 0.5, "0.5"),
        ("operator", 0.5, "0.5"),
        ("rate", 3, "3"),
        ("ctr", None, "–"),
        ("click_window_seconds", 2_592_000.0, "30d"),
        ("delay_seconds", 0.25, "0.25s"),
    ],
)
def test_named_values(name: str, value: Any, text: str) -> None:
    assert format_named(name, value) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1", "1.00"),
        ("1.5", "1.50"),
        ("-1000.123400", "-1,000.1234"),
        ("0.000000000001", "0.000000000001"),
        ("8977679486.31", "8,977,679,486.31"),
        ("999999999999.99", "999,999,999,999.99"),
        ("99999999999999999999999999.123456789012", "99,999,999,999,999,999,999,999,999.123456789012"),
    ],
)
def test_an_amount_keeps_all_its_digits_and_no_zeros_beyond_two_places(amount: str, text: str) -> None:
    assert format_amount(Decimal(amount)) == text
    assert format_value(Decimal(amount)) == text


def test_credits_share_the_number_of_decimals() -> None:
    assert format_credits([Decimal("0.333333333"), None, Decimal(3)]) == ["0.333", "–", "3.000"]
    assert format_credits([Decimal(3)]) == ["3.00"]
    assert format_credits([None]) == ["–"]


def test_plain_decimals_have_all_digits() -> None:
    assert plain_decimal(Decimal("1E+3")) == "1000"
    assert plain_decimal(Decimal("0E-6")) == "0"
    assert plain_decimal(Decimal("12345678901234567890.123456")) == "12345678901234567890.123456"


def test_times_share_their_precision() -> None:
    day = datetime(2026, 1, 5)
    assert format_times([day, None]) == ["2026-01-05", "–"]
    assert format_times([day, day + timedelta(hours=1)]) == ["2026-01-05 00:00", "2026-01-05 01:00"]
    assert format_times([day, day + timedelta(seconds=1)]) == ["2026-01-05 00:00:00", "2026-01-05 00:00:01"]
    assert format_times([day, None], hours=True) == ["2026-01-05 00:00", "–"]
    assert format_times([]) == []


def test_facts_are_flattened_and_include_their_intervals() -> None:
    facts = {"users_once": 3, "ctr": 0.02, "ctr_low": 0.01, "ctr_high": 0.03, "value": {"EUR": Decimal(1), "": None}}

    assert facts_of(facts) == [
        ("users once", "3"),
        ("ctr", "2.00 % (1.00 – 3.00)"),
        ("value EUR", "1.00"),
        ("value", "–"),
    ]
    assert facts_of({"x_low": 1, "cvr": None, "cvr_low": None, "cvr_high": None}) == [("x low", "1"), ("cvr", "–")]


def test_columns_of_a_table() -> None:
    rows = pl.DataFrame(
        {
            "name": ["–", None],
            "waited": pl.Series([Decimal("27439027.493825"), None], dtype=pl.Decimal(38, 6)),
            "cvr": [0.5, None],
            "cvr_low": [0.25, None],
            "cvr_high": [0.75, None],
            "credit": pl.Series([Decimal("0.333333333"), Decimal(1)], dtype=pl.Decimal(38, 9)),
            "value": pl.Series([Decimal("0.333333"), Decimal(1)], dtype=pl.Decimal(38, 6)),
            "price_low": [1, 2],
            "day": [datetime(2026, 1, 5), None],
        }
    )

    columns = {column.name: column for column in columns_of(Table("t", "T", rows, seconds=("waited",)), 10)}

    assert list(columns) == ["name", "waited", "cvr", "credit", "value", "price_low", "day"]
    assert columns["name"].cells == ["–", "(none)"]
    assert columns["waited"].cells == ["317 d 14 h", "–"]
    assert columns["cvr"].cells == ["50.00 % (25.00 – 75.00)", "–"]
    assert columns["cvr"].values == [0.5, None]
    assert columns["credit"].cells == ["0.333", "1.000"]
    assert columns["value"].cells == ["0.33", "1.00"]
    assert columns["day"].cells == ["2026-01-05", "–"]
    assert [column.kind for column in columns.values()] == [
        "",
        "number",
        "number",
        "number",
        "number",
        "number",
        "time",
    ]


def test_currencies_named_like_bounds_keep_their_columns() -> None:
    for ratio in ("value", "value_share"):
        names = [ratio, f"{ratio}_low", f"{ratio}_high"]
        rows = pl.DataFrame({name: pl.Series([Decimal(1)], dtype=pl.Decimal(38, 6)) for name in names})

        assert [column.name for column in columns_of(Table("t", "T", rows), 10)] == names
        assert [name for name, _ in facts_of({name: Decimal(1) for name in names})] == [
            name.replace("_", " ") for name in names
        ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (Decimal("27439027.493825"), "317 d 14 h"),
        (Decimal(86_400), "1 d"),
        (Decimal(7_265), "2 h 1 m"),
        (Decimal("-125.4"), "-2 m 5 s"),
        (Decimal("59.9996"), "60 s"),
        (Decimal("1.25"), "1.25 s"),
        (Decimal("0.000123"), "0.000123 s"),
        (Decimal(0), "0 s"),
        (90.0, "1 m 30 s"),
    ],
)
def test_measured_durations(seconds: Decimal | float | None, text: str) -> None:
    assert format_delay(seconds) == text


def test_bidirectional_and_control_characters_are_made_visible() -> None:
    turning = [0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]

    assert format_value("".join(map(chr, turning))) == "".join(f"\\u{code:04x}" for code in turning)
    assert format_value("a\x1b[2Jb\x7f") == "a␛[2Jb\ufffd"
    assert facts_of({"value": {"\u202eEUR": 1}}) == [("value \\u202eEUR", "1")]


def test_rows_of_the_clicks_feed_are_not_called_clicks() -> None:
    assert format_counts({"clicks": 1_675, "bids": 2}) == "1,675 rows of the clicks feed, 2 bids"


def test_columns_that_name_a_row() -> None:
    rows = pl.DataFrame({"campaign_id": ["a"], "day": [datetime(2026, 1, 5)], "new": [True], "feed": ["x"], "n": [1]})

    assert Table("t", "T", rows).named_by == ("campaign_id", "day")
    assert Table("t", "T", rows, keys=("feed",)).named_by == ("feed",)
    assert Table("t", "T", rows.select("n", "feed")).named_by == ("n",)


def test_long_names_are_cut_in_the_middle_and_stay_distinct() -> None:
    names = ["x" * 30 + "1", "x" * 30 + "2", "x" * 15 + "1" + "x" * 15, "x" * 15 + "2" + "x" * 15, "short"]

    short = shortened([*names, names[0]], 12)

    assert short == ["xxxxxx…xxxx1", "xxxxxx…xxxx2", "xxxx…1xxxxx…", "xxxx…2xxxxx…", "short", "xxxxxx…xxxx1"]
    assert set(shortened(names[::-1], 12)) == set(short), "the result does not depend on the order"


def test_names_that_differ_in_many_places_get_a_checksum() -> None:
    names = [f"{one}{'x' * 20}{two}{'x' * 20}".rjust(60, "x") for one in "ab" for two in "ab"]

    short = shortened(names, 16)

    assert len(set(short)) == 4
    assert all(len(text) == 16 for text in short)


def test_names_are_cut_by_display_width() -> None:
    def width(text: str) -> int:
        return sum(1 if character < "\u2e80" else 2 for character in text)

    assert shortened(["日本語日本語", "ab"], 7, width) == ["日…語", "ab"]

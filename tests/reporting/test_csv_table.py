"""CSV output: round trips, and no formula injection."""

import csv
import io
from datetime import date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.reporting.csv_table import csv_of


def written(rows: pl.DataFrame) -> bytes:
    return b"".join(csv_of(rows))


def test_types() -> None:
    rows = pl.DataFrame(
        {
            "text": ["a", 'say "hi", é', "two\nlines", None],
            "count": [1, -2, 10**15, None],
            "ratio": [0.1, -1e-30, 1.0, None],
            "money": pl.Series(
                [Decimal("-12345678901234567890.123456"), Decimal(5), Decimal("0.1"), None], dtype=pl.Decimal(38, 6)
            ),
            "time": [datetime(2026, 1, 5), datetime(2026, 1, 5, 1, 2, 3, 4), None, None],
            "day": [date(2026, 1, 5), None, None, None],
            "known": [True, False, None, None],
            "id": [b"\x01\xff", None, None, None],
            "names": [["a", "=b"], [], None, None],
        }
    )

    assert written(rows).decode() == (
        "text,count,ratio,money,time,day,known,id,names\r\n"
        'a,1,0.1,-12345678901234567890.123456,2026-01-05T00:00:00Z,2026-01-05,true,01ff,"[""a"", ""=b""]"\r\n'
        '"say ""hi"", é",-2,-1e-30,5,2026-01-05T01:02:03.000004Z,,false,,[]\r\n'
        '"two\nlines",1000000000000000,1.0,0.1,,,,,\r\n'
        ",,,,,,,,\r\n"
    )


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_is_read_as_a_formula(beginning: str) -> None:
    evil = f"{beginning}cmd|' /C calc'!A0"
    rows = pl.DataFrame({"campaign_id": [evil, "a" + evil], beginning + "name": ["x", "y"], "n": [-1, -2]})

    header, *lines = csv.reader(io.StringIO(written(rows).decode(), newline=""))

    assert header == ["campaign_id", f"'{beginning}name", "n"]
    assert lines == [[f"'{evil}", "x", "-1"], ["a" + evil, "y", "-2"]]


def test_an_empty_table_has_a_header() -> None:
    assert written(pl.DataFrame(schema={"a": pl.String, "b": pl.Int64})) == b"a,b\r\n"


def test_a_row_of_missing_values_is_not_an_empty_line() -> None:
    assert written(pl.DataFrame({"a": [None, "x"]}, schema={"a": pl.String})) == b'a\r\n""\r\nx\r\n'


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=("Cs",))), st.integers(-(2**63), 2**63 - 1))))
def test_values_round_trip(pairs: list[tuple[str, int]]) -> None:
    rows = pl.DataFrame(pairs, schema={"text": pl.String, "count": pl.Int64}, orient="row")

    read = list(csv.reader(io.StringIO(written(rows).decode(), newline="")))

    unguarded = [(text[1:] if text[:1] == "'" and text[1:2] in "=+-@\t\r" else text, int(n)) for text, n in read[1:]]
    expected = [(text[1:] if text[:1] == "'" and text[1:2] in "=+-@\t\r" else text, n) for text, n in pairs]
    assert unguarded == expected


def test_many_rows_are_encoded_in_chunks() -> None:
    parts = list(csv_of(pl.DataFrame({"n": range(25_000)})))

    assert len(parts) == 4
    assert b"".join(parts).split() == [b"n", *(str(n).encode() for n in range(25_000))]

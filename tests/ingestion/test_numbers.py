from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.ingestion.numbers import NumberStyle

GERMAN = NumberStyle.of(",", None)
#: Separators of thousands, and the decimal mark that goes with each.
STYLES = [(",", "."), (".", ","), (",", " "), (".", "'"), (",", "\u00a0"), (".", "\u202f")]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234,56", "1234.56"), ("12.000", "12000"), ("1234", "1234"), ("-1.234.567,8", "-1234567.8"), (",5", ".5"),
        ("5,", "5"), ("1,000", "1"), ("1,234", "1.234"), ("1,5E3", "1.5E3"), ("$12.00", "$12.00"), ("1E3", "1E3"),
        ("--", "--"), ("", ""), ("NaN", "NaN"), (".", "."), ("5 EUR", "5 EUR"),
        ("5.0", None), ("12.00", None), ("1.2345", None), ("1234.567", None), (".123", None), ("1,2,3", None),
        ("1.234.56", None), ("1.5E3", None), ("1 234", None), ("-25.00", None),
    ],
)  # fmt: skip
def test_german_numbers(text: str, number: str | None) -> None:
    assert GERMAN.plain(text) == number


@pytest.mark.parametrize(
    ("decimal", "thousands", "text", "number"),
    [
        (".", ",", "1,234.56", "1234.56"), (".", ",", "1,23", None), (".", None, "1,234", None),
        (None, ",", "1,234", "1234"), (None, ".", "1.234", "1234"), (None, "'", "1’234.5", "1234.5"),
        (",", " ", "1\u202f234,5", "1234.5"), (",", " ", "1.234", None),
    ],
)  # fmt: skip
def test_other_styles(decimal: str | None, thousands: str | None, text: str, number: str | None) -> None:
    assert NumberStyle.of(decimal, thousands).plain(text) == number


@given(
    number=st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12),
    style=st.sampled_from(STYLES),
    grouped=st.booleans(),
)
def test_a_number_in_any_style_keeps_its_value(number: Decimal, style: tuple[str, str], grouped: bool) -> None:
    decimal, thousands = style
    marks = str.maketrans({",": thousands, ".": decimal})
    written = format(number, ",f" if grouped else "f").translate(marks)
    plain = NumberStyle.of(decimal, thousands).plain(written)
    assert plain is not None
    assert Decimal(plain) == number

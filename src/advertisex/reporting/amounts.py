"""Amounts of money as text, with the digits of their currency."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache

from iso4217 import Currency

from advertisex.reporting.cells import format_amount, format_value, plain_decimal

#: Digits of a currency that ISO 4217 does not have, or gives none for.
_DIGITS = 2

#: The least number of significant digits of the largest amount of a column.
_SIGNIFICANT = 2


def digits_of(currency: str | None) -> int:
    """The number of decimals of a currency: 2 of EUR, 0 of JPY, 3 of KWD."""
    return _exponents().get(currency, _DIGITS)


def currency_in(column: str) -> str | None:
    """The currency that the name of a column contains, as in `value_EUR_change`; None if it has none."""
    return next((part for part in column.split("_") if part in _exponents()), None)


def format_amounts(amounts: Sequence[Decimal | None], currencies: Sequence[str | None]) -> list[str]:
    """Format a column of amounts; those of a currency have the same number of decimals.

    An amount is rounded to the digits of its currency. If all are small, such as the prices of impressions, more are
    shown, so that the largest has two significant digits. An amount that would be rounded to 0 becomes "<0.01".
    """
    largest: dict[str | None, Decimal] = {}
    for amount, currency in zip(amounts, currencies, strict=True):
        if amount is not None:
            largest[currency] = max(largest.get(currency, amount), amount, key=abs)
    places = {currency: _places(amount, digits_of(currency)) for currency, amount in largest.items()}
    return [
        format_value(None) if amount is None else _rounded(amount, places[currency])
        for amount, currency in zip(amounts, currencies, strict=True)
    ]


def exact(amount: Decimal, text: str) -> str:
    """An amount or credit with all its digits, if its text is rounded; else empty."""
    is_whole = text[:1] not in "<>" and Decimal(text.replace(",", "")) == amount
    return "" if is_whole else format_amount(amount)


def is_money(value: object) -> bool:
    """Whether a fact is a mapping of amounts by currency."""
    return isinstance(value, Mapping) and bool(value) and all(isinstance(each, Decimal) for each in value.values())


def _places(amount: Decimal, digits: int) -> int:
    own = len(plain_decimal(amount).partition(".")[2])
    significant = _SIGNIFICANT - 1 - amount.adjusted() if amount else 0
    return max(digits, min(own, significant))


def _rounded(amount: Decimal, places: int) -> str:
    text = f"{amount:,.{places}f}"
    if not amount or text.strip("-0."):
        return text
    least = f"{Decimal(1).scaleb(-places):f}"
    return f"<{least}" if amount > 0 else f">-{least}"


@cache
def _exponents() -> dict[str | None, int]:
    return {one.code: _DIGITS if one.exponent is None else one.exponent for one in Currency}

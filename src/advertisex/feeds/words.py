"""Texts with a fixed meaning: missing values, flags, and currency codes (in upper case; the others in lower)."""

from typing import Any

from iso4217 import Currency

#: Texts of a missing value, in any case and with white space around them.
MISSING = ("", "null", "none", "nan", "\\n", "-", "--", "n/a")

#: Texts of a flag.
TRUE = ("1", "true", "t", "yes", "y", "1.0")
FALSE = ("0", "false", "f", "no", "n", "0.0")

#: The currency codes of ISO 4217.
ISO_4217 = frozenset(currency.code for currency in Currency)


def is_missing(value: Any) -> bool:
    """Whether the value of a field is missing: null, or a text of `MISSING`."""
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)

"""The texts that name a flag, and the currency codes of ISO 4217; texts are in lower case, codes in upper case."""

from iso4217 import Currency

#: Texts of a flag.
TRUE = ("1", "true", "t", "yes", "y", "1.0")
FALSE = ("0", "false", "f", "no", "n", "0.0")

#: The currency codes of ISO 4217.
ISO_4217 = frozenset(currency.code for currency in Currency)

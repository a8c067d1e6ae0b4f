"""Finds missing values: null, and the texts that sources write for it."""

from itertools import product

import polars as pl

from advertisex.feeds.words import MISSING


def _in_any_case(text: str) -> list[str]:
    letters = zip(text, text.upper(), strict=True)
    return ["".join(chosen) for chosen in product(*map(set, letters))]


#: Every spelling of a missing value; faster than changing the case of a whole column.
_SPELLINGS = pl.Series([[spelling for text in MISSING for spelling in _in_any_case(text)]])
_LONGEST = max(map(len, MISSING))


def missing(text: pl.Series) -> pl.Series:
    """Whether each text is null or spells a missing value (`MISSING`).

    Args:
        text: String, without white space around it.
    """
    can_be_missing = (text.str.len_bytes() <= _LONGEST).any()
    return text.is_in(_SPELLINGS).fill_null(value=True) if can_be_missing else text.is_null()

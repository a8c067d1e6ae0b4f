"""Catalogues for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from advertisex.model import CATALOGUE_COLUMNS


def catalogue_rows(columns: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    """Rows of the catalogue, given as columns; those left out are null."""
    rows = pl.DataFrame(columns)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in CATALOGUE_COLUMNS.items() if name not in columns]
    return rows.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in CATALOGUE_COLUMNS.items())

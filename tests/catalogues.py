"""Catalogues for tests."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from advertisex.model import CAMPAIGN_COLUMNS, CATALOGUE_COLUMNS


def catalogue_rows(columns: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    """Rows of the catalogue, given as columns; those left out are null."""
    rows = pl.DataFrame(columns)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in CATALOGUE_COLUMNS.items() if name not in columns]
    return rows.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in CATALOGUE_COLUMNS.items())


def campaign_rows(*flights: Mapping[str, Any]) -> pl.DataFrame:
    """Rows of campaigns, one for each flight; what is left out is null, and amounts can be text."""
    amounts = [name for name, dtype in CAMPAIGN_COLUMNS.items() if dtype == pl.Decimal]
    texts = CAMPAIGN_COLUMNS | dict.fromkeys(amounts, pl.String())
    return pl.DataFrame(list(flights), schema=texts).cast({name: CAMPAIGN_COLUMNS[name] for name in amounts})


def with_campaign(rows: Iterable[dict[str, Any]], catalogue: pl.DataFrame) -> list[dict[str, Any]]:
    """Add the campaign and the advertiser of each event's creative at its time, in plain loops."""
    return [row | _owners(row, catalogue) if "creative_id" in row else row for row in rows]


def _owners(event: dict[str, Any], catalogue: pl.DataFrame) -> dict[str, Any]:
    known = [
        entry
        for entry in catalogue.rows(named=True)
        if entry["creative_id"] == event["creative_id"]
        and (entry["valid_from"] is None or entry["valid_from"] <= event["event_time"])
    ]
    entry: dict[str, Any] = max(known, key=lambda entry: entry["valid_from"] or datetime(1, 1, 1), default={})
    return {name: entry.get(name) for name in ("campaign_id", "advertiser_id")}

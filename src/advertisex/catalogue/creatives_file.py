"""Reads the creatives of the catalogue from a CSV file."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from advertisex.catalogue.csv_file import CREATIVES_FORM, CsvTable, opened_table
from advertisex.model import CAMPAIGN_COLUMNS, CATALOGUE_COLUMNS
from advertisex.processing.timestamps import read_iso

_UTC = ZoneInfo("UTC")

_ONE_ROW = "each creative needs one row, or several with different valid_from"
#: Columns of campaigns that a file of creatives must not have, because they would be ignored.
_OF_CAMPAIGNS = [name for name in CAMPAIGN_COLUMNS if name not in CATALOGUE_COLUMNS]


def read_catalogue(path: Path) -> pl.DataFrame:
    """Read a CSV file with the columns creative_id, campaign_id and, optionally, advertiser_id and valid_from.

    `valid_from` is a date or a time in ISO 8601, in UTC unless it has an offset; empty means always. Surrounding white
    space is dropped.

    Returns:
        `CATALOGUE_COLUMNS`, ordered by creative and time.

    Raises:
        ConfigurationError: the file cannot be read, a column or a value is missing, repeated or invalid, a creative
            has two rows from the same time, or it has columns of campaigns.
    """
    with opened_table(path) as table:
        return creatives_in(table)


def creatives_in(table: CsvTable) -> pl.DataFrame:
    """Read an open file of creatives; see `read_catalogue`."""
    table.require(("creative_id", "campaign_id"), CATALOGUE_COLUMNS, CREATIVES_FORM)
    if mixed := [name for name in _OF_CAMPAIGNS if name in table.columns]:
        what = f"a file of creatives has columns of campaigns: {', '.join(mixed)}"
        hint = "split it into two files: creative_id, campaign_id, …; and campaign_id, start, end, …"
        raise table.error(1, what, hint)
    rows = table.frame(CATALOGUE_COLUMNS, lambda values, line: _row(values, line, table))
    if rows.is_empty():
        raise table.error(1, "the catalogue has no creatives", "an import of it would remove all of them")
    rows = rows.sort("creative_id", "valid_from", "line", nulls_last=False)
    same = (pl.col(name).eq_missing(pl.col(name).shift()) for name in ("creative_id", "valid_from"))
    again = rows.filter(pl.all_horizontal(same)).sort("line")
    for creative, line in again.select("creative_id", "line").head(1).iter_rows():
        raise table.error(line, f"duplicate creative {creative!r}", _ONE_ROW)
    return rows.drop("line")


def _row(values: Mapping[str, str], line: int, table: CsvTable) -> tuple[str, str, str | None, datetime | None]:
    creative, campaign = values.get("creative_id"), values.get("campaign_id")
    if not creative or not campaign:
        raise table.error(line, "empty creative_id or campaign_id", "give both in each row")
    text = values.get("valid_from") or None
    valid_from = None if text is None else read_iso(text if len(text) > len("2026-01-31") else f"{text}T00:00:00", _UTC)
    if text is not None and valid_from is None:
        hint = "write a date or a time, such as 2026-01-31 or 2026-01-31T12:00:00Z"
        raise table.error(line, f"invalid valid_from {text!r}", hint)
    return creative, campaign, values.get("advertiser_id") or None, valid_from

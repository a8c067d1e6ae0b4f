"""Reads the catalogue from a CSV file."""

import csv
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from advertisex.errors import ConfigurationError
from advertisex.model import CATALOGUE_COLUMNS
from advertisex.processing.timestamps import read_iso

_REQUIRED = ("creative_id", "campaign_id")
_UTC = ZoneInfo("UTC")

_HEADER = "the columns, separated by commas, are creative_id, campaign_id, advertiser_id, valid_from"
_ONE_ROW = "each creative needs one row, or several with different valid_from"

#: A row of the catalogue: creative, campaign, advertiser, valid_from.
_Row = tuple[str, str, str | None, datetime | None]


def read_catalogue(path: Path) -> pl.DataFrame:
    """Read a CSV file with the columns creative_id, campaign_id and, optionally, advertiser_id and valid_from.

    `valid_from` is a date or a time in ISO 8601, in UTC unless it has an offset; empty means always. Surrounding white
    space is dropped.

    Returns:
        `CATALOGUE_COLUMNS`, ordered by creative and time.

    Raises:
        ConfigurationError: the file cannot be read, a column or a value is missing, repeated or invalid, or a creative
            has two rows from the same time.
    """
    rows: dict[tuple[str, datetime | None], _Row] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            if missing := [name for name in _REQUIRED if name not in names]:
                raise _line_error(path, 1, f"missing column in the catalogue: {', '.join(missing)}", _HEADER)
            if repeated := [name for name, count in Counter(names).items() if count > 1 and name in CATALOGUE_COLUMNS]:
                raise _line_error(path, 1, f"repeated column in the catalogue: {', '.join(repeated)}", _HEADER)
            for cells in reader:
                row = _row(cells, path, reader.line_num)
                if (row[0], row[3]) in rows:
                    raise _line_error(path, reader.line_num, f"duplicate creative {row[0]!r}", _ONE_ROW)
                rows[row[0], row[3]] = row
            if not rows:
                raise _line_error(path, 1, "the catalogue has no creatives", "an import of it would remove all of them")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigurationError(
            f"cannot read the catalogue: {why}", where=str(path), hint="expected a CSV file in UTF-8"
        ) from error
    frame = pl.DataFrame(list(rows.values()), schema=CATALOGUE_COLUMNS, orient="row")
    return frame.sort("creative_id", "valid_from", nulls_last=False)


def _row(cells: Mapping[str | None, str | list[str] | None], path: Path, line: int) -> _Row:
    values = {name: value.strip() for name, value in cells.items() if name is not None and isinstance(value, str)}
    if None in cells:
        raise _line_error(path, line, "more cells than columns", _HEADER)
    creative, campaign = values.get("creative_id"), values.get("campaign_id")
    if not creative or not campaign:
        raise _line_error(path, line, "empty creative_id or campaign_id", "give both in each row")
    text = values.get("valid_from") or None
    valid_from = None if text is None else read_iso(text if len(text) > len("2026-01-31") else f"{text}T00:00:00", _UTC)
    if text is not None and valid_from is None:
        hint = "write a date or a time, such as 2026-01-31 or 2026-01-31T12:00:00Z"
        raise _line_error(path, line, f"invalid valid_from {text!r}", hint)
    return creative, campaign, values.get("advertiser_id") or None, valid_from


def _line_error(path: Path, line: int, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(what, where=f"{path}:{line}", hint=hint)

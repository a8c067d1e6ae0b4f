"""Read the catalogue: which campaign and advertiser each creative belongs to."""

import csv
from pathlib import Path

import polars as pl

from advertisex.errors import ConfigurationError
from advertisex.processing.enrich import Catalogue

_REQUIRED = ("creative_id", "campaign_id")
_COLUMNS = (*_REQUIRED, "advertiser_id")


def read_catalogue(path: Path) -> Catalogue:
    """The catalogue in a CSV file with a header: creative_id, campaign_id, and advertiser_id if there is one.

    Raises:
        ConfigurationError: it cannot be read, lacks a column or a value, or has a creative twice.
    """
    rows: dict[str, tuple[str, str | None]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            absent = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
            if absent:
                raise _wrong(path, 1, f"the catalogue has no column {' and no column '.join(absent)}")
            for row in reader:
                creative, campaign = row["creative_id"], row["campaign_id"]
                if not creative or not campaign:
                    raise _wrong(path, reader.line_num, "a creative or its campaign is empty")
                if creative in rows:
                    raise _wrong(path, reader.line_num, f"creative {creative!r} is there twice")
                rows[creative] = campaign, row.get("advertiser_id") or None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"cannot read the catalogue: {error}", where=str(path), hint="name a CSV file in UTF-8"
        ) from error
    creatives = pl.DataFrame(
        {
            "creative_id": list(rows),
            "campaign_id": [campaign for campaign, _ in rows.values()],
            "advertiser_id": [advertiser for _, advertiser in rows.values()],
        },
        schema=dict.fromkeys(_COLUMNS, pl.String),
    )
    return Catalogue(creatives)


def _wrong(path: Path, line: int, what: str) -> ConfigurationError:
    return ConfigurationError(what, where=f"{path}:{line}", hint="mend that line; every creative needs one row")

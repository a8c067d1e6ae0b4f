"""Reads the catalogue, which maps creatives to campaigns and advertisers, from a CSV file."""

import csv
from pathlib import Path

import polars as pl

from advertisex.errors import ConfigurationError
from advertisex.processing.enrich import Catalogue

_REQUIRED = ("creative_id", "campaign_id")
_COLUMNS = (*_REQUIRED, "advertiser_id")


def read_catalogue(path: Path) -> Catalogue:
    """Read a CSV file with a header and the columns creative_id, campaign_id and, optionally, advertiser_id.

    Raises:
        ConfigurationError: the file cannot be read, a column or a value is missing, or a creative is duplicated.
    """
    rows: dict[str, tuple[str, str | None]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
            if missing:
                raise _line_error(path, 1, f"missing column in the catalogue: {', '.join(missing)}")
            for row in reader:
                creative, campaign = row["creative_id"], row["campaign_id"]
                if not creative or not campaign:
                    raise _line_error(path, reader.line_num, "empty creative_id or campaign_id")
                if creative in rows:
                    raise _line_error(path, reader.line_num, f"duplicate creative {creative!r}")
                rows[creative] = campaign, row.get("advertiser_id") or None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"cannot read the catalogue: {error}", where=str(path), hint="expected a CSV file in UTF-8"
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


def _line_error(path: Path, line: int, what: str) -> ConfigurationError:
    return ConfigurationError(what, where=f"{path}:{line}", hint="fix that line: each creative needs exactly one row")

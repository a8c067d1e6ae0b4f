"""Reads the catalogue from a CSV file."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

import polars as pl

from advertisex.errors import ConfigurationError
from advertisex.limits import Limit
from advertisex.model import CATALOGUE_COLUMNS
from advertisex.processing.timestamps import read_iso
from advertisex.reasons import reason_of

_REQUIRED = ("creative_id", "campaign_id")
_UTC = ZoneInfo("UTC")

_HEADER = "the columns, separated by commas, are creative_id, campaign_id, advertiser_id, valid_from"
_ONE_ROW = "each creative needs one row, or several with different valid_from"

_FEWER = "leave out creatives that have no events"

MOST_ROWS = Limit(1_000_000, "rows", of="a catalogue", beyond="an error of the file")
FILE_CHARACTERS = Limit(64 * 2**20, "characters", of="a catalogue", beyond="an error of the file")
LINE_CHARACTERS = Limit(2**16, "characters", of="a line of a catalogue", beyond="an error of the file")
_PART_ROWS = 20_000

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
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(_lines(file, path), strict=True)
            frames = list(_frames(reader, path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = "it is not valid CSV" if isinstance(error, csv.Error) else reason_of(error)
        raise ConfigurationError(
            f"cannot read the catalogue: {why}", where=str(path), hint="expected a CSV file in UTF-8"
        ) from error
    if not frames:
        raise _line_error(path, 1, "the catalogue has no creatives", "an import of it would remove all of them")
    rows = pl.concat(frames).sort("creative_id", "valid_from", "line", nulls_last=False)
    same = (pl.col(name).eq_missing(pl.col(name).shift()) for name in ("creative_id", "valid_from"))
    again = rows.filter(pl.all_horizontal(same)).sort("line")
    for creative, line in again.select("creative_id", "line").head(1).iter_rows():
        raise _line_error(path, line, f"duplicate creative {creative!r}", _ONE_ROW)
    return rows.drop("line")


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    """The lines of a file, with their ends; none is read beyond its bound."""
    number = total = 0
    while line := file.readline(LINE_CHARACTERS + len("\r\n")):
        number, total = number + 1, total + len(line)
        if len(line.rstrip("\r\n")) > LINE_CHARACTERS:
            raise _line_error(path, number, f"the line has more than {LINE_CHARACTERS:,} characters", _HEADER)
        if total > FILE_CHARACTERS:
            raise _line_error(path, number, f"the catalogue has more than {FILE_CHARACTERS:,} characters", _FEWER)
        yield line


def _frames(reader: "csv.DictReader[str]", path: Path) -> Iterator[pl.DataFrame]:
    """The rows, each with its line."""
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    if missing := [name for name in _REQUIRED if name not in names]:
        raise _line_error(path, 1, f"missing column in the catalogue: {', '.join(missing)}", _HEADER)
    if repeated := [name for name, count in Counter(names).items() if count > 1 and name in CATALOGUE_COLUMNS]:
        raise _line_error(path, 1, f"repeated column in the catalogue: {', '.join(repeated)}", _HEADER)
    rows = ((*_row(cells, path, reader.line_num), reader.line_num) for cells in reader)
    count = 0
    while part := list(islice(rows, _PART_ROWS)):
        count += len(part)
        if count > MOST_ROWS:
            raise _line_error(path, part[-1][-1], f"the catalogue has more than {MOST_ROWS:,} rows", _FEWER)
        yield pl.DataFrame(part, schema=CATALOGUE_COLUMNS | {"line": pl.Int64()}, orient="row")


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

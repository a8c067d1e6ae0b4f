"""Files that nobody in this project wrote: nothing crashes, and other strict readers read the same."""

import contextlib
import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from advertisex.errors import SourceError
from tests.budget import some
from tests.ingestion.csv_reading import Read, read

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}


def files(shared_data: Any) -> Iterator[Path]:
    for name in ("duckdb_csv_json", "csv_spectrum", "naughty_strings"):
        yield from (path for path in sorted(shared_data(name).rglob("*")) if path.is_file())


@pytest.fixture(scope="module")
def readings(shared_data) -> dict[Path, Read]:
    """Every file that has a header."""
    found: dict[Path, Read] = {}
    for path in files(shared_data):
        with contextlib.suppress(SourceError):
            found[path] = read(path.read_bytes(), multiline=True, compressed=True)
    return found


def comparable(readings: dict[Path, Read]) -> Iterator[tuple[Path, list[list[str]], str]]:
    """Files of which every row is a message: their rows without empty last cells, and their delimiter."""
    for path, seen in readings.items():
        columns = seen.reading.columns
        plain = columns and columns.count("") < 2 and seen.reading.detected["encoding"] == "utf-8"
        if plain and not seen.bad and seen.reading.skipped.keys() <= {"header", "blank"}:
            rows = [columns, *(list(row.values()) for row in seen.good)]
            delimiter = seen.reading.detected["delimiter"]
            yield path, shortened(rows), DELIMITERS.get(delimiter, delimiter)


OPTIONS: list[dict[str, Any]] = [
    {}, {"quote": "none"}, {"escape": "\\"}, {"columns": ("a", "b")}, {"encoding": "cp1252"}
]  # fmt: skip


def test_nothing_crashes_and_nothing_disappears(shared_data) -> None:
    count = 0
    for path in files(shared_data):
        for options in some(OPTIONS, 2):
            with contextlib.suppress(SourceError):
                read(path.read_bytes(), compressed=True, **options)  # type: ignore[arg-type] # rows are balanced
                count += 1
    assert count > 200 * len(some(OPTIONS, 2))


def test_what_python_reads_strictly_is_read_the_same(readings: dict[Path, Read]) -> None:
    compared = 0
    for path, rows, delimiter in comparable(readings):
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig", "replace")
        if path.suffix == ".zst" or ' "' in text or any(line.startswith(" ") for line in text.splitlines()):
            continue  # an archive; a quote after white space, which is plain text for the csv module
        with contextlib.suppress(csv.Error):
            expected = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
            assert rows == shortened([[cell.strip() for cell in row] for row in expected]), path
            compared += 1
    assert compared > 100


def test_what_duckdb_reads_strictly_is_read_the_same(readings: dict[Path, Read]) -> None:
    compared = 0
    with duckdb.connect() as db:
        for path, rows, delimiter in comparable(readings):
            with contextlib.suppress(duckdb.Error):
                expected = db.read_csv(
                    str(path), sep=delimiter, header=False, all_varchar=True, quotechar='"', escapechar='"',
                    strict_mode=True, auto_detect=False, hive_partitioning=False,
                    columns={f"c{index}": "VARCHAR" for index in range(len(rows[0]))},
                ).fetchall()  # fmt: skip
                assert rows == shortened([[(cell or "").strip() for cell in row] for row in expected]), path
                compared += 1
    assert compared > 100


def shortened(rows: list[list[str]]) -> list[list[str]]:
    """The rows without empty last cells, and without blank rows."""
    short = []
    for row in rows:
        cells = list(row)
        while cells and not cells[-1]:
            cells.pop()
        short += [cells] if cells else []
    return short

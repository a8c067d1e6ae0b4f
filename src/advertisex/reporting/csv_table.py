"""Tables as CSV (RFC 4180, UTF-8), with protection against formula injection in spreadsheets."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from advertisex.reporting.cells import plain_decimal

#: First characters that make a spreadsheet treat a cell as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_ROWS = 10_000


def csv_of(rows: pl.DataFrame) -> Iterator[bytes]:
    """Encode a table, in chunks of rows after the header.

    Numbers keep all their digits, without separators; times are RFC 3339 in UTC; missing values are empty. Text that
    a spreadsheet would run as a formula is prefixed with an apostrophe.
    """
    yield _lines([rows.columns])
    for part in rows.iter_slices(_ROWS):
        yield _lines(part.iter_rows())


def _lines(rows: Any) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows([[_cell(value) for value in row] for row in rows])
    return buffer.getvalue().encode()


def _cell(value: Any) -> str:  # noqa: PLR0911 - one return per type
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case Decimal():
            return plain_decimal(value)
        case datetime():
            return value.isoformat() + "Z"
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case list() | dict():
            return _text(json.dumps(value, ensure_ascii=False, default=_cell))
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text

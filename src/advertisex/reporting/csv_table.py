"""A table as CSV (RFC 4180, UTF-8) that is safe to open in a spreadsheet."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from advertisex.reporting.cells import plain_decimal

#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_ROWS = 10_000


def csv_of(rows: pl.DataFrame) -> Iterator[bytes]:
    """The header and the rows, some thousand at a time.

    Numbers have all their digits and nothing else; times are RFC 3339, in UTC; what there is none of is empty. A text
    that a spreadsheet would run as a formula gets an apostrophe in front, which shows it as text.
    """
    yield _lines([rows.columns])
    for part in rows.iter_slices(_ROWS):
        yield _lines(part.iter_rows())


def _lines(rows: Any) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows([[_cell(value) for value in row] for row in rows])
    return buffer.getvalue().encode()


def _cell(value: Any) -> str:  # noqa: PLR0911 - a line for each type
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

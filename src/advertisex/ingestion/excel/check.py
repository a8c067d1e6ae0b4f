"""Check an Excel workbook before its library reads it: it must be intact, and fit in memory."""

import re
import zipfile
from pathlib import Path
from typing import Any

from advertisex.errors import SourceError
from advertisex.ingestion.stream import BLOCK, ZIP_ERRORS
from advertisex.limits import Limit

MAX_CELLS = Limit(
    2**23, "cells", of="a sheet of a workbook, empty ones before its last cell included", beyond="an error of the file"
)
_MAX_BYTES = Limit(2**30, "bytes", of="a workbook, unpacked", beyond="an error of the file")
_REFERENCE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{1,3})([0-9]{1,7})["']""")
_ERROR = re.compile(rb"""\st\s*=\s*["']e["']""")
_REFERENCE_BYTES = 64


def check_workbook(path: Path, name: str, max_cells: int) -> int:
    """Check a workbook; return its number of cells with an error, such as #N/A, which its library reads as empty.

    Args:
        path: the workbook.
        name: its name in errors.
        max_cells: maximum number of cells of a sheet, empty ones before its last cell included.

    Raises:
        SourceError: it is not a workbook, is damaged, or does not fit in memory.
    """
    errors = 0
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename for member in archive.infolist()}
            if "xl/workbook.xml" not in members:
                raise SourceError(
                    "a zip archive inside another archive or a compressed file is not read"
                    if members and "[Content_Types].xml" not in members
                    else "not a valid Excel workbook",
                    where=name,
                    hint="unpack it, and ingest its files",
                )
            if sum(member.file_size for member in archive.infolist()) > _MAX_BYTES:
                raise _too_large(name)
            for member in archive.infolist():
                with archive.open(member) as part:
                    errors += _scan(part, name, max_cells)
    except ZIP_ERRORS as error:
        raise SourceError(
            "not a valid Excel workbook", where=name, hint="open and save it in Excel again, as .xlsx"
        ) from error
    return errors


def _scan(part: Any, name: str, max_cells: int) -> int:
    """Read a part of a workbook to its end, so that its checksum is verified; return the number of error cells."""
    columns: set[bytes] = set()
    last_row, errors, elements, tail = 0, 0, 0, b""
    while block := part.read(BLOCK):
        # the end of a block is read again with the next one, which may complete a reference
        text = tail + block
        tail = text[-_REFERENCE_BYTES:]
        found = _REFERENCE.findall(text)
        columns.update(column for column, _ in found)
        last_row = max(last_row, max((int(row) for _, row in found), default=0))
        errors += len(_ERROR.findall(text)) - len(_ERROR.findall(tail))
        # cells without a reference, and shared texts
        elements += block.count(b"<c ") + block.count(b"<c>") + block.count(b"<c/") + block.count(b"<si")
        if elements > max_cells or last_row * max(map(_number, columns), default=0) > max_cells:
            raise _too_large(name)
    return errors + len(_ERROR.findall(tail))


def _number(column: bytes) -> int:
    number = 0
    for letter in column.upper():
        number = number * 26 + letter - 64
    return number


def _too_large(name: str) -> SourceError:
    return SourceError(
        "the workbook is too large to be read into memory",
        where=name,
        hint="save the sheet as CSV; if the table is small, delete the stray cells far below or beside it",
    )

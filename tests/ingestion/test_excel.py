import io
import json
import sys
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.excel.reader import ExcelReader
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.records import Reading
from advertisex.ingestion.stream import Stream

Sheets = dict[str, list[list[Any]]]


def workbook(sheets: Sheets, at: tuple[int, int] = (0, 0), fill: Callable[[Any], None] | None = None) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "remove_timezone": True}) as book:
        formats = {
            datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
            time: book.add_format({"num_format": "hh:mm:ss"}),
        }
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for row, cells in enumerate(rows, start=at[0]):
                for column, cell in enumerate(cells, start=at[1]):
                    sheet.write(row, column, cell, formats.get(type(cell)))
            if fill is not None:
                fill(sheet)
    return file.getvalue()


def read(content: bytes, limits: dict[str, int] | None = None, **options: Any) -> tuple[list[Any], Reading]:
    stream = Stream(io.BytesIO(content), "x.xlsx")
    reader = ExcelReader(stream, FEEDS["clicks"], IngestOptions(**options), **(limits or {}))
    records = [record for chunk in reader.chunks() for record in chunk.records]
    return records, reader.reading


def test_cells_become_the_text_that_a_person_would_export() -> None:
    cells = {
        "whole": (12.0, "12"),
        "negative": (-3, "-3"),
        "exact": (123456789012345, "123456789012345"),
        "sum": (0.1 + 0.2, "0.3"),
        "small": (0.00001, "0.00001"),
        "yes": (True, "true"),
        "no": (False, "false"),
        "instant": (datetime(2026, 1, 5, 9, 0, 1), "2026-01-05T09:00:01"),
        "fraction": (datetime(2026, 1, 5, 9, 0, 1, 250_000), "2026-01-05T09:00:01.250000"),
        "day": (date(2026, 1, 5), "2026-01-05"),
        "clock": (time(9, 30), "09:30:00"),
        "text": ('a, "b"; c', 'a, "b"; c'),
        "digits": ("007", "007"),
        "user_id": ("u1", "u1"),
    }
    rows = [list(cells), [value for value, _ in cells.values()]]
    (record,), reading = read(workbook({"Data": rows}))
    assert record == {name: text for name, (_, text) in cells.items()}
    assert reading.columns is None or reading.columns == list(cells)
    assert reading.detected["sheet"] == "Data"
    assert "delimiter" not in reading.detected


def test_midnight_between_times_is_a_time() -> None:
    rows = [["timestamp", "day"], [datetime(2026, 1, 5), date(2026, 1, 5)], [datetime(2026, 1, 5, 9), None]]
    first, second = read(workbook({"Data": rows}))[0]
    assert (first["timestamp"], first["day"]) == ("2026-01-05T00:00:00", "2026-01-05")
    assert second["timestamp"] == "2026-01-05T09:00:00"


@pytest.mark.parametrize("number", [906428475349054123, 10**15, -(10**17) - 1])
def test_a_number_that_has_lost_digits_is_in_scientific_notation(number: int) -> None:
    (record,), _ = read(workbook({"Data": [["user_id"], [number]]}))
    assert "e+" in record["user_id"]


def test_a_decimal_comma_holds_for_numbers_as_for_text() -> None:
    rows = [["user_id", "value", "clicks"], ["u1", 1234.5, 1000], ["u2", "1.234,5", "1.000"]]
    records, _ = read(workbook({"Data": rows}), dialect=CsvDialect(decimal=","))
    assert [record["value"].replace(".", "") for record in records] == ["1234,5", "1234,5"]


def test_the_first_sheet_with_a_known_header_is_read_and_others_are_named() -> None:
    table = [["User ID", "Campaign"], ["u1", "k1"]]
    sheets: Sheets = {"Notes": [["made by"], ["me"]], "Jan": table, "Feb": table, "Mar": [["x"]]}
    records, reading = read(workbook(sheets))
    assert [record["user_id"] for record in records] == ["u1"]
    assert reading.detected["sheet"] == "Jan"
    assert list(reading.warnings) == ["sheets with a header that are not read: Feb"]


def test_the_sheet_with_the_most_required_fields_is_read() -> None:
    sheets: Sheets = {
        "Summary": [["Campaign", "Clicks"], ["k1", 10]],
        "Rows": [["Timestamp", "User ID", "Campaign"], ["2026-01-05 09:00:00", "u1", "k1"]],
    }
    records, reading = read(workbook(sheets))
    assert [record["user_id"] for record in records] == ["u1"]
    assert list(reading.warnings) == ["sheets with a header that are not read: Summary"]


def test_charts_and_empty_sheets_are_passed_over() -> None:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=Data!$A$2:$A$2"})
        book.add_chartsheet("Chart").set_chart(chart)
        book.add_worksheet("Empty")
        sheet = book.add_worksheet("Data")
        sheet.write_column(0, 0, ["user_id", "u1"])
    assert read(file.getvalue())[0] == [{"user_id": "u1"}]


def test_a_workbook_without_cells_is_an_error() -> None:
    with pytest.raises(SourceError, match="the workbook has no cells"):
        read(workbook({"Data": []}))


def test_columns_of_the_user_are_those_of_the_first_sheet_with_cells() -> None:
    records, _ = read(workbook({"A": [], "B": [["u1", "k1"]], "C": [["user_id"]]}), columns=("user_id", "campaign_id"))
    assert records == [{"user_id": "u1", "campaign_id": "k1"}]


def test_a_table_that_does_not_begin_in_the_first_cell() -> None:
    records, _ = read(workbook({"Data": [["user_id", "campaign_id"], ["u1", "k1"]]}, at=(0, 2)))
    assert [(record["user_id"], record["campaign_id"]) for record in records] == [("u1", "k1")]


def test_an_error_in_a_cell_is_missing_and_warned_of() -> None:
    def errors(sheet: Any) -> None:
        sheet.write_formula(1, 1, "=1/0", value="#DIV/0!")
        sheet.write_formula(1, 2, "=NA()", value="#N/A")

    (record,), reading = read(workbook({"Data": [["user_id", "value", "clicks"], ["u1"]]}, fill=errors))
    assert record == {"user_id": "u1", "value": "", "clicks": ""}
    assert reading.warnings == {"cells with an error, such as #N/A, are read as missing": 2}


def test_a_stray_cell_far_away_does_not_fill_the_memory() -> None:
    content = workbook({"Data": [["user_id"], ["u1"]]}, fill=lambda sheet: sheet.write(1_048_575, 16_383, "x"))
    with pytest.raises(SourceError, match=r"too large to be read into memory \(x\.xlsx\); .*stray cells"):
        read(content)
    content = workbook({"Data": [["user_id"]] + [["u1"]] * 99})
    assert len(read(content, {"max_cells": 100})[0]) == 99
    with pytest.raises(SourceError, match="too large"):
        read(content, {"max_cells": 99})


def rewritten(content: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            if (part := change(name, source.read(name))) is not None:
                target.writestr(name, part)
    return file.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda name, part: None if name == "xl/workbook.xml" else part, "not a valid Excel workbook"),
        (lambda name, part: part[:50] if name.startswith("xl/worksheets") else part, "the workbook is damaged"),
        (lambda name, part: None if name.startswith("xl/worksheets") else part, "the workbook is damaged"),
    ],
)
def test_a_damaged_workbook_is_an_error(change: Callable[[str, bytes], bytes | None], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(rewritten(workbook({"Data": [["user_id"], ["u1"]]}), change))


@pytest.mark.parametrize("content", [b"user_id\nu1\n", b"<html>", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"])
def test_another_file_with_the_name_of_a_workbook(tmp_path: Path, ingested, content: bytes) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(content)
    (failure,) = ingested("clicks", path).failures
    assert str(path) in str(failure)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(SourceError, match=r"the extra 'excel'.*pip install 'advertisex\[excel\]'"):
        read(workbook({"Data": [["user_id"], ["u1"]]}))


def test_every_sheet_value_reaches_the_log_as_text(tmp_path: Path, ingested) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(workbook({"Data": [["user_id", "value"], ["u\n1", 2.5]]}))
    seen = ingested("clicks", path)
    assert [json.loads(message) for message in seen.messages] == [{"user_id": "u\n1", "value": "2.5"}]

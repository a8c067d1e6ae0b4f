"""Reads the campaigns of the catalogue from a CSV file."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from advertisex.catalogue.campaigns import first_fault
from advertisex.catalogue.csv_file import CAMPAIGNS_FORM, CsvTable, opened_table
from advertisex.model import CAMPAIGN_COLUMNS, MONEY
from advertisex.processing.timestamps import read_iso

_REQUIRED = ("campaign_id", "start", "end")
_UTC = ZoneInfo("UTC")
_OFFSET = re.compile(r"(?:[Zz]| UTC| GMT|[+-]\d\d(?::?\d\d)?)$")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT = re.compile(rf"[0-9]{{1,19}}(?:\.[0-9]{{1,{MONEY}}})?")
_COUNT = re.compile(r"[0-9]{1,18}")
#: How alike a name of a column must be to a known one, at most 1, to be taken for a misspelling of it.
_ALIKE = 0.8

_NUMBER = "without thousands separators, signs or currency symbols"


def read_campaigns(path: Path, zone: str = "UTC") -> pl.DataFrame:
    """Read a CSV file with the columns campaign_id, start, end and what is booked, one row for each flight.

    The other columns are budget, impressions, clicks, conversions, rate_type, rate and currency; all may be empty or
    left out. A date as `start` is the beginning of that day, a date as `end` its end; a time as `end` does not belong
    to the flight any more. Surrounding white space is dropped, and further columns are ignored.

    Args:
        path: the file.
        zone: time zone of dates, and of times without an offset.

    Returns:
        `CAMPAIGN_COLUMNS`, ordered by campaign and start.

    Raises:
        ConfigurationError: the file cannot be read, a column or a value is missing, repeated, misspelled or invalid, or
            flights of a campaign overlap or have several currencies.
    """
    with opened_table(path) as table:
        return campaigns_in(table, zone)


def campaigns_in(table: CsvTable, zone: str) -> pl.DataFrame:
    """Read an open file of campaigns; see `read_campaigns`."""
    table.require(_REQUIRED, CAMPAIGN_COLUMNS, CAMPAIGNS_FORM)
    for name, known in _misspelled(table.columns):
        hint = f"name it {known}, or leave it out"
        raise table.error(1, f"unknown column {name!r} in the campaigns, which have no column {known}", hint)
    where = ZoneInfo(zone)
    rows = table.frame(CAMPAIGN_COLUMNS, lambda values, line: tuple(_row(values, line, table, where)))
    if rows.is_empty():
        raise table.error(1, "the catalogue has no campaigns", "an import of it would remove all of them")
    if fault := first_fault(rows):
        raise table.error(rows["line"][fault.row], fault.what, fault.hint)
    return rows.drop("line").sort("campaign_id", "start")


def _misspelled(columns: list[str]) -> Iterator[tuple[str, str]]:
    """The unknown columns whose names resemble, or contain as a word, a known one that is absent."""
    absent = [name for name in CAMPAIGN_COLUMNS if name not in columns]
    for column in columns:
        words = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
        if column not in CAMPAIGN_COLUMNS:
            found = [name for name in absent if name in words.split("_")]
            for known in [*found, *get_close_matches(words, absent, 1, _ALIKE)][:1]:
                yield column, known


def _row(values: Mapping[str, str], line: int, table: CsvTable, zone: ZoneInfo) -> Iterator[Any]:
    """The values of a row, in the order of `CAMPAIGN_COLUMNS`; null if they are empty."""
    for name in CAMPAIGN_COLUMNS:
        text = values.get(name)
        try:
            yield _value(name, text, zone) if text else None
        except _Unreadable as error:
            raise table.error(line, f"invalid {name} {text!r}{error.why}", error.hint) from None


def _value(name: str, text: str, zone: ZoneInfo) -> Any:
    dtype = CAMPAIGN_COLUMNS[name]
    if dtype == pl.Datetime:
        return _moment(text, zone, days=1 if name == "end" else 0)
    if dtype == pl.Decimal:
        if not _AMOUNT.fullmatch(text):
            raise _Unreadable(f"write a number such as 1000.00, {_NUMBER}, and with at most {MONEY} decimals")
        return Decimal(text)
    if dtype == pl.Int64:
        if not _COUNT.fullmatch(text):
            raise _Unreadable(f"write a whole number such as 250000, {_NUMBER}")
        return int(text)
    return {"rate_type": text.lower(), "currency": text.upper()}.get(name, text)


def _moment(text: str, zone: ZoneInfo, days: int) -> datetime:
    """A time; of a day, its first moment, or that of a number of days later."""
    try:
        found = _day(text, zone, days) if _DAY.fullmatch(text) else _time(text, zone)
    except (ValueError, OverflowError):  # it is not in the calendar
        found = None
    if found is None:
        raise _Unreadable("write a date or a time, such as 2026-01-31 or 2026-01-31T12:00:00Z")
    return found


def _day(text: str, zone: ZoneInfo, days: int) -> datetime:
    """The first moment of a day; if the clocks skip midnight, that is when they are changed."""
    day = date.fromisoformat(text) + timedelta(days=days)
    return datetime.combine(day, time.min, zone).astimezone(UTC).replace(tzinfo=None)


def _time(text: str, zone: ZoneInfo) -> datetime | None:
    found = read_iso(text, _UTC)
    if found is None or _OFFSET.search(text, len("2026-01-31")):
        return found
    first, second = (found.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != second:
        is_skipped = first.astimezone(zone).replace(tzinfo=None) != found
        why = f": the clocks in {zone} {'skip it' if is_skipped else 'show it twice'}"
        raise _Unreadable(f"add its offset from UTC, such as {text}+01:00", why)
    return first.replace(tzinfo=None)


class _Unreadable(Exception):
    """A cell cannot be read."""

    def __init__(self, hint: str, why: str = "") -> None:
        super().__init__(hint)
        self.hint, self.why = hint, why

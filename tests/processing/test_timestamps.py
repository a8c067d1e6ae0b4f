"""Parsing timestamps: RFC 3339, the notations that docs/feeds.md adds, and nothing else."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.feeds import FEEDS, TimeReading
from advertisex.processing.timestamps import read_iso, read_timestamps
from tests.budget import examples
from tests.processing.messages import event_of, reject_of, written

#: Vectors that RFC 3339 rejects and docs/feeds.md accepts (a space for the T, no offset, epochs): none in the suite.
ACCEPTED_BEYOND_RFC_3339: frozenset[str] = frozenset()
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")

EPOCH = datetime(1970, 1, 1)
#: Leaves room for an offset on both sides: times outside the years 1 to 9999 are tested elsewhere.
INSTANTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))


def read(*texts: str | None, times: TimeReading = TimeReading()) -> list[datetime | None]:
    return read_timestamps(pl.Series(texts, dtype=pl.String), times).to_list()


def read_one(text: str, times: TimeReading = TimeReading()) -> datetime | None:
    return read(text, times=times)[0]


def vectors(shared_data: Callable[[str], Path], *, valid: bool) -> list[str]:
    suites = json.loads((shared_data("timestamps") / "date-time.json").read_text(encoding="utf-8"))
    cases = [case for suite in suites for case in suite["tests"]]
    found = [case["data"] for case in cases if case["valid"] == valid and isinstance(case["data"], str)]
    assert len(found) > 6
    return found


def reference(text: str) -> datetime:
    """The instant of a valid RFC 3339 text; a leap second becomes the following second."""
    text = text.upper()
    leap = text[17:19] == "60"
    instant = datetime.fromisoformat(f"{text[:17]}59{text[19:]}" if leap else text)
    instant = instant.astimezone(UTC).replace(tzinfo=None)
    return instant.replace(microsecond=0) + timedelta(seconds=1) if leap else instant


def test_valid_rfc_3339_is_the_right_instant(shared_data: Callable[[str], Path]) -> None:
    texts = vectors(shared_data, valid=True)

    assert dict(zip(texts, read(*texts), strict=True)) == {text: reference(text) for text in texts}


def test_invalid_rfc_3339_is_rejected(shared_data: Callable[[str], Path]) -> None:
    texts = vectors(shared_data, valid=False)

    accepted = {text for text, instant in zip(texts, read(*texts), strict=True) if instant is not None}
    assert accepted == ACCEPTED_BEYOND_RFC_3339


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-05 10:00:00", datetime(2026, 1, 5, 10)),
        ("2026-01-05T10:00:00", datetime(2026, 1, 5, 10)),
        ("2026-01-05 10:00:00.5", datetime(2026, 1, 5, 10, 0, 0, 500_000)),
        ("2026-01-05 10:00:00.123456789", datetime(2026, 1, 5, 10, 0, 0, 123_456)),
        ("2026-01-05 10:00:00 ", None),
        ("2026-01-05 12:00:00+02:00", datetime(2026, 1, 5, 10)),
        ("2026-01-05T12:00:00.123+0200", datetime(2026, 1, 5, 10, 0, 0, 123_000)),
        ("2026-01-05T12:00:00+02", datetime(2026, 1, 5, 10)),
        ("2026-01-05", None),
        ("2026-01-05T10:00", None),
        ("2026-01-05T24:00:00Z", None),
        ("2026-01-05T10:60:00Z", None),
        ("2026-02-29T10:00:00Z", None),
        ("2024-02-29T10:00:00Z", datetime(2024, 2, 29, 10)),
        ("1900-02-29T10:00:00Z", None),
        ("2000-02-29T10:00:00Z", datetime(2000, 2, 29, 10)),
        ("2026-01-05T10:00:00.Z", None),
        ("2026-01-05T10:00:00,5Z", None),
        ("+2026-01-05T10:00:00Z", None),
        ("20260105T100000Z", None),
        ("2026-01-05T10:00:00ZZ", None),
        ("2026-01-05T10:00:00Z\n", None),
        ("\ufeff2026-01-05T10:00:00Z", None),
        ("", None),
        ("now", None),
        ("nan", None),
        ("0x10", None),
        ("1e9", None),
        ("--1", None),
        ("+1", None),
        (".5", None),
        ("0", EPOCH),
        ("-1", datetime(1969, 12, 31, 23, 59, 59)),
        ("-1.5", datetime(1969, 12, 31, 23, 59, 58, 500_000)),
        ("-0.5", datetime(1969, 12, 31, 23, 59, 59, 500_000)),
    ],
)
def test_a_notation_is_accepted_or_rejected(text: str, instant: datetime | None) -> None:
    assert read_one(text) == instant


def test_null_stays_null_and_the_rows_stay_in_order() -> None:
    texts = ["1767607200", None, "2026-01-05T10:00:00Z", "x", "2026-01-05T10:00:00z", None, "x"]

    ten = datetime(2026, 1, 5, 10)
    assert read(*texts) == [ten, None, ten, None, ten, None, None]
    assert read() == []
    assert read_timestamps(pl.Series([], dtype=pl.String), TimeReading()).dtype == pl.Datetime("us")


# -- properties --------------------------------------------------------------------------------------------------


@st.composite
def notations(draw: st.DrawFn) -> tuple[str, datetime]:
    """A text in some notation, and its instant as computed by Python."""
    instant = draw(INSTANTS)
    digits = draw(
        st.sampled_from(["", "0", "5", "123", "000001", "999999", "1234567", "999999999"])
        | st.text("0123456789", max_size=9)
    )
    micros = int(digits[:6].ljust(6, "0")) if digits else 0
    minutes = draw(st.sampled_from([0, 60, -300, 330, 20, -1, 1439, -1439]) | st.integers(-1439, 1439))
    hours, remainder = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    offset, minutes = draw(
        st.sampled_from([
            ("Z", 0), ("z", 0), ("", 0),
            (f"{sign}{hours:02}:{remainder:02}", minutes), (f"{sign}{hours:02}{remainder:02}", minutes),
            (f"{sign}{hours:02}", int(f"{sign}{hours * 60}")),
        ])
    )  # fmt: skip
    separator = draw(st.sampled_from("Tt "))
    local = instant.replace(microsecond=0)
    text = f"{local:%m-%dS%H:%M:%S}".replace("S", separator)
    text = f"{local.year:04}-{text}{'.' if digits else ''}{digits}{offset}"
    return text, local.replace(microsecond=micros) - timedelta(minutes=minutes)


@settings(max_examples=examples(300))
@given(notations())
def test_any_instant_in_any_notation_agrees_with_python(case: tuple[str, datetime]) -> None:
    text, instant = case

    assert read_one(text) == instant


@settings(max_examples=examples(20))
@given(st.lists(notations(), min_size=1, max_size=50))
def test_a_column_of_mixed_notations_is_read_row_by_row(cases: list[tuple[str, datetime]]) -> None:
    assert read(*(text for text, _ in cases)) == [instant for _, instant in cases]


@settings(max_examples=examples(200))
@given(
    whole=st.integers(0, 10**11 - 1) | st.integers(10**9, 2 * 10**9),
    fraction=st.text("0123456789", max_size=9),
    negative=st.booleans(),
)
def test_epoch_seconds(whole: int, fraction: str, negative: bool) -> None:
    sign = -1 if negative else 1
    micros = sign * (whole * 10**6 + int(fraction[:6].ljust(6, "0")))
    text = f"{'-' if negative else ''}{whole}{'.' if fraction else ''}{fraction}"

    column = read_timestamps(pl.Series([text]), TimeReading())

    assert column.dt.timestamp("us").to_list() == [micros]  # compared as a number: it may be before the year 1


@settings(max_examples=examples(100))
@given(whole=st.integers(10**11, 10**14 - 1), fraction=st.text("0123456789", max_size=9))
def test_epoch_milliseconds(whole: int, fraction: str) -> None:
    micros = whole * 1000 + int(fraction[:3].ljust(3, "0"))

    assert read_one(f"{whole}{'.' if fraction else ''}{fraction}") == EPOCH + timedelta(microseconds=micros)


@settings(max_examples=examples(100))
@given(whole=st.integers(10**14, 10**17 - 1))
def test_epoch_microseconds(whole: int) -> None:
    assert read_one(str(whole)) == EPOCH + timedelta(microseconds=whole)


@given(INSTANTS.filter(lambda instant: datetime(1974, 1, 1) < instant < datetime(5000, 1, 1)))
@settings(max_examples=examples(100))
def test_an_instant_is_the_same_as_iso_seconds_milliseconds_and_microseconds(instant: datetime) -> None:
    micros = (instant - EPOCH) // timedelta(microseconds=1)
    texts = (instant.isoformat() + "Z", f"{micros // 10**6}.{micros % 10**6:06}", str(micros))

    assert read(*texts) == [instant] * 3
    assert read_one(str(micros // 1000)) == instant.replace(microsecond=micros // 1000 % 1000 * 1000)


# -- zones -------------------------------------------------------------------------------------------------------


def in_zone(local: datetime, zone: str) -> datetime | None:
    """A local time in UTC, by Python's time zone data; None if skipped by a clock change."""
    instant = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return instant.replace(tzinfo=None) if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local else None


@pytest.mark.parametrize("notation", ["{}", "{}.1"])
@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-03-29 01:59:59", "2026-03-29 00:59:59"),
        ("2026-03-29 02:00:00", None),
        ("2026-03-29 02:59:59", None),
        ("2026-03-29 03:00:00", "2026-03-29 01:00:00"),
        ("2026-10-25 01:59:59", "2026-10-24 23:59:59"),
        ("2026-10-25 02:30:00", "2026-10-25 00:30:00"),  # ambiguous: the first one is used
        ("2026-10-25 03:00:00", "2026-10-25 02:00:00"),
    ],
)
def test_local_times_around_a_clock_change(local: str, utc: str | None, notation: str) -> None:
    instant = read_one(notation.format(local), TimeReading(zone="Europe/Berlin"))

    assert (instant and instant.replace(microsecond=0).isoformat(" ")) == utc


@settings(max_examples=examples(150))
@given(
    local=st.datetimes(datetime(1996, 1, 1), datetime(2026, 1, 1)),
    zone=st.sampled_from(ZONES),
    digits=st.integers(0, 6),
)
def test_a_time_without_an_offset_is_in_the_configured_zone(local: datetime, zone: str, digits: int) -> None:
    local = local.replace(microsecond=local.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))
    text = local.strftime("%Y-%m-%d %H:%M:%S.%f")[: 20 + digits].rstrip("." if not digits else "")

    assert read_one(text, TimeReading(zone=zone)) == in_zone(local, zone)


@settings(max_examples=examples(100))
@given(case=notations(), zone=st.sampled_from(ZONES))
def test_the_configured_zone_does_not_affect_times_with_an_offset(case: tuple[str, datetime], zone: str) -> None:
    text, instant = case
    if re.search(r"([Zz]|[+-]\d\d:?(\d\d)?)$", text[19:]):
        assert read_one(text, TimeReading(zone=zone)) == instant


@st.composite
def nearly(draw: st.DrawFn) -> str:
    """A text like a timestamp, with parts that may be out of range."""
    year, month, day = draw(st.integers(2, 9998)), draw(st.integers(0, 13)), draw(st.integers(0, 32))
    hour, minute, second = draw(st.integers(0, 25)), draw(st.integers(0, 61)), draw(st.integers(0, 61))
    fraction = draw(st.sampled_from(["", ".", ".1", ".123", ".123456", ".1234567", ".12x"]))
    offset = draw(
        st.sampled_from(["", "Z", "z", "+00:00", "-00:00", "+23:59", "+24:00", "-05:30", "+0530", "+05:60", "Z "])
    )
    separator = draw(st.sampled_from("T t"))
    return f"{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{fraction}{offset}"


@settings(max_examples=examples(300))
@given(text=nearly() | notations().map(lambda case: case[0]), zone=st.sampled_from(("UTC", *ZONES)))
def test_reading_columns_and_reading_one_by_one_agree(text: str, zone: str) -> None:
    if zone != "UTC" and not 1996 <= int(text[:4]) <= 2026:
        text = "2001" + text[4:]  # a year in which both time zone databases agree

    assert read_one(text, TimeReading(zone=zone)) == read_iso(text, ZoneInfo(zone))


# -- formats of the settings -------------------------------------------------------------------------------------


def test_formats_of_the_settings_come_before_all_guesses() -> None:
    times = TimeReading(zone="Europe/Berlin", formats=("%d/%m/%Y %H:%M", "%Y-%m-%d", "%d/%m/%Y %H:%M %z"))

    assert read("05/01/2026 10:00", "2026-01-05", "05/01/2026 10:00 +0000", "2026-01-05T10:00:00Z", times=times) == [
        datetime(2026, 1, 5, 9),
        datetime(2026, 1, 4, 23),
        datetime(2026, 1, 5, 10),
        datetime(2026, 1, 5, 10),
    ]
    assert read_one("29/03/2026 02:30", times) is None  # skipped by the clock change there
    assert read_one("05/01/2026 10:00") is None
    digits = TimeReading(formats=("%y%m%d%H%M", "%Y%m%d"))
    assert read("1410210030", "20260105", "1767603600", "1", "2026010", times=digits) == [
        datetime(2014, 10, 21, 0, 30),
        datetime(2026, 1, 5),
        datetime(2026, 1, 5, 9),  # not a date in either format: an epoch
        datetime(1970, 1, 1, 0, 0, 1),
        datetime(1970, 1, 24, 10, 46, 50),
    ]
    assert read_one("2026-05-01 10:00:00", TimeReading(formats=("%Y-%d-%m %H:%M:%S",))) == datetime(2026, 1, 5, 10)


def test_a_zone_that_the_format_does_not_take_is_rejected_and_never_that_of_the_settings() -> None:
    times = TimeReading(zone="America/New_York", formats=("%Y-%m-%d %H:%M:%S %Z",))
    nine = datetime(2026, 1, 5, 9)

    texts = ("UTC", "GMT", "Z", "+0000", "+00:00", "EST", "CET", "utc", "America/New_York", "+00", "GMT+1")
    assert read(*(f"2026-01-05 09:00:00 {zone}" for zone in texts), times=times) == [nine] * 5 + [None] * 6
    assert read_one("2026-01-05 04:00:00.000001 -0500", times) == datetime(2026, 1, 5, 9, 0, 0, 1)
    assert read_one("2026-01-05 04:00:00", times) == nine


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_utc_and_gmt_may_be_named_without_a_format(zone: str) -> None:
    texts = ("2026-01-05 09:00:00 UTC", "2026-01-05T09:00:00 GMT", "2026-01-05 09:00:00.000 UTC")
    others = ("2026-01-05 09:00:00 EST", "2026-01-05 09:00:00UTC", "2026-01-05 09:00:00 utc", "1767603600 UTC")

    assert read(*texts, *others, times=TimeReading(zone=zone)) == [datetime(2026, 1, 5, 9)] * 3 + [None] * 4


@pytest.mark.parametrize("number", ["1.7676E+12", "1.76760360025E12", "1.7676e12", "1E9"])
@pytest.mark.parametrize("feed", FEEDS)
def test_a_time_in_scientific_notation_is_rejected(feed: str, number: str) -> None:
    for payload in (written(feed, timestamp=number), written(feed, timestamp=f'"{number}"')):
        assert reject_of(feed, payload)["reason"] == "bad_timestamp"
    assert event_of(feed, written(feed, timestamp="1767603600.0000019"))["event_time"].microsecond == 1


@pytest.mark.parametrize("text", ["", "soon", "%Q", "%Y", "%H:%M"])
def test_a_reading_with_an_invalid_format_cannot_be_made(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid time format"):
        TimeReading(formats=(text,))

"""Formats of timestamps: the directives of strptime, strictly."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.feeds.time_format import TimeFormat
from tests.budget import examples

NINE = datetime(2026, 1, 5, 9)
ZONED = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "pattern", "time"),
    [
        ("20260105", "%Y%m%d", NINE.replace(hour=0)),
        ("2601050900", "%y%m%d%H%M", NINE),
        ("20260105090000", "%Y%m%d%H%M%S", NINE),
        ("20260105090000.25", "%Y%m%d%H%M%S", NINE.replace(microsecond=250_000)),
        ("20260105090000000001", "%Y%m%d%H%M%S%f", NINE.replace(microsecond=1)),
        ("2026005", "%Y%j", NINE.replace(hour=0)),
        # digits beside other text may be fewer
        ("5/1/2026 9:00", "%d/%m/%Y %H:%M", NINE),
        ("05/01/2026 09:00", "%d/%m/%Y %H:%M", NINE),
        ("Jan 5, 2026 9:00 AM", "%b %d, %Y %I:%M %p", NINE),
        ("jan 5, 2026 9:00 pm", "%b %d, %Y %I:%M %p", NINE.replace(hour=21)),
        ("Monday, 05 January 2026 09:00", "%A, %d %B %Y %H:%M", NINE),
        ("Mon Jan  5 09:00:00 2026", "%c", NINE),
        ("2026-W02-1", "%G-W%V-%u", NINE.replace(hour=0)),
        ("100% 2026-01-05", "100%% %Y-%m-%d", NINE.replace(hour=0)),
        # fractions
        ("2026-01-05 09:00:00.123456789", "%Y-%m-%d %H:%M:%S", NINE.replace(microsecond=123_456)),
        ("2026-01-05 09:00:00.5", "%Y-%m-%d %H:%M:%S.%f", NINE.replace(microsecond=500_000)),
        ("2026-01-05 09:00:00,123456789", "%Y-%m-%d %H:%M:%S,%f", NINE.replace(microsecond=123_456)),
        # zones
        ("2026-01-05 09:00:00 UTC", "%Y-%m-%d %H:%M:%S %Z", ZONED),
        ("2026-01-05 09:00:00.25 GMT", "%Y-%m-%d %H:%M:%S %Z", ZONED.replace(microsecond=250_000)),
        ("2026-01-05 10:00:00 +01:00", "%Y-%m-%d %H:%M:%S %Z", ZONED),
        ("2026-01-05 04:00:00 -0500", "%Y-%m-%d %H:%M:%S %Z", ZONED),
        ("2026-01-05T09:00:00Z", "%Y-%m-%dT%H:%M:%S%z", ZONED),
        ("2026-01-05T10:00:00+01:00", "%Y-%m-%dT%H:%M:%S%z", ZONED),
        ("Mon Jan 05 2026 10:00:00 GMT+0100", "%a %b %d %Y %H:%M:%S %Z%z", ZONED),
        # other texts
        ("2026105", "%Y%m%d", None),
        ("202601050", "%Y%m%d", None),
        ("20260105 ", "%Y%m%d", None),
        ("1767603600", "%y%m%d%H%M", None),
        ("14102100300", "%y%m%d%H%M", None),
        ("2026010509000", "%Y%m%d%H%M%S", None),
        ("２０２６0105", "%Y%m%d", None),
        ("30/02/2026", "%d/%m/%Y", None),
        ("05-01-2026", "%d/%m/%Y", None),
        ("2026-01-05 09:00:00.", "%Y-%m-%d %H:%M:%S", None),
        ("2026-01-05 09:00:00.1234567890", "%Y-%m-%d %H:%M:%S", None),
        ("2026-01-05 09:00:00 EST", "%Y-%m-%d %H:%M:%S %Z", None),
        ("2026-01-05 09:00:00 utc", "%Y-%m-%d %H:%M:%S %Z", None),
        ("2026-01-05 09:00:00", "%Y-%m-%d %H:%M:%S %Z", None),
        ("2026-01-05 09:00:00 UTC", "%Y-%m-%d %H:%M:%S %z", None),
        ("2026-01-05 09:00:00 +9999", "%Y-%m-%d %H:%M:%S %z", None),
        ("", "%Y%m%d", None),
    ],
)
def test_a_text_is_read_only_if_it_is_in_the_format(text: str, pattern: str, time: datetime | None) -> None:
    time_format = TimeFormat(pattern)

    assert time_format.read(text) == time
    if time is not None:
        assert pl.Series([text]).str.contains(time_format.pattern).to_list() == [True]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("", "no directive"),
        ("soon", "no directive"),
        ("100%%", "no directive"),
        ("%Q", "unknown directive %Q"),
        ("%s", "unknown directive %s"),
        ("%-d/%m/%Y", "unknown directive %-"),
        ("%Y-%m-%d %", "ends within a directive"),
        ("%H:%M", "a year, a month and a day"),
        ("%Y-%m", "a year, a month and a day"),
        ("%m/%d %H:%M", "a year, a month and a day"),
        ("%Y-%m-%d %Y", "%Y occurs twice"),
        ("%Y-%m-%d %I:%M", "before or after noon"),
        ("%Y-%m-%d %H:%M %p", "before or after noon"),
        ("%G-W%V-%u %j", "do not go together"),
    ],
)
def test_a_format_that_cannot_give_a_time_is_rejected(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        TimeFormat(pattern)


_SEPARATORS = st.sampled_from(["", "-", "/", ".", " ", "T", " at ", ","])


@settings(max_examples=examples(100))
@given(
    time=st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31)),
    dates=st.permutations(["%Y", "%m", "%d"]) | st.permutations(["%y", "%b", "%d"]) | st.permutations(["%Y", "%j"]),
    clock=st.permutations(["%H", "%M", "%S"]) | st.permutations(["%I", "%M", "%S", "%p"]),
    separators=st.lists(_SEPARATORS, min_size=7, max_size=7),
    zone=st.sampled_from([None, "%z", "%Z"]),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_what_strftime_writes_is_read_back(
    time: datetime, dates: Any, clock: Any, separators: list[str], zone: str | None, offset: int
) -> None:
    time = time.replace(microsecond=0)
    pattern = "".join(part for pair in zip([*dates, *clock], separators, strict=False) for part in pair)
    if zone:
        pattern += f" {zone}"
        time = time.replace(tzinfo=UTC if zone == "%Z" else timezone(timedelta(minutes=offset)))

    assert TimeFormat(pattern).read(time.strftime(pattern)) == time


@settings(max_examples=examples(100))
@given(pattern=st.text("%YmdHMSpIfzZbj- T.9", max_size=12), text=st.text("0123456789-+:. TZUJanGM", max_size=20))
def test_any_format_is_rejected_or_reads_any_text_or_not(pattern: str, text: str) -> None:
    try:
        time_format = TimeFormat(pattern)
    except ValueError:
        return
    found = pl.Series([text]).str.contains(time_format.pattern).item()
    assert found or time_format.read(text) is None

"""Append times that are implausible: replaced by the time of reading, counted and reported."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from advertisex.feeds import FEEDS
from advertisex.logs.append_time import append_times
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.processing.runner import process_log
from advertisex.testing import memory_store
from advertisex.times import micros_of
from tests.budget import examples
from tests.processing.messages import message

NOW = micros_of(datetime(2026, 11, 29, 12))
DAY = 86_400_000_000
MILLIS = NOW // 1000
INT64 = 2**63 - 1
#: A record's own time as a producer may set it, in what Kafka takes for milliseconds.
IMPLAUSIBLE = [MILLIS // 1000, MILLIS * 1000, MILLIS * 10**6, 0, -1, -INT64 - 1, INT64, MILLIS + 2 * DAY // 1000]


@pytest.mark.parametrize("millis", IMPLAUSIBLE)
def test_an_implausible_time_becomes_the_time_of_reading(millis: int) -> None:
    good = NOW - 3600 * 10**6
    assert append_times([good, millis * 1000, good], NOW) == ([good, NOW, good], 1)


@pytest.mark.parametrize("time", [micros_of(datetime(2012, 1, 1)), NOW - DAY * 400, NOW, NOW + DAY])
def test_old_messages_of_a_mirrored_topic_and_small_clock_differences_keep_their_time(time: int) -> None:
    assert append_times([time], NOW) == ([time], 0)


def test_the_brokers_clock_may_differ_from_ours_by_any_time() -> None:
    year_ahead = NOW + 365 * DAY
    assert append_times([year_ahead], NOW, by_server=True) == ([year_ahead], 0)
    assert append_times([0, INT64], NOW, by_server=True) == ([NOW, NOW], 2)


def test_a_clock_of_ours_that_is_wrong_replaces_no_plausible_time() -> None:
    assert append_times([NOW, 0, INT64], 5) == ([NOW, 0, 5], 1)


@given(st.lists(st.integers(-INT64 * 1000, INT64 * 1000), max_size=5), st.sampled_from([0, NOW]), st.booleans())
@settings(max_examples=examples(50))
def test_every_result_can_be_stored(times: list[int], now: int, by_server: bool) -> None:
    found, replaced = append_times(times, now, by_server=by_server)

    assert all(0 <= time <= micros_of(datetime(2262, 1, 1)) for time in found)
    assert replaced == sum(a != b for a, b in zip(times, found, strict=True))


@pytest.mark.parametrize("appended", [0, micros_of(datetime(2200, 1, 1))])
def test_events_appended_while_the_clock_was_wrong_are_stored_and_reported_once(tmp_path: Path, appended: int) -> None:
    feed, clock = FEEDS["clicks"], [appended]
    with SqliteLog(tmp_path / "log.db", clock=lambda: clock[0]) as log, memory_store() as store:
        log.append(feed.topic, [message("clicks", user_id=f"u{number}") for number in range(3)])
        log.append(feed.topic, [b"x"])
        clock[0] = NOW
        log.append(feed.topic, [message("clicks", user_id="later")])
        with capture_logs() as logged:
            counts = process_log(log, store)

        assert (counts.stored, counts.rejected) == (4, 1)
        (warning,) = [line for line in logged if line["log_level"] == "warning"]
        assert (warning["partition"], warning["count"]) == (f"{feed.topic}/0", 4)

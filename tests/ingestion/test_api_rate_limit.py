"""Retry-After and the headers of rate limits; the clock is a fake one."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from advertisex.errors import SourceError
from advertisex.ingestion.api.connection import Connection
from advertisex.ingestion.api.rate_limit import PutOff, reset_after, retry_after
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.options.api import ApiOptions
from tests.budget import examples
from tests.ingestion.conftest import connection_of

#: The server's clock, which need not be ours.
NOW = datetime(2020, 1, 1, tzinfo=UTC)
DATE = {"date": format_datetime(NOW, usegmt=True)}
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=9), usegmt=True)}, 9),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=9), usegmt=True)}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH + 30)}, 30),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{EPOCH + 30}000"}, 30),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2020-01-01T00:00:30Z"}, 30),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "30"}, 30),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "30"}, 30),
        ({"ratelimit-remaining": "1", "ratelimit-reset": "30"}, None),
        ({"ratelimit-remaining": "0"}, None),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "0"}, None),
        ({"ratelimit": '"default";r=0;t=30'}, 30),
        ({"ratelimit": '"burst";r=0;t=3, "day";r=0;t=30, "month";r=5;t=900'}, 30),
        ({"ratelimit": '"default";r=5;t=30'}, None),
        ({"ratelimit": "limit=100, remaining=0, reset=30"}, 30),
        ({"ratelimit": "limit=100, remaining=7, reset=30"}, None),
        ({"retry-after": "7", "ratelimit-remaining": "0", "ratelimit-reset": "30"}, 7),
    ],
)
def test_the_wait_that_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers | DATE) == seconds


NAMES = ["date", "retry-after", "ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset"]
HOSTILE = ["0", "9" * 400, "Mon, 01 Jan 9999 00:00:00 GMT", "0001-01-01", "²", "inf", '"a";r=0;t=' + "9" * 50]


@settings(max_examples=examples(50))
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, st.sampled_from(HOSTILE) | st.text(max_size=8))))
def test_any_header_gives_a_wait_or_none(headers: dict[str, str]) -> None:
    for wait in (retry_after(headers), reset_after(headers)):
        assert wait is None or wait >= 0


class Clock:
    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def connection(clock: Clock, **options: Any) -> Connection:
    return connection_of(ApiOptions(**options), clock=clock, sleep=clock.sleep)


def test_an_exhausted_limit_delays_the_next_request(server, answer) -> None:
    clock = Clock()
    server.answers = [
        answer(headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}),
        answer(headers={"RateLimit-Remaining": "9", "RateLimit-Reset": "30"}),
        answer(headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "99999999"}),
        answer(),
    ]
    with connection(clock) as api, capture_logs() as logs:
        for _ in range(4):
            api.send(Request(server.url), retry=True)
    assert clock.slept == [30, 600]
    assert [line["wait_seconds"] for line in logs] == [30, 600]


def test_a_poll_that_must_not_sleep_is_put_off(server, answer) -> None:
    clock = Clock()
    server.answers = [answer(headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}), answer()]
    with connection(clock) as api:
        api.send(Request(server.url), retry=False)
        with pytest.raises(PutOff) as raised:
            api.send(Request(server.url), retry=False)
        assert raised.value.seconds == 30
        clock.now += 30
        api.send(Request(server.url), retry=False)
    assert clock.slept == []


@pytest.mark.parametrize("status", [429, 503, 403])
def test_a_failure_without_retry_after_waits_for_the_reset(server, answer, status: int) -> None:
    clock = Clock()
    server.answers = [
        answer(status=status, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "40"}),
        answer(status=status, headers={"Retry-After": "2", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "40"}),
        answer(),
    ]
    with connection(clock) as api:
        assert api.send(Request(server.url), retry=True).status == 200
    assert clock.slept == [40, 2]


def test_another_403_is_not_repeated(server, answer) -> None:
    server.answers = [answer(status=403, headers={"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": "40"})]
    with connection(Clock()) as api, pytest.raises(SourceError, match="credentials"):
        api.send(Request(server.url), retry=True)
    assert len(server.asked) == 1


@pytest.mark.parametrize(("rate", "interval"), [(4.0, 0.25), (0.1, 10.0)])
def test_requests_per_second(server, answer, rate: float, interval: float) -> None:
    clock = Clock()
    server.answers = [answer()]
    with connection(clock, requests_per_second=rate) as api:
        for _ in range(3):
            api.send(Request(server.url), retry=True)
    assert clock.slept == pytest.approx([interval] * 2)


@pytest.mark.parametrize(("rate", "sleeps"), [(4.0, 2), (0.1, 0)])
def test_a_poll_does_not_sleep_long_for_the_rate(server, answer, rate: float, sleeps: int) -> None:
    clock, waits = Clock(), []
    server.answers = [answer()]
    with connection(clock, requests_per_second=rate) as api:
        for _ in range(3):
            try:
                api.send(Request(server.url), retry=False)
            except PutOff as error:
                waits.append(error.seconds)
    assert (len(clock.slept), waits) == (sleeps, [] if sleeps else [10, 10])


def test_each_retry_is_reported_at_once(server, answer) -> None:
    clock = Clock()
    server.answers = [answer(status=503), answer(status=503), answer()]
    with connection(clock, attempts=3, retry_wait=5.0) as api, capture_logs() as logs:
        api.send(Request(server.url), retry=True)
    assert [(line["event"], line["log_level"], line["attempt"]) for line in logs] == [
        ("retrying", "warning", "1 of 3 failed"),
        ("retrying", "warning", "2 of 3 failed"),
    ]
    assert [line["wait_seconds"] for line in logs] == [round(wait, 1) for wait in clock.slept]
    assert "status 503" in logs[0]["why"]
    assert 5 <= clock.slept[0] <= 7.5
    assert 10 <= clock.slept[1] <= 12.5

"""Waiting at the start for a server that does not respond."""

import threading
from threading import Event

import pytest
from structlog.testing import capture_logs

from advertisex.errors import LogError, LogUnavailable, StoreUnavailable
from advertisex.logs.kafka.client import Timeouts
from advertisex.logs.kafka.log import KafkaLog
from advertisex.model import Counts
from advertisex.processing.runner import Processing, process_log
from advertisex.processing.waiting import when_available
from advertisex.testing import memory_store

NOBODY = "kafka://127.0.0.1:1"  # nothing listens on this port
SOON = Timeouts(1.0)


@pytest.mark.parametrize("kind", [LogUnavailable, StoreUnavailable])
def test_a_call_is_repeated_until_the_server_responds_with_one_warning(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advertisex.processing.waiting._FIRST_PAUSE", 0.001)
    failures = iter([kind("away")] * 3)

    def call() -> str:
        for error in failures:
            raise error
        return "done"

    with capture_logs() as logged:
        assert when_available(call, Event()) == "done"
    assert [(line["log_level"], line["error"]) for line in logged] == [("warning", "away")]


def test_another_error_ends_the_wait() -> None:
    def call() -> None:
        raise LogError("wrong password")

    with pytest.raises(LogError, match="wrong password"):
        when_available(call, Event())


def test_a_stop_ends_the_wait() -> None:
    stop = Event()

    def call() -> None:
        stop.set()
        raise LogUnavailable("away")

    assert when_available(call, stop) is None
    assert when_available(lambda: "never called", stop) is None


def test_processing_that_follows_waits_for_kafka_and_a_one_shot_run_fails() -> None:
    stop = Event()
    with KafkaLog(NOBODY, timeouts=SOON) as log, memory_store() as store:
        with pytest.raises(LogUnavailable, match="connection refused"):
            process_log(log, store)
        with capture_logs() as logged:
            threading.Timer(2.0, stop.set).start()
            assert process_log(log, store, Processing(follow=True, waits=True), stop=stop) == Counts()
    assert [line["event"] for line in logged] == ["waiting for a server; nothing is lost"]
    assert "connection refused" in logged[0]["error"]

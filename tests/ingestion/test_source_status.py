"""The status of each source, kept in the log."""

import time
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from msgspec.structs import replace

from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion import polling
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.input_report import Inspection
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.source_status import SourceStatus, dump_status, load_statuses, statuses
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.previewing import preview
from tests.ingestion.conftest import Answer, Server

ROW = b'{"user_id": "u", "timestamp": "2026-01-05T09:00:00Z", "campaign_id": "c%d", "clicks": 1}'


def rows(*numbers: int) -> bytes:
    return b"[%s]" % b",".join(ROW % number for number in numbers)


def quick(**options: Any) -> IngestOptions:
    return IngestOptions(api=ApiOptions(attempts=1), **options)


def status_in(log: SqliteLog) -> SourceStatus:
    (status,) = load_statuses(log)
    return status


def test_a_poll_of_an_api_is_recorded(log: SqliteLog, server: Server) -> None:
    before = time.time_ns() // 1000
    server.answers = [Answer(rows(1, 2)), Answer(rows(2, 3))]
    ingest(FEEDS["clicks"], f"{server.url}/x?token=SECRET", log, quick(name="shop"))
    first = status_in(log)
    assert (first.name, first.feed, first.kind, first.messages) == ("shop", "clicks", "api", 2)
    assert first.address == f"{server.url}/x?token=***"
    assert before <= first.polled_at <= first.succeeded_at <= time.time_ns() // 1000
    assert (first.next_at, first.last_error, first.is_failing, first.pages) == (0, "", False, 1)
    ingest(FEEDS["clicks"], f"{server.url}/x?token=OTHER", log, quick(name="shop"))
    second = status_in(log)
    assert (second.id, second.messages, second.seen, second.pages) == (first.id, 3, 1, 2)
    assert second.succeeded_at > first.succeeded_at
    assert second.name == "shop"
    assert b"SECRET" not in b"".join(log.state("").values())


def test_a_status_says_since_when_nothing_is_new(log: SqliteLog, server: Server) -> None:
    def poll() -> SourceStatus:
        ingest(FEEDS["clicks"], f"{server.url}/x", log, quick(), on_failure=lambda error: None)
        return status_in(log)

    server.answers = [Answer(rows(1, 2)), Answer(rows(1)), Answer(status=403), Answer(rows(3))]
    polls = [poll() for _ in range(4)]
    first, *_, last = polls
    assert (first.appended_at, last.appended_at) == (first.succeeded_at, last.succeeded_at)
    assert [one.appended_at == first.appended_at for one in polls] == [True, True, True, False]
    assert [one.has_nothing_new for one in polls] == [False, True, False, False]


def test_a_failure_is_kept_until_another_one_and_ends_with_a_success(log: SqliteLog, server: Server) -> None:
    def poll() -> SourceStatus:
        ingest(FEEDS["clicks"], f"{server.url}/x", log, quick(), on_failure=lambda error: None)
        return status_in(log)

    server.answers = [Answer(status=403), Answer(rows(1)), Answer(status=404)]
    first, second, third = poll(), poll(), poll()
    assert (first.is_failing, first.succeeded_at) == (True, 0)
    assert "status 403" in first.last_error
    assert (second.is_failing, second.last_error, second.failed_at) == (False, first.last_error, first.failed_at)
    assert (third.is_failing, third.succeeded_at, third.messages) == (True, second.succeeded_at, 1)
    assert "status 404" in third.last_error


def test_a_success_while_the_clock_was_ahead_does_not_hide_a_failure(log: SqliteLog, server: Server) -> None:
    server.answers = [Answer(rows(1)), Answer(status=403)]
    ingest(FEEDS["clicks"], f"{server.url}/x", log, quick())
    ahead = replace(status_in(log), succeeded_at=time.time_ns() // 1000 + 10**12)
    log.append(FEEDS["clicks"].topic, (), state=dump_status(ahead))
    ingest(FEEDS["clicks"], f"{server.url}/x", log, quick(), on_failure=lambda error: None)
    assert status_in(log).is_failing


def test_sources_that_differ_in_feed_or_options_have_statuses_of_their_own(log: SqliteLog, server: Server) -> None:
    server.answers = [Answer(rows(1))]
    for feed, options in (("clicks", quick()), ("impressions", quick()), ("clicks", quick(format="json"))):
        ingest(FEEDS[feed], f"{server.url}/x", log, options)
    assert len({status.id for status in load_statuses(log)}) == 3


def test_files_have_a_status_if_they_are_followed(log: SqliteLog, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(ROW % 1 + b"\n")
    ingest(FEEDS["clicks"], str(tmp_path), log)
    assert load_statuses(log) == []
    stop = Event()

    def on_poll(status: SourceStatus) -> None:
        assert status.next_at > status.polled_at
        if status.messages:
            stop.set()

    ingest(FEEDS["clicks"], str(tmp_path), log, quick(follow=True, every=0.01), stop=stop, on_poll=on_poll)
    status = status_in(log)
    assert (status.kind, status.address, status.position) == ("files", str(tmp_path), "1 file")
    assert (status.messages, status.next_at) == (1, 0)


def test_a_process_without_the_lock_leaves_the_status_alone(log: SqliteLog, server: Server, tmp_path: Path) -> None:
    server.answers = [Answer(rows(1)), Answer(rows(2))]
    ingest(FEEDS["clicks"], f"{server.url}/x", log, quick())
    before = status_in(log)
    with SqliteLog(tmp_path / "the.log") as other:
        failed = ingest(FEEDS["clicks"], f"{server.url}/x", other, quick(), on_failure=lambda error: None).failures
    assert isinstance(failed[0], SourceError)
    assert status_in(log) == before


@pytest.mark.parametrize(
    ("report", "type_"),
    [
        (b"campaign_id,date,impressions,cost\nc1,2026-01-05,1000,12.5\n", "text/csv"),
        (b'[{"campaign_id": "c1", "date": "2026-01-05", "impressions": 1000, "cost": 12.5}]', "application/json"),
    ],
)
def test_an_aggregated_report_of_an_api_is_rejected(log: SqliteLog, server: Server, report: bytes, type_: str) -> None:
    server.answers = [Answer(report, headers={"Content-Type": type_})]
    assert preview(FEEDS["impressions"], f"{server.url}/report", quick()).measures == ("impressions", "cost")
    failed = ingest(FEEDS["impressions"], f"{server.url}/report", log, quick(), on_failure=lambda error: None).failures
    assert "it is an aggregated report, not events" in str(failed[0])
    status = status_in(log)
    assert (status.is_failing, status.messages, status.last_error) == (True, 0, str(failed[0]))
    assert log.end_offsets() == {}


class Quiet:
    """A source that has nothing new."""

    def __init__(self) -> None:
        self.name = self.address = self.id = "quiet"
        self.kind = "api"
        self.due = 0.0
        self.pages = 0
        self.position = ""
        self.has_put_off = False

    def poll(self) -> Any:
        return iter(())

    def failed(self, error: SourceError) -> None: ...

    def close(self) -> None: ...


def test_polls_without_news_write_their_times_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[SourceStatus] = []

    class Log:
        def lock(self, key: str) -> bool:
            return True

        def state(self, prefix: str) -> dict[str, bytes]:
            return {}

        def append(self, topic: str, messages: Any, *, state: Any) -> None:
            written.extend(statuses(state))

    class Publisher:
        messages = 0

    clock = [1_000.0]
    monkeypatch.setattr(polling.time, "monotonic", lambda: clock[0])
    source: Any = Quiet()
    reported: list[SourceStatus] = []
    log: Any = Log()
    publisher: Any = Publisher()
    options, inspection = IngestOptions(follow=True), Inspection(FEEDS["clicks"], FieldMapping())
    run = polling.Run(FEEDS["clicks"], options, log, publisher, inspection, print, reported.append)
    poller = polling.Poller(source, run)
    for _ in range(3_600):
        clock[0] += 1
        poller.poll(Event())
    assert (len(written), len(reported)) == (360, 3_600)
    source.position = "page 2"
    poller.poll(Event())
    assert written[-1].position == "page 2"
    poller.close()
    assert (len(written), written[-1].next_at) == (362, 0)

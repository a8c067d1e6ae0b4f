"""Objects of a real S3 server: what is read, once, in every format, over restarts, changes and failures."""

import gzip
import io
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import polars as pl
import pytest

from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion import sources
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.input_report import Inspection
from advertisex.ingestion.known_sources import backfill_source
from advertisex.ingestion.objects import reading, state
from advertisex.ingestion.objects.bucket import Bucket, StoredObject
from advertisex.ingestion.objects.followed import FollowedObjects
from advertisex.ingestion.objects.poll import PolledObjects
from advertisex.ingestion.objects.state import load
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.polling import Poller, Run
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.source_status import SourceStatus, load_statuses
from advertisex.ingestion.sources import Objects, source_of
from advertisex.ingestion.stream import zstd
from advertisex.logs.contract import EventLog
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.previewing import preview
from tests.ingestion.buckets import S3Bucket, rows, users, zipped
from tests.ingestion.conftest import Ingested, messages_in

CLICKS = FEEDS["clicks"]
QUICK = ApiOptions(attempts=1, retry_wait=0.01, timeout=5.0)
Ingest = Callable[..., Ingested]


def objects(address: str) -> Objects:
    source = source_of(address)
    assert isinstance(source, Objects)
    return source


def states_of(log: EventLog, address: str) -> dict[str, state.ObjectState]:
    polled = PolledObjects(objects(address), CLICKS, IngestOptions(), log)
    return load(log.state(polled.prefix), polled.prefix)


def parquet(*numbers: int) -> bytes:
    file = io.BytesIO()
    table = pl.DataFrame({"user_id": [f"u{n}" for n in numbers], "timestamp": ["2026-01-05 09:00:00"] * len(numbers)})
    table.write_parquet(file)
    return file.getvalue()


def test_what_was_read_is_not_read_again(bucket: S3Bucket, ingested: Ingest) -> None:
    bucket.put("in/a.csv", rows(1, 2))
    bucket.put("in/deep/b.csv.gz", gzip.compress(rows(3)))
    bucket.put("in/c.txt", b"something else")
    bucket.put("in/d/", b"")
    bucket.put("input.csv", rows(9))
    first = ingested("clicks", bucket.url("in/"))
    assert users(first.messages) == [1, 2, 3]
    assert list(first.published.sources) == [bucket.url("in/a.csv"), bucket.url("in/deep/b.csv.gz")]
    assert first.failures == []
    assert ingested("clicks", bucket.url("in/")).published.sources == {}
    bucket.put("in/e.csv", rows(4))
    assert users(ingested("clicks", bucket.url("in/")).messages) == [4]


def test_a_changed_object_is_read_again_as_a_whole(bucket: S3Bucket, ingested: Ingest, log: SqliteLog) -> None:
    bucket.put("a.csv", rows(1, 2))
    ingested("clicks", bucket.url("*.csv"))
    bucket.put("a.csv", rows(1, 2, 3))
    assert users(ingested("clicks", bucket.url("*.csv")).messages) == [1, 2, 3]
    assert ingested("clicks", bucket.url("*.csv")).messages == []
    (status,) = load_statuses(log)
    assert (status.has_nothing_new, status.pages) == (True, 2)


def test_other_options_are_another_source(bucket: S3Bucket, ingested: Ingest) -> None:
    bucket.put("a.csv", rows(1))
    for _ in range(2):
        ingested("clicks", bucket.url("a.csv"))
    assert len(ingested("clicks", bucket.url("a.csv"), format="csv").messages) == 1


@pytest.mark.parametrize(
    ("key", "content", "names"),
    [
        ("a.csv", rows(1, 2), [""]),
        ("a.csv.gz", gzip.compress(rows(1, 2), mtime=0), [""]),
        ("a.csv.zst", zstd.compress(rows(1, 2)), [""]),
        ("a.zip", zipped(x=rows(1), y=rows(2)), ["/x.csv", "/y.csv"]),
        ("a.parquet", parquet(1, 2), [""]),
    ],
)
def test_formats(bucket: S3Bucket, ingested: Ingest, key: str, content: bytes, names: list[str]) -> None:
    bucket.put(key, content)
    found = ingested("clicks", bucket.url(key))
    assert users(found.messages) == [1, 2]
    assert all("the input is empty" not in report.warnings for report in found.published.inputs.values())
    assert [name for name, counted in found.published.sources.items() if counted.messages] == [
        bucket.url(key) + name for name in names
    ]
    assert ingested("clicks", bucket.url(key)).messages == []


@pytest.mark.parametrize("key", ["ü €%20#?.csv", "a+b&c=d.csv", "%41.csv", "a~'(1).csv"])
def test_keys_with_unusual_letters(bucket: S3Bucket, ingested: Ingest, key: str) -> None:
    bucket.put(f"in/{key}", rows(1))
    found = ingested("clicks", bucket.url("in/*"))
    assert found.failures == []
    assert list(found.published.sources) == [bucket.url(f"in/{key}")]


def test_an_empty_object_is_reported(bucket: S3Bucket, ingested: Ingest) -> None:
    bucket.put("a.csv", b"")
    report = ingested("clicks", bucket.url("a.csv")).published.inputs[bucket.url("a.csv")]
    assert report.warnings == {"the input is empty": 1}
    assert ingested("clicks", bucket.url("a.csv")).published.sources == {}


def test_thousands_of_objects(bucket: S3Bucket, log: SqliteLog) -> None:
    bucket.fill({f"day={number % 7}/{number:04}.csv": b"x" for number in range(3_000)})
    polled = PolledObjects(objects(bucket.url("**/*.csv")), CLICKS, IngestOptions(), log)
    assert len(keys := [one.key for one in polled.listed()]) == 3_000
    assert keys == sorted(keys)
    only = PolledObjects(objects(bucket.url("day=3/*[05].csv")), CLICKS, IngestOptions(), log)
    assert [one.key for one in only.listed()][:2] == ["day=3/0010.csv", "day=3/0045.csv"]


def test_too_many_objects_are_an_error(bucket: S3Bucket, ingested: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_FILES", 2)
    for number in range(3):
        bucket.put(f"in/{number}.csv", rows(number))
    assert "more than 2 files or objects" in str(ingested("clicks", bucket.url("in/")).failures)


def test_preview_reads_the_first_object_and_keeps_nothing(bucket: S3Bucket, ingested: Ingest) -> None:
    bucket.put("a.csv", rows(1, 2))
    bucket.put("b.csv", rows(3))
    found = preview("clicks", bucket.url("*.csv"))
    assert (found.source, found.others) == (bucket.url("a.csv"), (bucket.url("b.csv"),))
    assert found.results[("stored", "")] == 2
    assert users(ingested("clicks", bucket.url("*.csv")).messages) == [1, 2, 3]


class Failing(Exception):
    """A crash."""


class CrashingLog(SqliteLog):
    """Crashes before the append with a number."""

    crash_at = 0

    def append(self, *args: Any, **options: Any) -> None:
        self.crash_at -= 1
        if self.crash_at == 0:
            raise Failing
        super().append(*args, **options)


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("a.csv", rows(*range(20_000))),
        ("a.zip", zipped(a=rows(*range(12_000)), b=rows(*range(12_000, 16_000)), c=rows(*range(16_000, 20_000)))),
    ],
)
def test_a_crash_loses_and_repeats_nothing(
    bucket: S3Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, content: bytes
) -> None:
    monkeypatch.setattr("advertisex.ingestion.publish._BUFFER_MESSAGES", 700)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 100_000)
    bucket.put(key, content)
    for crash_at in range(1, 100):
        path = tmp_path / f"{crash_at}.log"
        crashed = False
        with CrashingLog(path) as log:
            log.crash_at = crash_at
            try:
                ingest(CLICKS, bucket.url("*"), log)
            except Failing:
                crashed = True
        with SqliteLog(path) as log:
            ingest(CLICKS, bucket.url("*"), log)
            assert users(messages_in(log, CLICKS.topic)) == list(range(20_000))
            assert ingest(CLICKS, bucket.url("*"), log).sources == {}
        if not crashed:
            assert crash_at > 4
            return


def test_a_damaged_object_keeps_what_can_be_read_and_fails_again(bucket: S3Bucket, ingested: Ingest) -> None:
    content = gzip.compress(rows(*range(20_000)))
    bucket.put("a.csv.gz", content[: len(content) // 2])
    bucket.put("b.csv", rows(30_000))
    first = ingested("clicks", bucket.url("*"))
    assert 0 < len(first.messages) < 20_000
    assert users(first.messages)[-1] == 30_000
    assert [error.where for error in first.failures] == [bucket.url("a.csv.gz")]
    second = ingested("clicks", bucket.url("*"))
    assert (second.messages, list(map(str, second.failures))) == ([], list(map(str, first.failures)))
    bucket.put("a.csv.gz", content)
    assert users(ingested("clicks", bucket.url("*")).messages) == list(range(20_000))


def test_a_damaged_member_costs_that_member(bucket: S3Bucket, ingested: Ingest) -> None:
    content = bytearray(zipped(a=rows(*range(100)), b=rows(200)))
    content[60] ^= 0xFF
    bucket.put("a.zip", bytes(content))
    first = ingested("clicks", bucket.url("a.zip"))
    assert users(first.messages)[-1] == 200
    assert len(first.failures) == 1
    assert ingested("clicks", bucket.url("a.zip")).messages == []


def test_an_object_that_is_replaced_after_its_listing_is_read_as_it_is(
    bucket: S3Bucket, ingested: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a.csv", rows(1))
    listed = Bucket.listed

    def listed_and_replaced(self: Bucket, *args: Any) -> list[StoredObject]:
        found = listed(self, *args)
        bucket.put("a.csv", rows(1, 2))
        return found

    monkeypatch.setattr(Bucket, "listed", listed_and_replaced)
    found = ingested("clicks", bucket.url("*"))
    assert (users(found.messages), found.failures) == ([1, 2], [])
    assert ingested("clicks", bucket.url("*")).messages == []


def test_an_object_that_is_replaced_while_it_is_read(
    bucket: S3Bucket, ingested: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 50_000)
    bucket.put("a.csv", rows(*range(10_000)))
    part = Bucket.part

    def part_and_replaced(self: Bucket, one: StoredObject, start: int, end: int) -> bytes:
        if start == 100_000:
            bucket.put("a.csv", rows(*range(10_000, 20_000)))
        return part(self, one, start, end)

    monkeypatch.setattr(Bucket, "part", part_and_replaced)
    found = ingested("clicks", bucket.url("a.csv"))
    assert [error.what for error in found.failures] == ["the object was replaced while it was read"]
    assert all(number < 10_000 for number in users(found.messages))
    assert users(ingested("clicks", bucket.url("a.csv")).messages) == list(range(10_000, 20_000))


def test_an_object_that_is_gone_and_put_again_is_not_new(
    bucket: S3Bucket, ingested: Ingest, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = bucket.url("*.csv")
    bucket.put("a.csv", rows(1))
    bucket.put("b.csv", rows(2))
    ingested("clicks", url)
    bucket.delete("a.csv", "b.csv")
    assert ingested("clicks", url).failures == []
    assert all(one.gone_at for one in states_of(log, url).values())
    bucket.put("a.csv", rows(1))
    assert ingested("clicks", url).messages == []
    assert [one.gone_at > 0 for one in states_of(log, url).values()] == [False, True]
    monkeypatch.setattr(state, "REMEMBERED", timedelta(0))
    ingested("clicks", url)
    assert list(states_of(log, url)) == ["a.csv"]
    bucket.put("b.csv", rows(2))
    assert users(ingested("clicks", url).messages) == [2]


def test_a_failed_listing_forgets_nothing(bucket: S3Bucket, ingested: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("a.csv", rows(1))
    ingested("clicks", bucket.url("*"), api=QUICK)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert len(ingested("clicks", bucket.url("*"), api=QUICK).failures) == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.server.url)
    assert ingested("clicks", bucket.url("*"), api=QUICK).messages == []


def test_backfill_reads_objects_since_a_time_again(bucket: S3Bucket, ingested: Ingest, log: SqliteLog) -> None:
    bucket.put("a.csv", rows(1))
    ingested("clicks", bucket.url("*"))
    polled = PolledObjects(objects(bucket.url("*")), CLICKS, IngestOptions(), log)
    status = SourceStatus(polled.id, polled.name, CLICKS.name, "objects", polled.name)
    later, before = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, -1))
    assert backfill_source(log, CLICKS, status, later, []) == ""
    assert ingested("clicks", bucket.url("*")).messages == []
    assert backfill_source(log, CLICKS, status, before, []).startswith("1 object modified since ")
    assert users(ingested("clicks", bucket.url("*")).messages) == [1]


def test_an_aggregated_report_is_rejected(bucket: S3Bucket, ingested: Ingest) -> None:
    bucket.put("report.csv", b"campaign_id,date,impressions,cost\nc1,2026-01-05,1000,12.5\n")
    assert preview(CLICKS, bucket.url("*.csv")).measures == ("impressions", "cost")
    found = ingested("clicks", bucket.url("*.csv"))
    assert ["it is an aggregated report" in failure.what for failure in found.failures] == [True]
    assert found.messages == []


class Following:
    """Followed objects, and the messages in the log."""

    def __init__(self, log: SqliteLog, address: str, api: ApiOptions = QUICK) -> None:
        self.log, self.failures = log, list[str]()
        options = IngestOptions(follow=True, every=0.001, api=api)
        self.source = FollowedObjects(objects(address), CLICKS, options, log)
        inspection = Inspection(CLICKS, options.mapping)
        run = Run(CLICKS, options, log, Publisher(CLICKS, log), inspection, self._report)
        self.poller = Poller(self.source, run)

    def _report(self, error: SourceError) -> None:
        self.failures.append(str(error))

    def poll(self) -> list[int]:
        """Poll, and return the users of new messages."""
        before = len(messages_in(self.log, CLICKS.topic))
        self.poller.poll(Event())
        return users(messages_in(self.log, CLICKS.topic)[before:])


def test_following_reads_new_and_changed_objects(bucket: S3Bucket, log: SqliteLog) -> None:
    following = Following(log, bucket.url("in/"))
    assert following.poll() == []
    assert [failure.partition(" (")[0] for failure in following.failures] == ["no such object"]
    bucket.put("in/a.csv", rows(1))
    assert following.poll() == [1]
    assert following.poll() == []
    bucket.put("in/a.csv", rows(1, 2))
    bucket.put("in/b.csv", rows(3))
    assert following.poll() == [1, 2, 3]
    assert (following.source.position, following.source.pages) == ("2 objects", 3)
    assert len(following.failures) == 1


def test_following_asks_for_new_objects_only(bucket: S3Bucket, log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    part = Bucket.part
    monkeypatch.setattr(Bucket, "part", lambda self, one, *at: asked.append(one.key) or part(self, one, *at))
    following = Following(log, bucket.url("*"))
    bucket.put("a.csv", rows(1))
    for _ in range(3):
        following.poll()
    bucket.put("b.csv", rows(2))
    following.poll()
    assert asked == ["a.csv", "b.csv"]


def test_following_reports_a_failing_object_once(bucket: S3Bucket, log: SqliteLog) -> None:
    following = Following(log, bucket.url("*"))
    bucket.put("a.csv.gz", gzip.compress(rows(1))[:20])
    bucket.put("b.csv", rows(2))
    for _ in range(3):
        following.poll()
    assert [failure.partition(" (")[0] for failure in following.failures] == ["the compressed data is truncated"]
    assert following.source.position == "1 object, 1 failed"
    bucket.put("a.csv.gz", gzip.compress(rows(1)))
    assert following.poll() == [1]
    assert following.source.position == "2 objects"


def test_following_waits_before_it_reads_a_failing_object_again_but_not_its_next_version(
    bucket: S3Bucket, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    part = Bucket.part
    monkeypatch.setattr(Bucket, "part", lambda self, one, *at: asked.append(one.key) or part(self, one, *at))
    following = Following(log, bucket.url("*"), ApiOptions(retry_wait=3600))
    bucket.put("a.csv.gz", gzip.compress(rows(1))[:20])
    for _ in range(3):
        following.poll()
        (status,) = load_statuses(log)
        assert (status.is_failing, status.succeeded_at) == (True, 0)  # also while the object is not read again
    assert len(asked) == 1
    bucket.put("a.csv.gz", gzip.compress(rows(1)))
    assert following.poll() == [1]


def test_following_survives_an_outage(bucket: S3Bucket, log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("a.csv", rows(1))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    following = Following(log, bucket.url("*"))
    assert following.poll() == []
    assert following.poll() == []
    assert [failure.partition(" (")[0] for failure in following.failures] == ["could not connect: connection refused"]


def test_two_processes_do_not_read_the_same_objects(bucket: S3Bucket, ingested: Ingest, tmp_path: Path) -> None:
    bucket.put("a.csv", rows(1))
    with SqliteLog(tmp_path / "the.log") as other:
        assert Following(other, bucket.url("*")).poll() == [1]
        assert [error.what for error in ingested("clicks", bucket.url("*")).failures] == [
            "the source is being read already, by another process or for another entry of the settings"
        ]
        (failure,) = ingested("clicks", bucket.url("*")).failures
        assert "try again once it has ended" in failure.hint


def test_killed_while_an_object_is_read(bucket: S3Bucket, tmp_path: Path) -> None:
    numbers = list(range(20_000))
    bucket.put("a.csv", rows(*numbers))
    script = (
        "import sys; from pathlib import Path; from advertisex.ingestion import ingest, publish;"
        "from advertisex.logs.sqlite.log import SqliteLog;"
        "publish._BUFFER_MESSAGES = 700;"
        "wait = lambda *_: print('.', flush=True) or sys.stdin.read();"
        "ingest.ingest('clicks', sys.argv[1], SqliteLog(Path(sys.argv[2])), on_progress=wait)"
    )
    path = tmp_path / "the.log"
    arguments: list[Any] = [sys.executable, "-c", script, bucket.url("*"), path]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b".\n"
        process.kill()
    with SqliteLog(path) as log:
        before = users(messages_in(log, CLICKS.topic))
        assert before == numbers[: len(before)]
        assert 0 < len(before) < len(numbers)
        ingest(CLICKS, bucket.url("*"), log)
        assert users(messages_in(log, CLICKS.topic)) == numbers


def test_an_object_is_requested_in_blocks(bucket: S3Bucket, ingested: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1_000)
    asked: list[tuple[int, int]] = []
    part = Bucket.part
    monkeypatch.setattr(Bucket, "part", lambda self, one, *at: asked.append(at) or part(self, one, *at))
    content = rows(*range(100))
    bucket.put("a.csv", content)
    assert users(ingested("clicks", bucket.url("a.csv")).messages) == list(range(100))
    assert asked == [(at, min(at + 1_000, len(content))) for at in range(0, len(content), 1_000)]

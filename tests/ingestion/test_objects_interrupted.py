"""Objects that are replaced, deleted or forbidden while they are read, and listings that end halfway."""

from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest

from advertisex.feeds import FEEDS
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.objects import reading
from advertisex.ingestion.objects.bucket import Bucket, StoredObject
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.logs.sqlite.log import SqliteLog
from tests.ingestion.buckets import S3Bucket, rows, users, zipped
from tests.ingestion.conftest import Ingested, messages_in
from tests.servers.s3 import S3Proxy

CLICKS = FEEDS["clicks"]
ONCE = ApiOptions(attempts=1, retry_wait=0.01)
FAILED = (500, "InternalError")
Ingest = Callable[..., Ingested]


@pytest.fixture
def proxy(bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    proxy = S3Proxy(bucket.server.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    yield proxy
    proxy.close()


def before_block(monkeypatch: pytest.MonkeyPatch, start: int, do: Callable[[], None]) -> None:
    """Do something once, before the block of an object that begins at `start` is requested."""
    monkeypatch.setattr(reading, "BLOCK_BYTES", 50_000)
    part, once = Bucket.part, [do]

    def part_after(self: Bucket, one: StoredObject, at: int, end: int) -> bytes:
        if at == start and once:
            once.pop()()
        return part(self, one, at, end)

    monkeypatch.setattr(Bucket, "part", part_after)


def follow(log: SqliteLog, url: str, until: Callable[[list[int]], bool], **options: Any) -> list[str]:
    """Follow objects until the users in the log fulfil a condition. Return the failures."""
    stop, failures = Event(), list[str]()

    def check(*_: object) -> None:
        if until(users(messages_in(log, CLICKS.topic))):
            stop.set()

    ingest(
        CLICKS,
        url,
        log,
        IngestOptions(follow=True, every=0.01, api=ONCE, **options),
        on_progress=check,
        on_failure=lambda error: failures.append(error.what),
        stop=stop,
    )
    return failures


def test_one_object_without_permission(bucket: S3Bucket, ingested: Ingest, proxy: S3Proxy) -> None:
    for number, key in enumerate("abc"):
        bucket.put(f"{key}.csv", rows(number))
    bucket.put("empty.csv", b"")
    forbidden = {f"/{bucket.name}/b.csv", f"/{bucket.name}/empty.csv"}
    proxy.rejects = lambda method, path: (403, "AccessDenied") if path in forbidden else None
    found = ingested("clicks", bucket.url("*"), api=ONCE)
    assert users(found.messages) == [0, 2]
    assert [(error.what, error.where) for error in found.failures] == [
        ("access denied (status 403, AccessDenied)", bucket.url("b.csv"))
    ]
    assert len(ingested("clicks", bucket.url("*"), api=ONCE).failures) == 1
    forbidden.clear()
    found = ingested("clicks", bucket.url("*"), api=ONCE)
    assert (users(found.messages), found.failures) == ([1], [])


def test_a_listing_that_fails_on_its_second_page_forgets_nothing(
    bucket: S3Bucket, ingested: Ingest, log: SqliteLog, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    for number, key in enumerate("abcde"):
        bucket.put(f"{key}.csv", rows(number))
    assert users(ingested("clicks", bucket.url("*")).messages) == [0, 1, 2, 3, 4]
    before = log.state("objects/")
    assert len(before) == 5
    bucket.put("b.csv", rows(5))
    bucket.put("f.csv", rows(6))
    bucket.delete("a.csv")
    proxy.rejects = lambda method, path: FAILED if "continuation-token" in path else None
    found = ingested("clicks", bucket.url("*"), api=ONCE)
    assert (found.messages, len(found.failures)) == ([], 1)
    assert log.state("objects/") == before
    failures = [FAILED]
    proxy.rejects = lambda method, path: failures.pop() if failures and "continuation-token" in path else None
    found = ingested("clicks", bucket.url("*"), api=ApiOptions(attempts=2, retry_wait=0.01))
    assert (users(found.messages), found.failures) == ([5, 6], [])


def test_a_followed_object_that_is_replaced_while_it_is_read(
    bucket: S3Bucket, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = list(range(5_000)), list(range(5_000, 10_000))
    bucket.put("a.csv", rows(*old))
    before_block(monkeypatch, 100_000, lambda: bucket.put("a.csv", rows(*new)))
    failures = follow(log, bucket.url("*"), lambda numbers: new[-1] in numbers)
    assert failures == ["the object was replaced while it was read"]
    numbers = users(messages_in(log, CLICKS.topic))
    kept = numbers.index(new[0])
    assert (numbers[:kept], numbers[kept:]) == (old[:kept], new)


def test_an_object_that_is_deleted_while_it_is_read(
    bucket: S3Bucket, ingested: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = list(range(5_000))
    bucket.put("a.csv", rows(*numbers))
    bucket.put("b.csv", rows(9_999))
    before_block(monkeypatch, 100_000, lambda: bucket.delete("a.csv"))
    first = ingested("clicks", bucket.url("*"), api=ONCE)
    assert [(error.what, error.where) for error in first.failures] == [("no such object", bucket.url("a.csv"))]
    read = users(first.messages)[:-1]
    assert users(first.messages) == [*numbers[: len(read)], 9_999]
    assert (ingested("clicks", bucket.url("*")).failures, len(read) > 0) == ([], True)
    bucket.put("a.csv", rows(*numbers))
    assert read + users(ingested("clicks", bucket.url("*")).messages) == numbers


@pytest.mark.parametrize("kind", ["csv", "zip"])
def test_following_stops_in_the_middle_of_an_object(
    bucket: S3Bucket, log: SqliteLog, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("advertisex.ingestion.publish._BUFFER_MESSAGES", 700)
    numbers = list(range(12_000))
    members = {"x": rows(*numbers[:5_000]), "y": rows(*numbers[5_000:])}
    bucket.put(f"a.{kind}", rows(*numbers) if kind == "csv" else zipped(**members))
    counts = []
    for _ in range(2):
        counts.append(len(messages_in(log, CLICKS.topic)))
        assert follow(log, bucket.url("*"), lambda found: len(found) > counts[-1]) == []
    assert 0 == counts[0] < counts[1] < len(numbers)
    ingest(CLICKS, bucket.url("*"), log)
    assert users(messages_in(log, CLICKS.topic)) == numbers
    assert ingest(CLICKS, bucket.url("*"), log).sources == {}

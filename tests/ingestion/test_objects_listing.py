"""Listings of a real S3 server: keys that look alike, markers of folders, and listings that fail."""

from collections.abc import Callable

import pytest

from advertisex.ingestion.objects.bucket import Bucket
from tests.ingestion.buckets import S3Bucket, rows, users
from tests.ingestion.conftest import Ingested

Ingest = Callable[..., Ingested]


@pytest.mark.parametrize("pattern", ["in/", "in/*", "in/d.csv"])
@pytest.mark.parametrize("content", [rows(1), b""])
def test_the_marker_of_a_folder_beside_an_object_of_the_same_name(
    bucket: S3Bucket, ingested: Ingest, pattern: str, content: bytes
) -> None:
    bucket.put("in/d.csv", content)
    bucket.put("in/d.csv/", b"")
    bucket.put("in/d.csv/part.csv", rows(2))
    below = [2] if pattern == "in/" else []
    assert users(ingested("clicks", bucket.url(pattern)).messages) == ([1] if content else []) + below
    for _ in range(2):
        again = ingested("clicks", bucket.url(pattern))
        assert (again.published.sources, again.failures) == ({}, [])
    bucket.put("in/d.csv", rows(1, 3))
    assert users(ingested("clicks", bucket.url(pattern)).messages) == [1, 3]
    assert ingested("clicks", bucket.url(pattern)).messages == []


@pytest.mark.parametrize("pattern", ["in/", "in/*.csv", "in/d.csv", "in/d.csv/"])
def test_the_marker_of_a_folder_alone_is_not_an_input(bucket: S3Bucket, ingested: Ingest, pattern: str) -> None:
    bucket.put("in/d.csv/", b"")
    found = ingested("clicks", bucket.url(pattern))
    assert [error.what for error in found.failures] == ["no such object"]
    if pattern != "in/d.csv/":
        bucket.put("in/d.csv", rows(1))
        assert users(ingested("clicks", bucket.url(pattern)).messages) == [1]


def test_the_marker_that_an_object_leaves_behind(bucket: S3Bucket, ingested: Ingest) -> None:
    bucket.put("d.csv", rows(1))
    bucket.put("d.csv/", b"")
    ingested("clicks", bucket.url("*"))
    bucket.delete("d.csv")
    found = ingested("clicks", bucket.url("*"))
    assert (found.published.inputs, found.failures) == ({}, [])


@pytest.mark.parametrize("other", [rows(8), rows(8, 9)])
def test_a_key_with_a_slash_before_it_does_not_hide_another(bucket: S3Bucket, ingested: Ingest, other: bytes) -> None:
    bucket.put("/a.csv", other)
    bucket.put("a.csv", rows(1))
    assert users(ingested("clicks", bucket.url()).messages) == [1]
    for _ in range(2):
        assert ingested("clicks", bucket.url()).published.sources == {}


def test_keys_that_differ_in_case_and_normalisation_are_different(bucket: S3Bucket, ingested: Ingest) -> None:
    keys = ["A.csv", "a.csv", "\u00fc.csv", "u\u0308.csv", "%61.csv", "+.csv", " .csv"]
    for number, key in enumerate(keys):
        bucket.put(f"in/{key}", rows(number))
    found = ingested("clicks", bucket.url("in/"))
    assert sorted(users(found.messages)) == list(range(len(keys)))
    assert ingested("clicks", bucket.url("in/")).published.sources == {}


def test_only_empty_objects_are_requested_once_more(
    bucket: S3Bucket, ingested: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    found = Bucket.found
    monkeypatch.setattr(Bucket, "found", lambda self, key: asked.append(key) or found(self, key))
    bucket.put("a.csv", rows(1))
    bucket.put("b.csv", b"")
    for _ in range(2):
        ingested("clicks", bucket.url("*"))
    assert asked == ["b.csv"]


def test_a_key_with_a_slash_before_it_is_reported(bucket: S3Bucket, ingested: Ingest) -> None:
    bucket.put("/a.csv", rows(1))
    bucket.put("b.csv", rows(2))
    found = ingested("clicks", bucket.url())
    assert users(found.messages) == [2]
    assert [(error.what, error.where) for error in found.failures] == [("no such object", bucket.url("a.csv"))]

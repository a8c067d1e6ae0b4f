"""`advertisex sources` of an object store."""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import Cli
from tests.ingestion.buckets import S3Bucket, rows
from tests.servers.s3 import LocalS3


@pytest.fixture
def bucket(local_s3: LocalS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Bucket:
    """A bucket with two objects, which the settings name `exports`."""
    for name, value in local_s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = S3Bucket(local_s3)
    bucket.put("a.csv", rows(1, 2))
    bucket.put("b.csv", rows(3))
    text = f"[[sources]]\nname = 'exports'\nfeed = 'clicks'\nsource = '{bucket.url('*.csv')}'\n"
    (tmp_path / "advertisex.toml").write_text(text)
    return bucket


def messages(cli: Cli) -> int:
    return int(cli("ingest", "--source", "exports", "--json").document["ingested"][0]["messages"])


def test_objects_are_read_again_after_a_reset(cli: Cli, bucket: S3Bucket) -> None:
    assert (messages(cli), messages(cli)) == (3, 0)
    (status,) = cli("sources", "--json").document["sources"]
    assert (status["kind"], status["address"], status["messages"]) == ("objects", bucket.url("*.csv"), 3)
    assert cli("sources", "reset", "exports").out == (
        "exports: read again from the beginning at the next ingest; what is stored already is counted as duplicate.\n"
    )
    assert (messages(cli), messages(cli)) == (3, 0)


def test_objects_that_were_modified_since_a_time_are_read_again(cli: Cli, bucket: S3Bucket) -> None:
    assert messages(cli) == 3
    ended = cli("sources", "backfill", bucket.url("*.csv"), "--since", "2026-01-01")
    assert (ended.code, ended.out) == (
        0,
        "exports: the next ingest reads 2 objects modified since 2026-01-01 00:00:00 UTC again; "
        "what is stored already is counted as duplicate.\n",
    )
    assert (messages(cli), messages(cli)) == (3, 0)
    assert "nothing will be read again" in cli("sources", "backfill", "exports", "--since", "2099-01-01").out
    assert messages(cli) == 0
    ended = cli("sources", "backfill", "exports", "--since", "soon")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: --since: 'soon' is not a valid date or time")

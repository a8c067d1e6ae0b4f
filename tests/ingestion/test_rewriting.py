"""Files that are rewritten while they are followed, without becoming shorter."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from advertisex.feeds import FEEDS
from advertisex.ingestion.files.rewriting import Comparison
from advertisex.ingestion.files.watch import Watch
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.sources import Files
from tests.ingestion.test_watch import append, new

ROWS = b"".join(b"u%05d,2026-01-05 09:00:00,c\n" % number for number in range(500))
CSV = b"user_id,timestamp,campaign_id\n" + ROWS


class Clock:
    """A clock that is set."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Followed:
    """A CSV file that is followed, and read once."""

    def __init__(self, folder: Path, small: int) -> None:
        self.clock = Clock()
        self.path = folder / "a.csv"
        self.path.write_bytes(CSV)
        comparison = Comparison(small, self.clock)
        self.watch = Watch(
            Files(str(folder)), FEEDS["clicks"], IngestOptions(format="csv"), "files/", {}, comparison=comparison
        )
        assert len(self.users()) == 500

    def users(self) -> list[str]:
        """The users of the new rows."""
        return [str(record["user_id"]) for record in new(self.watch) if isinstance(record, dict)]

    def rewrite(self, more: bytes = b"") -> None:
        """Replace a user in the middle by another one of the same length, and append."""
        self.path.write_bytes(self.path.read_bytes().replace(b"u00250", b"uFIXED") + more)

    def row(self, user: bytes) -> bytes:
        return user + b",2026-01-05 09:00:00,c\n"


@pytest.fixture(params=[2**20, 4_096], ids=["small", "large"])
def followed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Followed]:
    file = Followed(tmp_path, request.param)
    with closing(file.watch):
        yield file


@pytest.mark.parametrize("more", [b"", b"u00500,2026-01-05 09:00:00,c\n"], ids=["same size", "grown"])
def test_a_change_in_the_middle_is_noticed(followed: Followed, more: bytes) -> None:
    followed.rewrite(more)
    users = followed.users()
    assert "uFIXED" in users
    assert len(users) == 500 + bool(more)
    assert followed.users() == []


def test_a_file_that_grows_is_read_on(followed: Followed) -> None:
    for number in range(5):
        append(followed.path, followed.row(b"v%05d" % number))
        followed.clock.now += 40
        assert followed.users() == [f"v{number:05}"]
    followed.clock.now += 1_000
    assert followed.users() == followed.users() == []


def test_a_change_in_a_large_file_is_noticed_within_a_minute_although_it_grows_no_more(tmp_path: Path) -> None:
    followed = Followed(tmp_path, 4_096)
    with closing(followed.watch):
        append(followed.path, followed.row(b"v00000"))
        assert followed.users() == ["v00000"]
        followed.rewrite(followed.row(b"v00001"))
        assert followed.users() == ["v00001"]  # its first and last bytes are those that were read
        followed.clock.now += 59
        assert followed.users() == []
        followed.clock.now += 1
        users = followed.users()
        assert (len(users), "uFIXED" in users, users[-2:]) == (502, True, ["v00000", "v00001"])
        assert followed.users() == []

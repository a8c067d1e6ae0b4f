"""Following files through the log: what is read, once, in every format, over restarts and crashes."""

import gzip
import io
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import fastavro
import polars as pl
import pytest
from structlog.testing import capture_logs

from advertisex.errors import LogError, SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.files.followed import FollowedFiles
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.input_report import InputReport, Inspection
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.polling import Poller, Run
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.sources import Files
from advertisex.logs.contract import EventLog
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Position
from advertisex.testing import memory_log
from tests.ingestion.conftest import messages_in

CLICKS = FEEDS["clicks"]
HEADER = "user_id,timestamp,campaign_id,conversion\n"


def rows(*numbers: int) -> str:
    return "".join(f"u{number},2026-01-05 09:00:00,c1,0\n" for number in numbers)


def users(messages: list[bytes]) -> list[int]:
    """The numbers of the users of messages."""
    return [int(found[1]) for message in messages if (found := re.search(rb'"user_id":"u(\d+)"', message))]


class Following:
    """A followed source, and the messages in the log.

    Attributes:
        failures: errors that were reported.
        seconds: time on its clock.
    """

    def __init__(self, log: SqliteLog, source: Path, **options: Any) -> None:
        self.log = log
        self.failures: list[str] = []
        self.seconds = 0.0
        self._poller: Poller | None = None
        self._source, self._options = Files(str(source)), IngestOptions(follow=True, **options)

    def poll(self, times: int = 1, *, every: float = 10.0) -> list[bytes]:
        """Poll so many times every so many seconds, and return the new messages."""
        before = len(messages_in(self.log, CLICKS.topic))
        if self._poller is None:
            self._inspection = Inspection(CLICKS, FieldMapping())
            run = Run(CLICKS, self._options, self.log, Publisher(CLICKS, self.log), self._inspection, self._report)
            self._poller = Poller(
                FollowedFiles(self._source, CLICKS, self._options, self.log, lambda: self.seconds), run
            )
        for _ in range(times):
            self._poller.poll(Event())
            self.seconds += every
        return messages_in(self.log, CLICKS.topic)[before:]

    def _report(self, error: SourceError) -> None:
        self.failures.append(str(error))

    def restart(self) -> None:
        if self._poller is not None:
            self._poller.close()
        self._poller = None

    @property
    def skipped(self) -> Counter[str]:
        """Rows that were no new messages since the last start, by what they are."""
        return sum((report.reading.skipped for report in self._inspection.reports.values()), Counter())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inputs").mkdir()
    return tmp_path / "inputs"


@pytest.fixture
def follow(log: SqliteLog) -> Iterator[Callable[..., Following]]:
    """follow(source, **options): follow a source into the log."""
    made: list[Following] = []

    def following(source: Path, **options: Any) -> Following:
        made.append(Following(log, source, **options))
        return made[-1]

    yield following
    for one in made:
        one.restart()


def append(path: Path, data: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(data.encode() if isinstance(data, str) else data)


def as_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress((HEADER + rows(1, 2, 3)).encode()))


def as_utf16(path: Path) -> None:
    path.write_text(HEADER + rows(1, 2, 3), encoding="utf-16")


def as_parquet(path: Path) -> None:
    pl.read_csv(io.StringIO(HEADER + rows(1, 2, 3))).write_parquet(path)


def as_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", HEADER + rows(1))
        archive.writestr("b.ndjson", '{"user_id":"u2"}\n{"user_id":"u3"}\n')


def as_envelope(path: Path) -> None:
    path.write_text('{"data":[{"user_id":"u1"},{"user_id":"u2"},{"user_id":"u3"}]}')


def as_avro(path: Path) -> None:
    schema = {"type": "record", "name": "click", "fields": [{"name": "user_id", "type": "string"}]}
    with path.open("wb") as file:
        fastavro.writer(file, schema, [{"user_id": f"u{number}"} for number in (1, 2, 3)])


def as_last_line(path: Path) -> None:
    path.write_text((HEADER + rows(1, 2, 3)).removesuffix("\n"))


FORMATS: dict[str, Callable[[Path], None]] = {
    "a.csv.gz": as_gzip,
    "utf16.csv": as_utf16,
    "a.parquet": as_parquet,
    "a.zip": as_zip,
    "a.json": as_envelope,
    "a.avro": as_avro,
    "a.csv": as_last_line,
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_ingest_reads_is_followed_and_read_once(name: str, folder: Path, follow: Callable[..., Following]) -> None:
    FORMATS[name](folder / name)
    with memory_log() as other:
        ingest(CLICKS, str(folder), other)
        expected = list(other.read(CLICKS.topic, 0, 0, 100).payloads)
    assert len(expected) == 3
    following = follow(folder)

    assert following.poll(4) == expected
    (folder / name).touch()
    assert following.poll(3) == []
    following.restart()
    assert following.poll(4) == []
    (folder / name).rename(folder / f"renamed-{name}")
    assert following.poll(4) == []
    assert following.failures == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_named_source_is_ingested_incrementally(name: str, folder: Path, log: SqliteLog) -> None:
    FORMATS[name](folder / name)
    with memory_log() as other:
        whole = ingest(CLICKS, str(folder), other)
    options = IngestOptions(name="exports")
    first = ingest(CLICKS, str(folder), log, options)
    assert (first.messages, first.bytes, first.failures) == (3, whole.bytes, ())
    assert first.inputs.pop(str(folder / "a.zip"), InputReport()).warnings == {}
    assert first.inputs == whole.inputs
    again = ingest(CLICKS, str(folder), log, options)
    assert (again.messages, again.sources, again.failures) == (0, {}, ())
    (folder / "new.csv").write_text(HEADER + rows(4))
    assert ingest(CLICKS, str(folder), log, options).messages == 1


def test_a_named_source_is_ingested_from_where_it_has_grown(folder: Path, log: SqliteLog) -> None:
    def ingested() -> list[int]:
        before = len(messages_in(log, CLICKS.topic))
        assert ingest(CLICKS, str(folder / "*.csv"), log, IngestOptions(name="exports")).failures == ()
        return users(messages_in(log, CLICKS.topic)[before:])

    append(folder / "a.csv", HEADER + rows(1) + "u2,2026-01-05 09:00:00,c1")
    assert ingested() == [1, 2]
    append(folder / "a.csv", "7,0\n" + rows(3))
    assert ingested() == [2, 3]  # the row was incomplete
    (folder / "a.csv").unlink()
    assert ingested() == []


def test_a_named_source_is_ingested_after_what_was_followed(
    folder: Path, log: SqliteLog, follow: Callable[..., Following]
) -> None:
    append(folder / "a.csv", HEADER + rows(1))
    following = follow(folder, name="exports")
    assert users(following.poll()) == [1]
    following.restart()
    append(folder / "a.csv", rows(2))
    assert ingest(CLICKS, str(folder), log, IngestOptions(name="exports")).messages == 1


def test_a_missing_named_source_is_a_failure(folder: Path, log: SqliteLog) -> None:
    for name in ("a.csv", "*.csv"):
        (failure,) = ingest(CLICKS, str(folder / name), log, IngestOptions(name="exports")).failures
        assert failure.what == "no such file"


class CrashingLog(SqliteLog):
    """Fails at an append that has messages, after the given number of them."""

    left = 0

    def append(self, topic: str, messages: Any, **more: Any) -> None:
        if self.left < len(messages):
            raise LogError("crashed")
        self.left -= len(messages)
        super().append(topic, messages, **more)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv"])
def test_a_crash_in_the_middle_of_a_file_repeats_nothing(name: str, folder: Path, tmp_path: Path) -> None:
    text = (HEADER + rows(*range(150_000))).encode()
    (folder / name).write_bytes(gzip.compress(text, 1) if name.endswith("gz") else text)
    with CrashingLog(tmp_path / "crashing.db") as log:
        following = Following(log, folder)
        for left in (60_000, 40_000):
            log.left = left
            with pytest.raises(LogError, match="crashed"):
                following.poll(2)
            following.restart()
        log.left = 10**6
        following.poll(4)
        following.restart()

        assert users(messages_in(log, CLICKS.topic)) == list(range(150_000))


def test_a_compressed_file_that_grows_continues_after_what_was_read(
    folder: Path, follow: Callable[..., Following]
) -> None:
    as_gzip(folder / "a.csv.gz")
    following = follow(folder)
    assert len(following.poll(2)) == 3
    append(folder / "a.csv.gz", gzip.compress(rows(4, 5).encode()))
    following.restart()
    assert users(following.poll(3)) == [4, 5]
    assert following.skipped == {"header": 1, "appended before": 3}


def test_a_last_line_without_an_end_is_read_once_the_file_has_settled(
    folder: Path, follow: Callable[..., Following]
) -> None:
    following = follow(folder)
    append(folder / "a.csv", (HEADER + rows(1, 2)).removesuffix("\n"))
    assert [users(following.poll()), users(following.poll(2))] == [[1], [2]]
    append(folder / "a.csv", "\n")
    assert following.poll(4) == []
    append(folder / "a.csv", rows(3).removesuffix("\n"))
    assert users(following.poll(4)) == [3]
    following.restart()
    append(folder / "a.csv", "\n" + rows(4))
    assert users(following.poll()) == [4]


@pytest.mark.parametrize("ending", ["u2,2026-01-05 09:00:00,c1", "u2,2026-01-05 09:00:00,c1,0"])
def test_half_a_row_that_a_program_is_still_writing_is_not_read(
    ending: str, folder: Path, follow: Callable[..., Following]
) -> None:
    following = follow(folder)
    append(folder / "a.csv", HEADER + rows(1) + ending)
    assert users(following.poll(150, every=0.05)) == [1]
    following.restart()
    assert following.poll(150, every=0.05) == []
    append(folder / "a.csv", "7\n")
    assert users(following.poll()) == [2]


def test_a_renamed_file_is_no_longer_written_so_its_last_row_is_read(
    folder: Path, follow: Callable[..., Following]
) -> None:
    following = follow(folder / "a.csv")
    append(folder / "a.csv", (HEADER + rows(1, 2)).removesuffix("\n"))
    assert users(following.poll(every=0)) == [1]
    (folder / "a.csv").rename(folder / "a.csv.1")
    append(folder / "a.csv", HEADER + rows(3))
    assert users(following.poll(4, every=0)) == [3, 2]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_row_that_was_incomplete_when_it_was_read_is_read_again(
    encoding: str, folder: Path, follow: Callable[..., Following]
) -> None:
    following = follow(folder)
    append(folder / "a.csv", (HEADER + rows(1) + "u2,2026-01-05 09:00:00,c1").encode(encoding))
    assert len(following.poll(4)) == 2
    append(folder / "a.csv", ("7,0\n" + rows(3)).encode(encoding))
    with capture_logs() as logged:
        messages = following.poll(4)
    assert [line["event"] for line in logged if line["log_level"] == "warning"] == [
        "a row was read before it was complete"
    ]
    assert users(messages) == [2, 3]
    assert b'"campaign_id":"c17"' in messages[0]


def test_a_quote_that_is_closed_later_is_read_as_one_cell(folder: Path, follow: Callable[..., Following]) -> None:
    following = follow(folder)
    append(folder / "a.csv", HEADER + rows(1) + 'u2,2026-01-05 09:00:00,"c1\n')
    following.poll(4)  # as an error, once the file has settled
    append(folder / "a.csv", 'x",0\n' + rows(3))
    messages = following.poll(4)
    assert users(messages) == [2, 3]
    assert b'"campaign_id":"c1\\nx"' in messages[0]


def test_a_file_that_is_rewritten_with_its_size_is_read_again(folder: Path, follow: Callable[..., Following]) -> None:
    following = follow(folder)
    (folder / "a.csv").write_text(HEADER + rows(1))
    assert len(following.poll()) == 1
    (folder / "a.csv").write_text(HEADER + rows(2))
    os.utime(folder / "a.csv", (1, 1))
    assert users(following.poll()) == [2]


def test_another_reading_of_a_source_begins_at_its_start(folder: Path, follow: Callable[..., Following]) -> None:
    (folder / "a.csv").write_text(HEADER + rows(1))
    assert len(follow(folder).poll()) == 1
    assert len(follow(folder, mapping=FieldMapping(constants={"currency": "EUR"})).poll()) == 1
    assert len(follow(folder / "a.csv").poll()) == 1
    assert follow(folder, every=1.0).poll() == []  # the same reading, which is locked


def test_a_source_is_followed_by_one_process_until_that_ends(
    folder: Path, tmp_path: Path, log: SqliteLog, follow: Callable[..., Following]
) -> None:
    (folder / "a.csv").write_text(HEADER + rows(1))
    with SqliteLog(tmp_path / "the.log") as first:
        other = Following(first, folder, name="exports")
        assert len(other.poll()) == 1
        second = follow(folder, name="exports")
        assert second.poll(3) == []
        (failure,) = second.failures
        assert "is being read already" in failure
        assert "this process reads it once the other one has ended" in failure
        (failed,) = ingest(CLICKS, str(folder), log, IngestOptions(name="exports")).failures
        assert "try again once it has ended" in failed.hint
        other.restart()
    append(folder / "a.csv", rows(2))
    assert users(second.poll()) == [2]


def test_a_missing_source_is_reported_once(folder: Path, follow: Callable[..., Following]) -> None:
    following = follow(folder / "a.csv")
    assert following.poll(3) == []
    (failure,) = following.failures
    assert "no such file" in failure
    (folder / "a.csv").write_text(HEADER + rows(1))
    assert len(following.poll()) == 1
    assert len(following.failures) == 1


def test_a_neighbour_of_a_lost_file_is_read_only_if_it_continues_it(
    folder: Path, follow: Callable[..., Following]
) -> None:
    text = HEADER + rows(1, 2)
    following = follow(folder / "clicks.csv")
    (folder / "clicks.csv").write_text(text)
    assert len(following.poll()) == 2
    (folder / "other.csv").write_text(text + rows(3))  # another name
    (folder / "clicks-old.csv").write_text(HEADER + rows(4, 5, 6))  # other content
    (folder / "clicks-1.csv").write_text(text + rows(7))
    (folder / "clicks.csv").write_text(HEADER)
    assert users(following.poll(4)) == [7]


def test_a_copy_beside_a_followed_file_is_named_and_read_after_the_known_rows(
    folder: Path, follow: Callable[..., Following]
) -> None:
    following = follow(folder)
    append(folder / "a.csv", HEADER + rows(1))
    append(folder / "b.csv", HEADER)
    assert len(following.poll()) == 1
    append(folder / "a-1.csv", HEADER + rows(1))
    with capture_logs() as logged:
        assert following.poll() == []
    size = len(HEADER + rows(1))
    named = {"file": str(folder / "a-1.csv"), "of": str(folder / "a.csv"), "read_bytes": size, "log_level": "info"}
    assert logged == [{"event": "copy of a followed file", **named}]
    append(folder / "a-1.csv", rows(2))
    assert users(following.poll()) == [2]


def test_copies_are_known_after_a_restart_whatever_their_names(
    folder: Path, follow: Callable[..., Following], log: SqliteLog
) -> None:
    following = follow(folder)
    append(folder / "a.csv", HEADER + rows(1))
    following.poll()
    append(folder / "b.csv", HEADER + rows(1))
    append(folder / "c.csv", HEADER + rows(2))
    assert len(following.poll()) == 1
    for name, other in [("a", "d"), ("b", "a"), ("d", "e")]:
        following.restart()
        (folder / f"{name}.csv").rename(folder / f"{other}.csv")
        with capture_logs() as logged:
            assert following.poll(4) == []
        assert [one["event"] for one in logged if one["log_level"] == "warning"] == []


def test_the_log_has_the_line_of_each_message(folder: Path, follow: Callable[..., Following], log: SqliteLog) -> None:
    following = follow(folder)
    append(folder / "a.csv", HEADER + rows(1, 2))
    following.poll()
    append(folder / "a.csv", "\n" + rows(3))
    following.poll()
    assert [str(log.origin(Position(CLICKS.topic, 0, offset))) for offset in range(3)] == [
        f"{folder / 'a.csv'}:{line}" for line in (2, 3, 5)
    ]


def test_ingest_without_follow_reads_everything_each_time(folder: Path, log: EventLog) -> None:
    (folder / "a.csv").write_text(HEADER + rows(1))
    for _ in range(2):
        assert ingest(CLICKS, str(folder), log).messages == 1

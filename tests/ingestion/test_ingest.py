import io
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advertisex.codecs.unreadable import Unreadable, unwrap, wrap
from advertisex.errors import ConfigurationError, LogError, SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.records import PAUSE, Chunk
from advertisex.logs.sqlite.log import SqliteLog
from tests.budget import examples

IMPRESSIONS = FEEDS["impressions"]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "inputs"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.ndjson").write_bytes(b'{"b":1}\n{"b":2}\n')
    (folder / "a.csv").write_bytes(b"user_id\n1\n")
    (folder / "deep" / "c.json").write_bytes(b'[{"c":1}]')
    (folder / "empty.json").touch()
    (folder / ".hidden.json").touch()
    (folder / "notes.txt").write_text("not for us")
    return folder


def test_a_folder_matches_its_known_files_in_order(inputs: Path, ingested) -> None:
    seen = ingested("impressions", inputs)
    assert seen.messages == [b'{"user_id":"1"}', b'{"b":1}', b'{"b":2}', b'{"c":1}']
    counts = {Path(name).name: counted.messages for name, counted in seen.published.sources.items()}
    assert counts == {".hidden.json": 0, "a.csv": 1, "b.ndjson": 2, "c.json": 1, "empty.json": 0}


def test_a_glob(inputs: Path, ingested) -> None:
    assert ingested("impressions", inputs / "**" / "*.*json").messages == [b'{"b":1}', b'{"b":2}', b'{"c":1}']


def test_a_built_in_feed_is_known_by_its_name(inputs: Path, tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        published = ingest("impressions", str(inputs / "a.csv"), log)

        assert list(log.read(IMPRESSIONS.topic, 0, 0, 10).payloads) == [b'{"user_id":"1"}']
    assert list(published.sources) == [str(inputs / "a.csv")]


@pytest.mark.parametrize("feed", ["impression", "", None])
def test_an_unknown_feed_is_an_error_with_a_hint(tmp_path: Path, feed: Any) -> None:
    with SqliteLog(tmp_path / "log.db") as log, pytest.raises(ConfigurationError, match="unknown feed") as caught:
        ingest(feed, [], log)

    assert caught.value.hint == "use one of impressions, clicks, bids, or a Feed"


@pytest.mark.parametrize("source", ["nothing*.csv", "nothing.csv"])
def test_a_source_that_matches_nothing_is_reported_and_the_others_go_on(source: str, inputs: Path, ingested) -> None:
    seen = ingested("impressions", inputs / source, inputs / "a.csv")
    assert seen.messages == [b'{"user_id":"1"}']
    assert "no such file" in str(seen.failures[0])
    assert source in str(seen.failures[0])


def test_a_file_that_fails_does_not_stop_the_others(inputs: Path, ingested) -> None:
    (inputs / "a.csv").write_bytes(b"a,a\n1,2\n")
    seen = ingested("impressions", inputs)
    assert len(seen.messages) == 3
    assert "a.csv:1" in str(seen.failures[0])
    assert seen.published.failures == tuple(seen.failures)


def test_a_format_that_cannot_be_detected(inputs: Path, ingested) -> None:
    assert "--format" in str(ingested("impressions", inputs / "notes.txt").failures[0])
    (message,) = ingested("impressions", inputs / "notes.txt", format="ndjson").messages
    assert unwrap(message) == ("not_a_record", "text that is not in a JSON object", b"not for us")


def test_a_folder_without_a_known_file(tmp_path: Path, ingested) -> None:
    (tmp_path / "void").mkdir()
    assert "no file with a known extension" in str(ingested("impressions", tmp_path / "void").failures[0])


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (b'{"a":1}\n{"a":2}\n', {}, [b'{"a":1}', b'{"a":2}']),
        (b"user_id,b\n1,2\n", {"format": "csv"}, [b'{"user_id":"1","b":"2"}']),
        (b"1\n2\n", {}, [b"1", b"2"]),
        (b"", {}, []),
    ],
)
def test_standard_input(text: bytes, options: Any, expected: Any, ingested, tmp_path: Path) -> None:
    (tmp_path / "piped").write_bytes(text)
    with (tmp_path / "piped").open("rb") as file:
        assert ingested("impressions", "-", stdin=file, **options).messages == expected
        assert not file.closed


@pytest.mark.parametrize(
    "options",
    [
        {"format": "xml"},
        {"dialect": CsvDialect(delimiter=",,")},
        {"every": 0},
        {"api": ApiOptions(timeout=-1)},
        {"api": ApiOptions(retry_wait=0)},
        {"api": ApiOptions(attempts=0)},
        {"every": 86_401},
        {"every": float("inf")},
        {"every": float("nan")},
    ],
)
def test_invalid_options(options: Any, ingested) -> None:
    with pytest.raises(ConfigurationError):
        ingested("impressions", "x", **options)


def test_progress_is_exact_and_batches_are_bounded(tmp_path: Path, log: SqliteLog) -> None:
    path = tmp_path / "many.ndjson"
    line = b'{"a":"%s"}' % (b"x" * 91)
    path.write_bytes((line + b"\n") * 35_000)
    progress: list[tuple[int, int]] = []
    ingest(IMPRESSIONS, [str(path)], log, IngestOptions(), lambda *seen: progress.append(seen))
    assert progress[-1] == (35_000, 35_000 * 99)
    assert len(progress) >= 2
    assert progress == sorted(progress)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(25))
@given(st.lists(st.lists(st.binary(max_size=20), max_size=30), max_size=10))
def test_counts_match_the_log(log: SqliteLog, chunks: list[list[bytes]]) -> None:
    before = sum(log.end_offsets().values())
    publisher = Publisher(IMPRESSIONS, log)
    publisher.drain("records", (Chunk(list(chunk)) for chunk in chunks))
    published = publisher.published()
    assert published.messages == sum(map(len, chunks))
    assert sum(log.end_offsets().values()) - before == published.messages


class Interrupted(io.BytesIO):
    """A stream at whose end Ctrl-C arrives."""

    def read1(self, size: int | None = -1, /) -> bytes:
        if data := super().read1(size):
            return data
        raise KeyboardInterrupt


def test_an_interrupt_flushes_and_reports_what_was_appended(log: SqliteLog) -> None:
    published = ingest(IMPRESSIONS, ["-"], log, IngestOptions(), stdin=Interrupted(b"1\n2\n"))
    assert published.interrupted
    assert published.messages == 2
    assert log.read("ad_impressions", 0, 0, 9).payloads == [b"1", b"2"]


class SignalledLog(SqliteLog):
    """A log that receives Ctrl-C during an append."""

    def append(self, topic: str, messages: Any, **more: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        super().append(topic, messages, **more)


def test_a_signal_is_deferred_until_the_append_is_counted(tmp_path: Path) -> None:
    (tmp_path / "x.ndjson").write_bytes(b"1\n2\n")
    with SignalledLog(tmp_path / "the.log") as log:
        published = ingest(IMPRESSIONS, [str(tmp_path / "x.ndjson")], log, IngestOptions())
        assert published.interrupted
        assert published.messages == 2 == sum(log.end_offsets().values())


class FailingLog(SqliteLog):
    def append(self, topic: str, messages: Any, **more: Any) -> None:
        raise LogError("the disk is full")


def test_a_log_that_fails_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "x.ndjson").write_bytes(b"1\n2\n")
    with FailingLog(tmp_path / "the.log") as log, pytest.raises(LogError):
        ingest(IMPRESSIONS, [str(tmp_path / "x.ndjson")], log, IngestOptions())


def test_a_source_that_fails_in_the_middle_is_flushed_first(log: SqliteLog) -> None:
    def failing() -> Any:
        yield Chunk([b"1"])
        yield PAUSE
        yield Chunk([b"2"])
        raise SourceError("gone")

    with pytest.raises(SourceError, match="gone"):
        Publisher(IMPRESSIONS, log).drain("records", failing())
    assert log.read("ad_impressions", 0, 0, 9).payloads == [b"1", b"2"]


def test_input_of_a_slow_pipe_is_appended_as_it_arrives(log: SqliteLog) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b'{"n":1}\n{"n":2}\n')
    progress: list[int] = []

    def on_progress(messages: int, size: int) -> None:
        progress.append(messages)
        if messages == 2:  # the pipe is empty and still open
            os.write(theirs, b'{"n":3}\n')
            os.close(theirs)

    with os.fdopen(ours, "rb") as pipe:
        ingest(IMPRESSIONS, ["-"], log, IngestOptions(), on_progress, stdin=pipe)
    assert progress == [2, 3]


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize(
    ("source", "message"), [("", "the source is empty; expected a file"), ("x" * 300, "check the name")]
)
def test_a_source_with_an_invalid_name(
    source: str, message: str, follow: bool, inputs: Path, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inputs)
    failures: list[str] = []

    def failed(error: SourceError) -> None:
        failures.append(str(error))
        if follow:
            raise KeyboardInterrupt

    ingest(IMPRESSIONS, [source], log, IngestOptions(follow=follow), on_failure=failed)
    assert sum(log.end_offsets().values()) == 0
    assert message in failures[0]


def test_what_was_read_survives_an_interrupt_right_before_the_append(log: SqliteLog) -> None:
    interrupts = iter([False, False, True])  # the publisher reads the clock when made, with a chunk, and with a flush

    def clock() -> float:
        if next(interrupts, False):
            raise KeyboardInterrupt
        return 0.0

    publisher = Publisher(IMPRESSIONS, log, clock=clock)
    with pytest.raises(KeyboardInterrupt):
        publisher.drain("records", [Chunk([b"1", b"2"]), PAUSE])
    assert log.read("ad_impressions", 0, 0, 9).payloads == [b"1", b"2"]
    assert publisher.published().messages == 2


def test_a_mapped_column_that_no_record_has_is_reported(inputs: Path, ingested) -> None:
    mapping = FieldMapping({"uid": "user_id", "b": "creative_id", "deep.er": "website"})
    assert ingested("impressions", inputs / "b.ndjson", mapping=mapping).published.unmatched == ("uid", "deep.er")
    assert ingested("impressions", inputs / "empty.json", mapping=mapping).published.unmatched == ()
    assert ingested("impressions", inputs / "b.ndjson").published.unmatched == ()


@pytest.mark.parametrize("name", ["x.ndjson", "x.json"])
def test_a_named_key_splits_lines_too(name: str, tmp_path: Path, ingested) -> None:
    path = tmp_path / name
    path.write_bytes(b'{"rows":[{"a":1},{"a":2}]}\r\n\n{"row":[]}\n{"rows":\r\n{"rows":{"a":3}}\n')
    seen = ingested("impressions", path, records="rows")
    fragment = wrap(Unreadable("not_a_record", "an object that is not valid JSON", b'{"rows":'))
    assert seen.messages == [b'{"a":1}', b'{"a":2}', fragment, b'{"a":3}']
    (failure,) = seen.failures
    assert "no records under key 'rows'" in str(failure)
    assert f"{name}:3)" in str(failure)

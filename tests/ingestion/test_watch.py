from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.files.watch import Watch
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.records import Input, Record
from advertisex.ingestion.sources import Files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inputs").mkdir()
    return tmp_path / "inputs"


def new(watch: Watch) -> list[Record]:
    return [record for one in watch.poll() for record in records_of(one)]


def records_of(one: Input) -> Iterator[Record]:
    """The new records of an input; its bookmark moves past each chunk."""
    if one.bookmark is None:
        pytest.fail("a followed file has a bookmark")
    for chunk in one.reader.chunks():
        messages = [repr(record).encode() for record in chunk.records]
        kept, _ = one.bookmark.advance(chunk, messages)
        yield from chunk.records[len(messages) - len(kept) :]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def watch_of() -> Iterator[Callable[..., Watch]]:
    """watch_of(source, options): watch files from their start."""
    with ExitStack() as stack:

        def watch(source: Path, options: IngestOptions = IngestOptions()) -> Watch:
            return stack.enter_context(closing(Watch(Files(str(source)), FEEDS["clicks"], options, "files/", {})))

        yield watch


def test_lines_are_read_once_they_are_complete(folder: Path, watch_of: Callable[..., Watch]) -> None:
    watch = watch_of(folder)
    assert new(watch) == []
    append(folder / "a.ndjson", b'\xef\xbb\xbf{"a":1}\n{"a":')
    assert new(watch) == [b'{"a":1}']
    assert new(watch) == []
    append(folder / "a.ndjson", b"2}\n")
    append(folder / "b.ndjson", b'{"b":1}\n')
    assert new(watch) == [b'{"a":2}', b'{"b":1}']


def test_rows_are_read_once_they_are_complete(folder: Path, watch_of: Callable[..., Watch]) -> None:
    watch = watch_of(folder / "*.csv")
    append(folder / "a.csv", b"user_id;value\n1;2\n3;")
    assert new(watch) == [{"user_id": "1", "value": "2"}]
    append(folder / "a.csv", b'4\n5;"six\n')
    assert new(watch) == [{"user_id": "3", "value": "4"}]
    assert new(watch) == []
    append(folder / "a.csv", b'seven"\n')
    assert new(watch) == [{"user_id": "5", "value": "six\nseven"}]


def test_a_truncated_file_is_read_from_its_start(folder: Path, watch_of: Callable[..., Watch]) -> None:
    watch = watch_of(folder)
    append(folder / "a.ndjson", b"1\n2\n")
    assert new(watch) == [b"1", b"2"]
    (folder / "a.ndjson").write_bytes(b"3\n")
    assert new(watch) == [b"3"]


def test_a_document_is_read_once_it_is_complete(folder: Path, watch_of: Callable[..., Watch]) -> None:
    watch = watch_of(folder)
    append(folder / "a.json", b"[1,")
    assert new(watch) == []
    append(folder / "a.json", b"2]")
    assert new(watch) == [b"1", b"2"]
    assert new(watch) == new(watch) == []


def test_following_files_until_interrupted(folder: Path, log) -> None:
    append(folder / "a.ndjson", b"1\n")

    def append_until_three(messages: int, size: int) -> None:
        if messages == 3:
            raise KeyboardInterrupt
        append(folder / "a.ndjson", b"2\n")

    published = ingest(FEEDS["clicks"], [str(folder)], log, IngestOptions(follow=True, every=0.01), append_until_three)
    assert published.interrupted
    assert log.read("clicks_conversions", 0, 0, 9).payloads == [b"1", b"2", b"2"]


def test_the_selected_key_splits_lines_and_a_line_without_it_costs_no_other(
    folder: Path, watch_of: Callable[..., Watch]
) -> None:
    watch = watch_of(folder, IngestOptions(records="rows"))
    append(folder / "a.ndjson", b'{"rows":[1,2]}\n{}\n{"rows":[3]}\n')
    (one,) = watch.poll()
    records = records_of(one)
    assert [next(records) for _ in range(3)] == [b"1", b"2", b"3"]
    with pytest.raises(SourceError, match=r"no records under key 'rows' .*a.ndjson:2\)"):
        next(records)
    append(folder / "a.ndjson", b'{"rows":[4]}\n{}\n')
    (one,) = watch.poll()
    records = records_of(one)
    assert next(records) == b"4"
    with pytest.raises(SourceError, match=r"a.ndjson:5\)"):
        next(records)
    assert new(watch) == []

"""A record that is larger than a message can be costs itself, in every format, whatever is wrong with it."""

import io
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.codecs.unreadable import unwrap
from advertisex.feeds import FEEDS
from advertisex.ingestion.avro.reader import AvroReader
from advertisex.ingestion.json.reader import JsonReader
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.records import KEPT_BYTES, Chunk, Reader, Resume
from advertisex.ingestion.stream import Stream
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.testing import memory_log
from tests.budget import examples
from tests.ingestion.json_inputs import Blocks

_MOST = 2**17
_RECORD = {"type": "record", "name": "R", "fields": [{"name": "n", "type": {"type": "array", "items": "int"}}]}


@pytest.fixture(autouse=True)
def _small_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.ingestion.json.sequence.WINDOW", _MOST // 4)
    for module in ("json.reader", "json.collected", "avro.datums"):
        monkeypatch.setattr(f"advertisex.ingestion.{module}.MESSAGE_BYTES", _MOST)


def shown(reader: Reader) -> list[Any]:
    """The records; of an unreadable one the reason."""
    records = [record for chunk in reader.chunks() for record in chunk.records]
    unreadable = [unwrap(record) if isinstance(record, bytes) else None for record in records]
    return [one.reason if one else record for one, record in zip(unreadable, records, strict=True)]


def json_reader(
    data: bytes, resume: Resume | None = None, *, final: bool = True, block: int = 2**12, format_: str | None = None
) -> JsonReader:
    stream = Stream(Blocks(data[resume.position if resume else 0 :], block), "x.json")
    return JsonReader(stream, FEEDS["impressions"], IngestOptions(format=format_), resume, final)


_X = b"x" * _MOST
_LONG = {
    "whole": b'{"a":"' + _X + b'","b":[1]}',
    "cut in a text": b'{"a":"' + _X,
    "cut in a list": b'{"a":[' + b"1," * _MOST + b"1",
    "cut behind a comma": b'{"a":[' + b"1," * _MOST,
    "no quote": b'{"a":"' + _X + b',"b":{}}',
    "escaped end": b'{"a":"' + _X + b"\\",
    "deep": b'{"a":' + b"[" * _MOST,
    "blanks": b'{"a":' + b" " * 2 * _MOST,
    "array": b'{"a":[' + b"[]," * _MOST + b"[]]}",
}


@pytest.mark.parametrize("long", _LONG)
@pytest.mark.parametrize("block", [2**10, 2**17])
def test_a_long_line_of_json_costs_itself_alone(long: str, block: int) -> None:
    lines = [b'{"n":1}', b'{"n":2}', _LONG[long], b'{"n":3}', b'{"n":4}']
    reader = json_reader(b"\n".join(lines), block=block)
    found = shown(reader)
    assert [one for one in found if one in lines] == [lines[0], lines[1], lines[3], lines[4]]
    assert {one for one in found if one not in lines} <= {"too_long", "not_a_record"}


_OTHERS = {
    "brackets": b"[" * 2 * _MOST,
    "closing": b"]" * 2 * _MOST,
    "text": b'"' + _X * 2,
    "whole text": b'"' + _X * 2 + b'"',
    "words": _X * 2,
    "numbers": b"1," * _MOST,
    "list": b"[" + b"1," * _MOST + b"1]",
    "blanks": b" " * 2 * _MOST,
}


@pytest.mark.parametrize("name", _OTHERS)
@pytest.mark.parametrize("block", [2**10, 2**17, 2**20])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_long_line_of_ndjson_that_is_not_an_object_costs_itself_alone(name: str, block: int, end: bytes) -> None:
    data = b"\n".join([b'{"n":1}', _OTHERS[name], b'{"n":2}', _OTHERS[name], b"7", _OTHERS[name]]) + end
    reader = json_reader(data, block=block, format_="ndjson")
    assert shown(reader) == [b'{"n":1}', "too_long", b'{"n":2}', "too_long", b"7", "too_long"]
    data = b'{"n":1}\n' * 1000 + _OTHERS[name] + b'\n{"n":2}\n'  # recognised by its first lines
    chunks = list(json_reader(data, block=2**10).chunks())
    assert [line for chunk in chunks for line in chunk.lines] == list(range(1, 1003))


def test_a_long_line_of_records_is_read_as_it_arrives() -> None:
    data = b'{"n":1}\n[' + b'{"n":2},' * _MOST + b'{"n":3}]\n{"n":4}'
    found = shown(json_reader(data, format_="ndjson"))
    assert found == [b'{"n":1}', *[b'{"n":2}'] * _MOST, b'{"n":3}', b'{"n":4}']


def test_a_long_value_is_kept_with_its_place_size_and_beginning() -> None:
    reader = json_reader(b'{"n":1}\n' + _LONG["whole"] + b'\n{"n":2}\n')
    chunks = list(reader.chunks())
    assert [line for chunk in chunks for line in chunk.lines] == [1, 2, 3]
    (long,) = filter(None, (unwrap(bytes(record)) for chunk in chunks for record in chunk.records))  # type: ignore[arg-type]
    assert long.body == _LONG["whole"][:KEPT_BYTES]
    assert long.detail.startswith(f"line 2: {len(_LONG['whole']):,} bytes, larger than a message can be; its first")
    assert reader.reading.warnings == {"larger than 16 MiB, first on line 2: rejected; only the beginning is kept": 1}


@pytest.mark.parametrize("around", [(b"[", b",", b"]"), (b'{"data":[', b",\n", b"]}"), (b"[\n", b",\n", b"\n]")])
def test_a_long_element_of_a_list_costs_itself_alone(around: tuple[bytes, bytes, bytes]) -> None:
    record = b'{"creative_id":"c","user_id":"u","timestamp":1}'
    first, comma, last = around
    data = first + comma.join([record, _LONG["whole"], record]) + last
    assert shown(json_reader(data)) == [record, "too_long", record]


def test_reading_continues_behind_a_long_value() -> None:
    data = b'{"n":1}\n' + _LONG["whole"] + b'\n{"n":2}\n'
    chunks = list(json_reader(data).chunks())
    for number, chunk in enumerate(chunks):
        later = [bytes(record) for one in chunks[number + 1 :] for record in one.records]  # type: ignore[arg-type]
        again = [bytes(one) for part in json_reader(data, chunk.resume).chunks() for one in part.records]  # type: ignore[arg-type]
        assert again == later


def test_a_long_value_that_may_still_grow_is_not_read_yet() -> None:
    assert shown(json_reader(b'{"n":1}\n' + _LONG["cut in a text"], final=False)) == [b'{"n":1}']


def test_a_long_datum_costs_itself_alone() -> None:
    file = io.BytesIO()
    fastavro.writer(file, _RECORD, [{"n": [1]}, {"n": [1] * 2 * _MOST}, {"n": [2]}], sync_interval=10**9)
    reader = AvroReader(Stream(io.BytesIO(file.getvalue()), "x.avro"), datum_memory=2**20)
    assert shown(reader) == [{"n": [1]}, "too_long", {"n": [2]}]


def test_a_message_that_has_become_too_large_is_appended_as_unreadable() -> None:
    log = memory_log()
    Publisher(FEEDS["impressions"], log, message_bytes=400).drain("there", [Chunk([b"1", b"x" * 401, b"2"], [1, 2, 3])])
    first, long, last = log.read("ad_impressions", 0, 0, 9).payloads
    found = unwrap(long)
    assert (first, last) == (b"1", b"2")
    assert found is not None
    assert (found.reason, found.body) == ("too_long", b"x" * 200)


class _LogOfSmallMessages(SqliteLog):
    def message_bytes(self, topic: str) -> int:  # type: ignore[override]
        return 500


@given(st.lists(st.integers(min_value=1, max_value=1_000), max_size=5))
@settings(max_examples=examples(10))
def test_a_message_that_the_log_does_not_take_costs_itself_alone(sizes: list[int]) -> None:
    log, name = _LogOfSmallMessages(Path(":memory:")), "n" * 100
    Publisher(FEEDS["impressions"], log).drain(name, [Chunk([b"x" * size for size in sizes], sizes)])
    found = [unwrap(payload) for payload in log.read("ad_impressions", 0, 0, 9).payloads]
    assert [one.reason if one else "" for one in found] == ["too_long" if size > 400 else "" for size in sizes]

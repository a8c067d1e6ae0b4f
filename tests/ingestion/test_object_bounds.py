"""Memory is bounded by objects: inputs of many tiny values cost no more than others of their size."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from advertisex.codecs.avro_cost import decoded_bytes
from advertisex.codecs.unreadable import Unreadable, unwrap, wrap
from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.avro.blocks import MAGIC, write_long
from advertisex.ingestion.avro.reader import AvroReader
from advertisex.ingestion.csv.row_parser import MOST_CELLS
from advertisex.ingestion.csv.table import MOST_COLUMNS
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import read_file
from advertisex.ingestion.stream import Stream
from advertisex.processing.decode import decode
from tests.ingestion.csv_reading import read

_MIB = 2**20
_INNER = {"type": "record", "name": "I", "fields": [{"name": "a", "type": "int"}]}


def peak(call: Callable[[], Any]) -> int:
    """Memory that a call needs at most, in bytes."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def record(*kinds: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": f"f{n}", "type": kind} for n, kind in enumerate(kinds)]}


def container(schema: Any, data: bytes, count: int = 1) -> bytes:
    file = io.BytesIO()
    fastavro.writer(file, schema, [], sync_marker=bytes(16))
    return file.getvalue() + write_long(count) + write_long(len(data)) + data + bytes(16)


_WIDE = record("int", *["null"] * 50) | {"name": "W"}
_AVRO = {
    "ints": (record({"type": "array", "items": "int"}), b"\x02"),
    "records": (record({"type": "array", "items": _INNER}), b"\x02"),
    "nulls beside a number": (
        record({"type": "array", "items": _WIDE}),
        b"\x02",
    ),
    "maps": (record({"type": "array", "items": {"type": "map", "values": "null"}}), b"\x00"),
    "texts": (record({"type": "array", "items": "string"}), b"\x00"),
    "unions": (record({"type": "array", "items": ["null", _INNER]}), b"\x00"),
    "times": (record({"type": "array", "items": {"type": "long", "logicalType": "timestamp-micros"}}), b"\x02"),
}


@pytest.mark.parametrize("name", _AVRO)
def test_one_avro_datum_of_many_values_is_rejected_and_the_next_is_read(name: str) -> None:
    schema, item = _AVRO[name]
    items = 60_000
    long = write_long(items) + item * items + b"\x00"
    data = container(schema, b"\x00" + long + b"\x00", 3)
    records: list[Any] = []
    memory = _MIB
    reader = AvroReader(Stream(io.BytesIO(data), "x.avro"), datum_memory=memory)
    used = peak(lambda: records.extend(record for chunk in reader.chunks() for record in chunk.records))
    assert used < 2 * memory + 4 * len(data)
    reasons = [unwrap(one).reason if isinstance(one, bytes) else one for one in records]  # type: ignore[union-attr]
    assert reasons == [{"f0": []}, "too_many_values", {"f0": []}]


def test_the_estimate_of_a_schema_is_above_what_it_needs() -> None:
    for schema, item in _AVRO.values():
        items = 20_000
        data = write_long(items) + item * items + b"\x00"
        parsed = fastavro.parse_schema(schema)
        used = peak(lambda data=data, parsed=parsed: fastavro.schemaless_reader(io.BytesIO(data), parsed, None))
        assert used < decoded_bytes(schema) * len(data) * 1.5 + 2**16, schema


def test_an_avro_header_of_many_entries_is_not_kept() -> None:
    schema = b'{"type":"record","name":"R","fields":[{"name":"n","type":"int"}]}'
    others = b"".join(write_long(8) + b"%08d" % n + write_long(0) for n in range(50_000))
    entry = write_long(11) + b"avro.schema" + write_long(len(schema)) + schema
    data = MAGIC + write_long(50_001) + entry + others + write_long(0) + bytes(16)
    data += write_long(1) + write_long(1) + b"\x02" + bytes(16)
    reader = AvroReader(Stream(io.BytesIO(data), "x.avro"))
    assert peak(lambda: list(reader.chunks())) < 4 * _MIB
    assert reader.reading.rows == 1


def test_a_line_of_csv_with_too_many_cells_costs_itself_alone() -> None:
    wide = b"1" + b"," * (MOST_CELLS + 1)
    quoted = b'1,"' + b"," * 1_000 + b'"'
    seen = read(b"a,b\n1,2\n" + wide + b"\n" + quoted + b"\n3,4\n")
    assert seen.good == [{"a": "1", "b": "2"}, {"a": "1", "b": "," * 1_000}, {"a": "3", "b": "4"}]
    assert [(row.reason, row.body) for row in seen.bad] == [("too_many_values", wide)]
    assert seen.lines == [2, 3, 4, 5]


@pytest.mark.parametrize("columns", [MOST_COLUMNS + 1, MOST_CELLS + 2])
def test_a_header_with_too_many_columns_is_an_error(columns: int) -> None:
    header = ",".join(f"c{n}" for n in range(columns)).encode()
    with pytest.raises(SourceError, match="more than"):
        read(header + b"\n1,2\n")


@pytest.mark.parametrize("first", ["", "user_id,timestamp,campaign_id,"])
def test_a_header_with_too_many_columns_is_named_as_such_whatever_they_are(first: str, ingested) -> None:
    header = (first + ",".join(f"c{n}" for n in range(MOST_COLUMNS + 1))).encode()
    (failure,) = ingested("clicks", "-", stdin=io.BytesIO(header + b"\n1,2\n"), format="csv").failures
    assert "columns, more than" in failure.what
    assert "check the delimiter" in failure.hint


def test_an_archive_with_a_large_directory_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(100):
            archive.writestr(f"{number}.json", "{}")
    feed, options = FEEDS["impressions"], IngestOptions()
    assert len(list(read_file(path, feed, options))) == 100
    monkeypatch.setattr("advertisex.ingestion.zip_archive.DIRECTORY_BYTES", 100)
    (only,) = read_file(path, feed, options)
    with pytest.raises(SourceError, match="the directory of the zip archive is larger"):
        list(only.reader.chunks())


def test_messages_of_nested_values_are_decoded_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.processing.decode._TOGETHER_BYTES", 2**15)
    message = b'{"user_id":"u","timestamp":[' + b"[]," * 2**12 + b"[]]}"
    payloads = [b'{"user_id":"u"}', *[message] * 32]
    assert peak(lambda: decode(payloads, FEEDS["impressions"])) < 4 * _MIB
    decoded, rejected = decode(payloads, FEEDS["impressions"])
    assert decoded["row"].to_list() == [0]
    assert rejected["row"].to_list() == list(range(1, 33))
    assert set(rejected["reason"]) == {"wrong_type"}


def test_a_frame_that_ingestion_does_not_write_is_not_believed() -> None:
    assert unwrap(b'\x00unreadable {"reason":"label-of-metrics","detail":""}\nx') is None
    assert unwrap(wrap(Unreadable("too_long", "d" * 10**6, b"x"))) is not None

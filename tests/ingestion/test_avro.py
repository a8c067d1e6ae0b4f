import io
import json
import random
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.codecs.avro_compression import CODECS
from advertisex.codecs.json_encode import json_value
from advertisex.codecs.unreadable import unwrap
from advertisex.errors import SourceError
from advertisex.ingestion.avro.blocks import MAGIC, write_long
from advertisex.ingestion.avro.reader import AvroReader
from advertisex.ingestion.records import Chunk, Resume
from advertisex.ingestion.stream import Stream

RECORD = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}, {"name": "s", "type": "string"}]}


def container(records: list[Any], schema: Any = RECORD, codec: str = "null", **more: Any) -> bytes:
    file = io.BytesIO()
    fastavro.writer(file, schema, records, codec=codec, sync_marker=b"0123456789abcdef", **more)
    return file.getvalue()


def read(data: bytes, **limits: int) -> tuple[list[Any], SourceError | None]:
    """The records, with the bytes of unreadable ones, and the error."""
    records: list[Any] = []
    try:
        for chunk in AvroReader(Stream(io.BytesIO(data), "x.avro"), **limits).chunks():
            for record in chunk.records:
                unreadable = unwrap(record) if isinstance(record, bytes) else None
                records.append(unreadable.body if unreadable else record)
    except SourceError as error:
        return records, error
    return records, None


def read_all(data: bytes) -> None:
    list(AvroReader(Stream(io.BytesIO(data), "x.avro")).chunks())


def test_the_weather_files_in_every_codec(shared_data) -> None:
    folder = shared_data("avro_apache")
    lines = (folder / "weather.json").read_text("utf-8").splitlines()
    expected = [json.loads(line) for line in lines]
    for file in sorted(folder.glob("*.avro")):
        records, error = read(file.read_bytes())
        assert error is None
        assert sorted(map(repr, records)) == sorted(map(repr, expected)), file.name


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_every_codec(codec: str) -> None:
    records = [{"n": n, "s": "x" * n} for n in range(1_000)]
    assert read(container(records, codec=codec, sync_interval=5_000)) == (records, None)


def test_containers_of_fastavro_are_read_like_fastavro_does(shared_data, ingested) -> None:
    files = sorted(shared_data("avro_fastavro").rglob("*.avro"))
    assert len(files) == 36
    for file in files:
        with file.open("rb") as stream:
            expected = list(fastavro.reader(stream))
        records, error = read(file.read_bytes())
        assert error is None, file.name
        wanted = [datum if isinstance(datum, dict) else json_value(datum) for datum in expected]
        assert repr(records) == repr(wanted), file.name  # by repr: NaN is not equal to itself
        assert len(ingested("bids", file).messages) == len(expected)


def test_logical_types_and_data_other_than_records() -> None:
    schema = {
        "type": "record",
        "name": "L",
        "fields": [
            {"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
            {"name": "u", "type": {"type": "string", "logicalType": "uuid"}},
            {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        ],
    }
    record = {
        "t": datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "d": Decimal("12.30"),
        "u": UUID(int=7),
        "day": date(2024, 1, 2),
    }
    assert read(container([record], schema)) == ([record], None)
    assert read(container([1, 2], "int")) == ([b"1", b"2"], None)
    assert read(container([b"\xff", b"a"], "bytes")) == ([b'"/w=="', b'"a"'], None)


def test_a_time_outside_the_calendar_is_not_damage() -> None:
    plain = {"type": "record", "name": "T", "fields": [{"name": "t", "type": "long"}]}
    data = container([{"t": 0}, {"t": 2**62}, {"t": 1}], plain)
    logical = {
        "type": "record",
        "name": "T",
        "fields": [{"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}}],
    }
    head = container([], logical)
    body = data[len(container([], plain)) :]
    records, error = read(head + body)
    assert error is None
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert records == [{"t": epoch}, {"t": 2**62}, {"t": epoch.replace(microsecond=1)}]


def blocks_of(count: int, codec: str = "deflate") -> tuple[bytes, list[Any]]:
    records = [{"n": n, "s": f"text {n}"} for n in range(count)]
    return container(records, codec=codec, sync_interval=500), records


def test_a_damaged_block_costs_that_block() -> None:
    data, records = blocks_of(1_000)
    sync = b"0123456789abcdef"
    parts = data.split(sync)
    parts[3] = parts[3][:20] + b"\xff" * 10 + parts[3][30:]
    seen, error = read(sync.join(parts))
    rows = [r for r in seen if isinstance(r, dict)]
    raw = [r for r in seen if isinstance(r, bytes)]
    assert error is not None
    assert "could not read a block: " in str(error)
    assert "x.avro, block 3 at byte" in str(error)
    assert raw[0] in parts[3]
    assert rows == [r for r in records if r in rows]
    assert rows[-1] == records[-1]
    assert len(rows) > 900


def test_a_block_with_broken_framing_is_passed_on_and_the_next_one_found() -> None:
    data, records = blocks_of(1_000)
    sync = b"0123456789abcdef"
    parts = data.split(sync)
    parts[2] = write_long(2**40) + write_long(2**50) + parts[2]
    seen, error = read(sync.join(parts))
    assert parts[2] in seen
    assert error is not None
    assert f"it declares {2**40} records" in str(error)
    assert seen[-1] == records[-1]


def test_a_file_of_damaged_blocks_only_is_passed_on_raw() -> None:
    sync = b"0123456789abcdef"
    junk = b"".join(write_long(1) + write_long(1000) + b"%040d" % n + sync for n in range(50))
    seen, error = read(container([]) + junk, reread_bytes=100)
    assert error is not None
    kept = b"".join(seen)
    assert all(b"%040d" % n in kept for n in range(50))


def test_damaged_blocks_are_counted_in_bounded_memory() -> None:
    size = 2**18
    block = write_long(1) + write_long(size) + b"\xff" * size + b"0123456789abcdef"
    stream = Stream(io.BytesIO(container([], codec="deflate") + block * 60), "x.avro")
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=r"could not read 60 blocks; the first: .* \(x.avro, block 1 at byte"):
            for _ in AvroReader(stream).chunks():
                pass
        assert tracemalloc.get_traced_memory()[1] < 16 * size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("end", [-1, -20, -200])
def test_a_truncated_file_keeps_what_was_read(end: int) -> None:
    data, records = blocks_of(1_000, "null")
    seen, error = read(data[:end])
    assert error is not None
    assert "unexpected end of file" in str(error)
    whole = [r for r in seen if isinstance(r, dict)]
    assert whole == records[: len(whole)]
    assert b"".join(r for r in seen if isinstance(r, bytes)) in data


@pytest.mark.parametrize("codec", ["deflate", "bzip2", "xz", "zstandard", "snappy", "lz4"])
def test_a_decompression_bomb_is_not_expanded(codec: str) -> None:
    bomb = container([{"n": 1, "s": "x" * 2**22}], codec=codec)
    seen, error = read(bomb, block_bytes=2**20)
    assert error is not None
    assert "it would decompress to more than 1 MiB" in str(error)
    assert seen
    assert all(isinstance(record, bytes) for record in seen)


def declaring(schema: Any, count: int, data: bytes) -> bytes:
    return container([], schema) + write_long(count) + write_long(len(data)) + data + b"0123456789abcdef"


def test_absurd_record_counts_are_rejected() -> None:
    seen, error = read(declaring(RECORD, 2**40, b"\x02\x02a"))
    assert "records in 3 bytes" in str(error)
    assert seen == [b"\x02\x02a"]
    seen, error = read(declaring("null", 2**40, b""))
    assert "records in 0 bytes" in str(error)
    assert read(declaring("null", 3, b"")) == ([b"null"] * 3, None)
    with pytest.raises(SourceError, match="could decode to unbounded data"):
        read_all(declaring({"type": "array", "items": "null"}, 1, write_long(2**40)))


def test_nested_empty_records_are_rejected() -> None:
    schema: Any = {"type": "record", "name": "R0", "fields": []}
    for n in range(1, 60):
        fields = [{"name": "a", "type": schema}, {"name": "b", "type": f"R{n - 1}"}]
        schema = {"type": "record", "name": f"R{n}", "fields": fields}
    with pytest.raises(SourceError, match="could decode to unbounded data"):
        read_all(declaring(schema, 1, b""))


def test_deeply_nested_data_does_not_crash_the_process() -> None:
    tree = {"type": "record", "name": "N", "fields": [{"name": "c", "type": {"type": "array", "items": "N"}}]}
    seen, error = read(declaring(tree, 1, b"\x02" * 200_000))
    assert error is not None
    assert b"".join(seen) == b"\x02" * 200_000
    assert read(container([{"c": [{"c": []}]}], tree)) == ([{"c": [{"c": []}]}], None)
    itself = {"type": "record", "name": "N", "fields": [{"name": "c", "type": "N"}]}
    seen, error = read(declaring(itself, 1, b"\x00"))
    assert error is not None


def deep_schema() -> Any:
    schema: Any = "int"
    for _ in range(300):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "codec", "message"),
    [
        (json.dumps(deep_schema()), b"null", "nested too deeply"),
        ('{"type": "recrd"}', b"null", "it is invalid"),
        ("{", b"null", "not a valid Avro container"),
        ('"int"', b"brotli", "unknown Avro codec 'brotli'"),
    ],
)
def test_an_unusable_header_is_an_error(schema: str, codec: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_all(header(schema, codec))


def header(schema: str, codec: bytes = b"null") -> bytes:
    meta = b""
    for key, value in ((b"avro.schema", schema.encode()), (b"avro.codec", codec)):
        meta += write_long(len(key)) + key + write_long(len(value)) + value
    return MAGIC + write_long(2) + meta + write_long(0) + b"0" * 16


@pytest.mark.parametrize("fields", [[1], [{}], [None], 1, None, "n"])
def test_an_attribute_of_a_schema_that_is_not_a_record_has_no_meaning(fields: Any) -> None:
    schema = json.dumps({"type": "string", "fields": fields})
    data = header(schema) + write_long(1) + write_long(2) + b"\x02a" + b"0" * 16
    assert read(data) == ([b'"a"'], None)


@pytest.mark.parametrize("fields", [[1], [{}], [None], 1, None, "n", [{"name": 1, "type": "int"}], [{"type": "int"}]])
@pytest.mark.parametrize("kind", ["record", "error"])
def test_a_record_without_proper_fields_is_an_error(kind: str, fields: Any) -> None:
    with pytest.raises(SourceError, match="the schema cannot be used"):
        read_all(header(json.dumps({"type": kind, "name": "R", "fields": fields})))


KINDS = ["record", "error", "array", "map", "enum", "fixed", "int", "string", "bytes", "null", "R", ""]
ATTRIBUTES = ["fields", "items", "values", "symbols", "size", "logicalType", "precision", "namespace", "default"]
ODD: list[Any] = [None, 1, -1, 1.5, True, "", "a.b", [], {}, [1], [{}], {"type": []}, {"type": None}, "decimal", 2**70]


def odd_schema(chance: random.Random, depth: int = 0) -> Any:
    if depth > 3 or chance.random() < 0.2:
        return chance.choice([*KINDS, *ODD])
    schema = {"type": chance.choice(KINDS), "name": chance.choice("RST")}
    for name in chance.sample(ATTRIBUTES, chance.randint(0, 4)):
        schema[name] = chance.choice(ODD) if chance.random() < 0.5 else odd_schema(chance, depth + 1)
    if schema["type"] in ("record", "error") and chance.random() < 0.8:
        types = [odd_schema(chance, depth + 1) for _ in range(chance.randint(0, 3))]
        schema["fields"] = [{"name": f"f{number}", "type": type_} for number, type_ in enumerate(types)]
    return schema


@pytest.mark.parametrize("seed", range(4))
def test_no_schema_crashes_the_reader(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(500):
        body = bytes(chance.choices([0, 2, 4, 66, 128, 255], k=chance.randint(0, 12)))
        block = write_long(chance.randint(0, 3)) + write_long(len(body)) + body + b"0" * 16
        read(header(json.dumps(odd_schema(chance))) + block)


@given(st.data())
def test_no_damage_crashes_the_reader(data: st.DataObject) -> None:
    whole, _ = blocks_of(60, "null")
    at = data.draw(st.integers(4, len(whole) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=12) | st.sampled_from([b'"int"', b"[[[]]]", b'{"a":1}', b"null,"]))
    seen, error = read(whole[:at] + junk + whole[at + len(junk) :])
    assert seen or error


def test_a_datum_is_one_message(tmp_path: Path, ingested: Callable[..., Any]) -> None:
    (tmp_path / "one.avro").write_bytes(b"\xc3\x01\n[{}]\n,")
    assert ingested("bids", tmp_path / "one.avro").messages == [b"\xc3\x01\n[{}]\n,"]


def chunks_of(data: bytes, resume: Resume | None = None, *, final: bool = True) -> list[Chunk]:
    stream = Stream(io.BytesIO(data[resume.position if resume else 0 :]), "x.avro")
    chunks: list[Chunk] = []
    with suppress(SourceError):
        chunks.extend(AvroReader(stream, resume, final).chunks())
    return chunks


def records_in(chunks: list[Chunk]) -> list[Any]:
    return [record for chunk in chunks for record in chunk.records]


@pytest.mark.parametrize("codec", ["null", "deflate"])
@pytest.mark.parametrize("damaged", [False, True])
def test_reading_continues_after_any_chunk(codec: str, damaged: bool) -> None:
    records = [{"n": n, "s": "x" * (n % 9)} for n in range(12_000)]
    data = bytearray(container(records, codec=codec, sync_interval=20_000))
    if damaged:
        data[len(data) // 2] ^= 0xFF
    whole = chunks_of(bytes(data))
    assert len(whole) > 4
    for number, chunk in enumerate(whole):
        assert chunk.resume is not None
        kept = Resume(chunk.resume.position, known=json.loads(json.dumps(chunk.resume.known)))
        assert records_in(chunks_of(bytes(data), kept)) == records_in(whole[number + 1 :])


def test_a_container_that_grows_byte_by_byte_yields_each_record_once() -> None:
    data, records = blocks_of(60, "null")
    seen: list[Any] = []
    resume: Resume | None = None
    for size in range(0, len(data) + 1, 7):
        for chunk in chunks_of(data[:size], resume, final=False):
            seen += chunk.records
            resume = chunk.resume
    seen += records_in(chunks_of(data, resume))
    assert seen == records


def test_a_damaged_block_of_a_growing_container_is_not_waited_for() -> None:
    data, records = blocks_of(1_000, "null")
    sync = b"0123456789abcdef"
    parts = data.split(sync)
    parts[2] = write_long(1) + write_long(2**27) + parts[2]
    grown = sync.join(parts)
    seen = records_in(chunks_of(grown[:-20], final=False))
    kept = [record for record in seen if isinstance(record, dict)]
    assert len(kept) > 900
    assert kept == [record for record in records if record in kept]


def test_a_large_block_is_continued_in_its_middle() -> None:
    records = [{"n": n, "s": ""} for n in range(17_000)]
    whole = chunks_of(container(records, sync_interval=2**20))
    assert [chunk.resume.known["done"] for chunk in whole if chunk.resume] == [5_000, 10_000, 15_000, 0]


def test_a_reading_has_the_columns_and_the_codec() -> None:
    data, _ = blocks_of(10)
    reader = AvroReader(Stream(io.BytesIO(data), "x.avro"))
    list(reader.chunks())
    assert (reader.reading.columns, reader.reading.detected) == (["n", "s"], {"codec": "deflate"})
    assert reader.reading.rows == 10

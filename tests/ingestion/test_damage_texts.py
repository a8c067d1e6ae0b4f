"""What is said about damage is said in our words, not in those of a library."""

import gzip
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advertisex.errors import LogError
from advertisex.ingestion.avro.blocks import MAGIC, write_long
from advertisex.logs.kafka.state import KafkaState
from advertisex.logs.sqlite.log import SqliteLog

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LINES = b'{"n":1}\n' * 1_000
CHECKED = zstd.compress(LINES, options={zstd.CompressionParameter.checksum_flag: 1})


def changed(data: bytes, at: int) -> bytes:
    out = bytearray(data)
    out[at] ^= 0xFF
    return bytes(out)


def container(schema: Any, block: bytes, codec: bytes = b"null") -> bytes:
    text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    meta = b""
    for key, value in ((b"avro.schema", text), (b"avro.codec", codec)):
        meta += write_long(len(key)) + key + write_long(len(value)) + value
    sync = b"0" * 16
    body = write_long(1) + write_long(len(block)) + block + sync
    return MAGIC + write_long(2) + meta + write_long(0) + sync + body


ENUM = {"type": "enum", "name": "E", "symbols": ["a"]}
TREE = {"type": "record", "name": "N", "fields": [{"name": "c", "type": {"type": "array", "items": "N"}}]}


GZIP = gzip.compress(LINES, mtime=0)
CONTAINER, BLOCK = "not a valid Avro container: the schema in its header is", "could not read a block: its"
NO_MATCH, SCHEMA = f"{BLOCK} data does not match the schema", "the schema cannot be used: it is invalid"

#: Name of the file, its content, and what is said about it.
CASES = [
    ("a.ndjson.gz", GZIP[:-20], "the compressed data is truncated"),
    ("a.ndjson.gz", changed(GZIP, -8), "the compressed data does not match its checksum"),
    ("a.ndjson.gz", changed(GZIP, 12), "the compressed data is damaged"),
    ("a.ndjson.zst", CHECKED[:-6], "the compressed data is truncated"),
    ("a.ndjson.zst", changed(CHECKED, -1), "the compressed data does not match its checksum"),
    ("a.avro", container(b"{x", b""), f"{CONTAINER} not JSON"),
    ("a.avro", container(b"\xff", b""), f"{CONTAINER} not JSON"),
    ("a.avro", container(b"[" * 100_000, b""), f"{CONTAINER} nested too deeply"),
    ("a.avro", container({"type": "recrd"}, b""), f"{SCHEMA}: unknown type 'recrd'"),
    ("a.avro", container({"type": "record", "fields": []}, b""), SCHEMA),
    ("a.avro", container(ENUM, b"\x08"), NO_MATCH),
    ("a.avro", container("string", b"\x08a"), NO_MATCH),
    ("a.avro", container("string", b"\x02\xff"), NO_MATCH),
    ("a.avro", container(TREE, b"\x02" * 99_999), f"{BLOCK} data is nested too deeply"),
    ("a.avro", container("string", b"\xff" * 9, b"deflate"), f"{BLOCK} compressed data is damaged"),
    ("a.avro", container("string", b"\xff" * 9, b"snappy"), f"{BLOCK} compressed data is damaged"),
]


@pytest.mark.parametrize(("name", "data", "what"), CASES, ids=map(str, range(len(CASES))))
def test_a_damaged_input(name: str, data: bytes, what: str, tmp_path: Path, ingested: Callable[..., Any]) -> None:
    (tmp_path / name).write_bytes(data)
    (failure,) = ingested("bids", tmp_path / name).failures
    assert failure.what == what


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no database" * 99, "the file is not a SQLite database"), (None, "it is a folder, not a file")],
)
def test_a_log_that_cannot_be_opened(content: bytes | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "the.log"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(LogError) as raised:
        SqliteLog(path)
    assert raised.value.what == f"cannot open the event log: {why}"
    if content is not None:
        assert raised.value.hint == (
            "if it is of another program, choose another one with --log, or another folder with --data; "
            "if it is damaged, restore it from a backup; without a backup, move away what is left of it, ingest again "
            "and run `advertisex rebuild --yes`"
        )


def test_a_state_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "log-state.db").write_bytes(b"no database" * 99)
    with pytest.raises(LogError) as raised:
        KafkaState(tmp_path, lambda _: {}).read("files/")
    assert raised.value.what == "cannot keep the state of the sources: the file is not a SQLite database"
    assert isinstance(raised.value.__cause__, sqlite3.Error)

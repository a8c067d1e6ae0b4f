"""Read Avro container files of any writer schema and codec. A damaged block is passed on as raw bytes."""

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import fastavro
from fastavro import _read_py as fastavro_in_python

from advertisex.codecs.avro_compression import BLOCK_BYTES, CODECS, UNREADABLE
from advertisex.codecs.avro_numbers import with_exact_numbers
from advertisex.codecs.avro_schema import is_recursive, is_zero_width, unusable, without_logical_types
from advertisex.codecs.json_encode import json_value
from advertisex.errors import SourceError
from advertisex.ingestion.avro_blocks import MAGIC, REREAD_BYTES, Block, Container, write_long
from advertisex.ingestion.records import Record
from advertisex.ingestion.stream import Stream

_CHUNK_RECORDS = 5_000
#: Size of the pieces of a damaged block; processing keeps up to 1 MiB of a reject as one message.
_PIECE_BYTES = 2**20
#: Maximum number of zero-width records in a block: they take no bytes, so a block could declare any number.
_MAX_ZERO_WIDTH = 1_000_000
#: What reading a datum raises if the bytes do not match the schema.
_UNREADABLE = (*UNREADABLE, IndexError, KeyError, TypeError, ArithmeticError, RecursionError, MemoryError)


def read_avro(
    stream: Stream, *, block_bytes: int = BLOCK_BYTES, reread_bytes: int = REREAD_BYTES
) -> Iterator[list[Record]]:
    """Yield the records of a container as dicts; logical types become datetimes, decimals and UUIDs.

    A datum that is not a record (an int, a string, …) becomes JSON. Of an unreadable block, the readable records come
    first, then its raw bytes in pieces of 1 MiB. Then reading continues with the next block.

    Args:
        stream: the container, at its first byte.
        block_bytes: maximum decompressed size of a block.
        reread_bytes: see `Container`.

    Raises:
        SourceError: the header could not be read; or, after everything else was yielded, a block could not be read.
    """
    container = Container(stream, reread_bytes)
    blocks = _BlockReader(container, stream.name, block_bytes)
    damage: list[tuple[Block, str]] = []
    for block in container.blocks():
        reason = block.damage
        if not reason:
            try:
                yield from blocks.chunks(block)
            except _UNREADABLE as error:
                reason = str(error) or type(error).__name__
        if reason:
            yield [block.data[at : at + _PIECE_BYTES] for at in range(0, len(block.data), _PIECE_BYTES)]
            damage.append((block, reason))
    if damage:
        (first, reason), numbers = damage[0], {block.number for block, _ in damage}
        raise SourceError(
            f"could not read {len(numbers)} block(s); the first: {reason}",
            where=f"{stream.name}, block {first.number} at byte {first.position}",
            hint="their raw bytes were appended and will be rejected; write the file again, then ingest it again",
        )


class _BlockReader:
    """Decodes blocks. Passes each block to fastavro as a separate, uncompressed container."""

    def __init__(self, container: Container, name: str, block_bytes: int) -> None:
        header = container.header
        self._check(header.schema, header.codec, name)
        self._decompress = CODECS[header.codec]
        self._block_bytes = block_bytes
        self._sync = header.sync
        self._head = _head(with_exact_numbers(header.schema), header.sync)
        self._plain_head = _head(with_exact_numbers(without_logical_types(header.schema)), header.sync)
        self._zero_width = is_zero_width(header.schema)
        # recursive schemas allow data of any depth: the Python reader raises where the C one would crash
        self._reader = fastavro_in_python.reader if is_recursive(header.schema) else fastavro.reader

    def chunks(self, block: Block) -> Iterator[list[Record]]:
        """Yield the readable records of a block, then raise the error, if any."""
        data = self._decompress(block.data, self._block_bytes)
        if block.count > (_MAX_ZERO_WIDTH if self._zero_width else len(data)):
            raise ValueError(f"it declares {block.count} records in {len(data)} bytes")
        body = write_long(block.count) + write_long(len(data)) + data + self._sync
        done = 0
        chunk: list[Record] = []
        try:
            for datum in self._reader(BytesIO(self._head + body)):
                chunk.append(_record(datum))
                done += 1
                if len(chunk) == _CHUNK_RECORDS:
                    yield chunk
                    chunk = []
        except _UNREADABLE:
            yield chunk
            # a time or decimal outside Python's range is not damage: continue with the plain numbers
            chunk = []
            for number, datum in enumerate(self._reader(BytesIO(self._plain_head + body))):
                if number >= done:
                    chunk.append(_record(datum))
        if chunk:
            yield chunk

    def _check(self, schema: Any, codec: str, name: str) -> None:
        if codec not in CODECS:
            known = ", ".join(CODECS)
            raise SourceError(f"unknown Avro codec {codec!r}", where=name, hint=f"expected one of {known}")
        if reason := unusable(schema):
            raise SourceError(
                f"the schema cannot be used: {reason}", where=name, hint="write the file with another schema"
            )


def _record(datum: Any) -> Record:
    return datum if isinstance(datum, dict) else json_value(datum)


def _head(schema: Any, sync: bytes) -> bytes:
    """Encode the header of an uncompressed container."""
    key, value = b"avro.schema", json.dumps(schema).encode()
    entry = write_long(len(key)) + key + write_long(len(value)) + value
    return MAGIC + write_long(1) + entry + write_long(0) + sync

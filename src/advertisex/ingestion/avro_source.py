"""Avro container files of any writer schema and codec. A damaged block costs that block, which goes on as raw bytes."""

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import fastavro
from fastavro import _read_py as fastavro_in_python

from advertisex.errors import SourceError
from advertisex.feeds.avro_schema import is_recursive, unusable, weightless, without_logical_types
from advertisex.ingestion.avro_blocks import MAGIC, Block, Container, write_long
from advertisex.ingestion.avro_codecs import CODECS, UNREADABLE
from advertisex.ingestion.json_message import json_value
from advertisex.ingestion.records import Chunk, Record
from advertisex.ingestion.stream import Stream

_CHUNK_RECORDS = 5_000
#: The pieces in which a damaged block goes on; processing keeps up to 1 MiB of a reject as one message.
_PIECE_BYTES = 2**20
#: Records that take no bytes can be claimed without end; so many of them are believed.
_WEIGHTLESS_RECORDS = 1_000_000
#: What reading a datum raises when the bytes are not what the schema says.
_UNREADABLE = (*UNREADABLE, IndexError, KeyError, TypeError, ArithmeticError, RecursionError, MemoryError)


def read_avro(stream: Stream) -> Iterator[Chunk]:
    """The records of a container as dicts, with datetimes, decimals and UUIDs where the schema says so.

    A datum that is no record (an int, a string, …) becomes its JSON. A block that cannot be read goes on as its raw
    bytes, in pieces of 1 MiB, after the records that could be read from it; then the next block is read.

    Raises:
        SourceError: the header cannot be read; or, once everything else has been yielded, some block could not.
    """
    container = Container(stream)
    blocks = _BlockReader(container, stream.name)
    damage: list[tuple[Block, str]] = []
    for block in container.blocks():
        fault = block.damage
        if not fault:
            try:
                yield from blocks.chunks(block)
            except _UNREADABLE as error:
                fault = str(error) or type(error).__name__
        if fault:
            yield [block.data[at : at + _PIECE_BYTES] for at in range(0, len(block.data), _PIECE_BYTES)]
            damage.append((block, fault))
    if damage:
        (first, fault), numbers = damage[0], {block.number for block, _ in damage}
        raise SourceError(
            f"{len(numbers)} block(s) cannot be read, the first: {fault}",
            where=f"{stream.name}, block {first.number} at byte {first.position}",
            hint="their raw bytes are appended, to be rejected; write the file anew, then ingest it again",
        )


class _BlockReader:
    """Reads the data of blocks. Each one is given to fastavro as a container of its own, already decompressed."""

    def __init__(self, container: Container, name: str) -> None:
        header = container.header
        self._check(header.schema, header.codec, name)
        self._decompress = CODECS[header.codec]
        self._sync = header.sync
        self._head = _head(header.schema, header.sync)
        self._plain_head = _head(without_logical_types(header.schema), header.sync)
        self._weightless = weightless(header.schema)
        # a recursive schema allows data of any depth: Python's own reader raises where the fast one would crash
        self._reader = fastavro_in_python.reader if is_recursive(header.schema) else fastavro.reader

    def chunks(self, block: Block) -> Iterator[Chunk]:
        """The records of a block, as far as they can be read; then the error, if there is one."""
        data = self._decompress(block.data)
        if block.count > (_WEIGHTLESS_RECORDS if self._weightless else len(data)):
            raise ValueError(f"it claims {block.count} records in {len(data)} bytes")
        body = write_long(block.count) + write_long(len(data)) + data + self._sync
        done = 0
        chunk: Chunk = []
        try:
            for datum in self._reader(BytesIO(self._head + body)):
                chunk.append(_record(datum))
                done += 1
                if len(chunk) == _CHUNK_RECORDS:
                    yield chunk
                    chunk = []
        except _UNREADABLE:
            yield chunk
            # a time or a decimal out of Python's range is no damage: go on with the plain numbers
            chunk = []
            for number, datum in enumerate(self._reader(BytesIO(self._plain_head + body))):
                if number >= done:
                    chunk.append(_record(datum))
        if chunk:
            yield chunk

    def _check(self, schema: Any, codec: str, name: str) -> None:
        if codec not in CODECS:
            known = ", ".join(CODECS)
            raise SourceError(f"unknown Avro codec {codec!r}", where=name, hint=f"write it with one of {known}")
        if fault := unusable(schema):
            raise SourceError(f"the schema cannot be used: {fault}", where=name, hint="write the file with another")


def _record(datum: Any) -> Record:
    return datum if isinstance(datum, dict) else json_value(datum)


def _head(schema: Any, sync: bytes) -> bytes:
    """The header of an uncompressed container."""
    key, value = b"avro.schema", json.dumps(schema).encode()
    entry = write_long(len(key)) + key + write_long(len(value)) + value
    return MAGIC + write_long(1) + entry + write_long(0) + sync

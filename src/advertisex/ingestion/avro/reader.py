"""Read Avro container files of any writer schema and codec. A damaged block is passed on as raw bytes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from advertisex.codecs.avro_compression import BLOCK_BYTES, CODECS, UNREADABLE, AvroDamage
from advertisex.codecs.avro_numbers import with_exact_numbers
from advertisex.codecs.avro_schema import field_names, is_zero_width, reading_module, unusable, without_logical_types
from advertisex.codecs.json_encode import json_value
from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.errors import SourceError
from advertisex.ingestion.avro.blocks import MAGIC, REREAD_BYTES, Block, Container, Header, write_long
from advertisex.ingestion.records import Chunk, Reader, Reading, Record, Resume
from advertisex.ingestion.stream import Stream

_CHUNK_RECORDS = 5_000
#: Size of the pieces of a damaged block; processing keeps up to 1 MiB of a reject as one message, its frame included.
_PIECE_BYTES = 2**20 - 2**12
#: Maximum number of zero-width records in a block: they take no bytes, so a block could declare any number.
_MAX_ZERO_WIDTH = 1_000_000
#: What reading a datum raises if the bytes do not match the schema.
_UNREADABLE = (*UNREADABLE, IndexError, KeyError, TypeError, ArithmeticError, RecursionError, MemoryError)


class AvroReader(Reader):
    """Reads the records of a container as dicts; logical types become datetimes, decimals and UUIDs.

    A datum that is not a record (an int, a string, …) becomes JSON. Of an unreadable block, the readable records come
    first, then its raw bytes in pieces of at most 1 MiB, as unreadable. Then reading continues with the next block.

    Args:
        stream: the container, at its first byte, or where `resume` says.
        resume: where to continue.
        final: whether the container is complete; otherwise an incomplete block at its end is not read yet.
        block_bytes: maximum decompressed size of a block.
        reread_bytes: see `Container`.
    """

    def __init__(
        self,
        stream: Stream,
        resume: Resume | None = None,
        final: bool = True,
        *,
        block_bytes: int = BLOCK_BYTES,
        reread_bytes: int = REREAD_BYTES,
    ) -> None:
        self.reading = Reading("avro")
        self._stream, self._resume, self._final = stream, resume, final
        self._block_bytes, self._reread_bytes = block_bytes, reread_bytes
        self._damaged, self._last_damaged = 0, 0  # number of damaged blocks, and the number of the last one
        self._first = (0, 0, "")  # number and position of the first one, and what is wrong with it

    def chunks(self) -> Iterator[Chunk]:
        """Yield the records; a chunk can be continued after its last record.

        Raises:
            SourceError: the header could not be read; or, after everything else was yielded, a block could not be read.
        """
        container = self._container()
        if container is None:
            return
        header = container.header
        blocks = _BlockReader(header, self._stream.name, self._block_bytes)
        self.reading.detected["codec"] = header.codec
        self.reading.columns = field_names(header.schema)
        known = {"schema": header.schema, "codec": header.codec, "sync": header.sync.hex()}
        skip: int = self._resume.known["done"] if self._resume else 0
        position, done = -1, 0
        for block in container.blocks():
            position, done = block.position, done if block.position == position else 0
            for records in self._records(block, blocks):
                done += len(records)
                new, skip = records[skip:], max(0, skip - len(records))
                self.reading.rows += len(new)
                if done == block.count and not block.damage:
                    resume = Resume(container.position, known=known | {"block": block.number, "done": 0})
                else:
                    resume = Resume(position, known=known | {"block": block.number - 1, "done": done})
                if new:
                    yield Chunk(new, resume=resume)
        self._raise_damage()

    def _container(self) -> Container | None:
        """Return the container; None if its header is not complete yet."""
        resume = self._resume
        try:
            if resume is None:
                return Container(self._stream, reread_bytes=self._reread_bytes, final=self._final)
            known = resume.known
            return Container(
                self._stream,
                Header(known["schema"], known["codec"], bytes.fromhex(known["sync"])),
                position=resume.position,
                number=known["block"],
                reread_bytes=self._reread_bytes,
                final=self._final,
            )
        except (AvroDamage, EOFError) as error:
            if isinstance(error, EOFError) and not self._final:
                return None
            raise SourceError(
                f"not a valid Avro container: {error}",
                where=self._stream.name,
                hint="write the file again, or set the format with --format",
            ) from error

    def _records(self, block: Block, blocks: "_BlockReader") -> Iterator[list[Record]]:
        reason = block.damage
        if not reason:
            try:
                yield from blocks.chunks(block)
            except AvroDamage as error:
                reason = str(error)
        if reason:
            self._note_damage(block, reason)
            detail = f"block {block.number} of the Avro file, at byte {block.position}, is damaged: {reason}"
            pieces = (block.data[at : at + _PIECE_BYTES] for at in range(0, len(block.data), _PIECE_BYTES))
            yield [wrap(Unreadable("not_a_record", detail, piece)) for piece in pieces]

    def _note_damage(self, block: Block, reason: str) -> None:
        """Count a damaged block, of which the parts follow one another."""
        if not self._damaged:
            self._first = (block.number, block.position, reason)
        if block.number != self._last_damaged:
            self._damaged += 1
        self._last_damaged = block.number

    def _raise_damage(self) -> None:
        if not self._damaged:
            return
        number, position, reason = self._first
        what = "a block" if self._damaged == 1 else f"{self._damaged:,} blocks; the first"
        raise SourceError(
            f"could not read {what}: {reason}",
            where=f"{self._stream.name}, block {number} at byte {position}",
            hint="the raw bytes were appended and will be rejected; write the file again, then ingest it again",
        )


class _BlockReader:
    """Decodes blocks. Passes each block to fastavro as a separate, uncompressed container."""

    def __init__(self, header: Header, name: str, block_bytes: int) -> None:
        self._check(header.schema, header.codec, name)
        self._decompress = CODECS[header.codec]
        self._block_bytes = block_bytes
        self._sync = header.sync
        self._head = _head(with_exact_numbers(header.schema), header.sync)
        self._plain_head = _head(with_exact_numbers(without_logical_types(header.schema)), header.sync)
        self._zero_width = is_zero_width(header.schema)
        self._reader = reading_module(header.schema).reader

    def chunks(self, block: Block) -> Iterator[list[Record]]:
        """Yield the readable records of a block, then raise `AvroDamage` if not all are readable."""
        data = self._decompressed(block)
        if block.count > (_MAX_ZERO_WIDTH if self._zero_width else len(data)):
            raise AvroDamage(f"it declares {block.count} records in {len(data)} bytes")
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
            with _damage_of("its data does not match the schema"):
                for number, datum in enumerate(self._reader(BytesIO(self._plain_head + body))):
                    if number >= done:
                        chunk.append(_record(datum))
        if chunk:
            yield chunk

    def _decompressed(self, block: Block) -> bytes:
        with _damage_of("its compressed data is damaged"):
            return self._decompress(block.data, self._block_bytes)

    def _check(self, schema: Any, codec: str, name: str) -> None:
        if codec not in CODECS:
            known = ", ".join(CODECS)
            raise SourceError(f"unknown Avro codec {codec!r}", where=name, hint=f"expected one of {known}")
        if reason := unusable(schema):
            raise SourceError(
                f"the schema cannot be used: {reason}", where=name, hint="write the file with another schema"
            )


@contextmanager
def _damage_of(what: str) -> Iterator[None]:
    """Raise what a library raises for damaged data as `AvroDamage`, in our words."""
    try:
        yield
    except AvroDamage:
        raise
    except RecursionError as error:
        raise AvroDamage("its data is nested too deeply") from error
    except _UNREADABLE as error:
        raise AvroDamage(what) from error


def _record(datum: Any) -> Record:
    return datum if isinstance(datum, dict) else json_value(datum)


def _head(schema: Any, sync: bytes) -> bytes:
    """Encode the header of an uncompressed container."""
    key, value = b"avro.schema", json.dumps(schema).encode()
    entry = write_long(len(key)) + key + write_long(len(value)) + value
    return MAGIC + write_long(1) + entry + write_long(0) + sync

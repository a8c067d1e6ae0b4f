"""Read Avro container files of any writer schema and codec. A damaged block is passed on as raw bytes."""

from collections.abc import Iterator
from typing import Any

from advertisex.codecs.avro_compression import BLOCK_BYTES, CODECS, UNREADABLE, AvroDamage
from advertisex.codecs.avro_cost import DECODED_BYTES
from advertisex.codecs.avro_schema import field_names, is_zero_width, unusable
from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.errors import SourceError
from advertisex.ingestion.avro.blocks import REREAD_BYTES, Block, Container, Header
from advertisex.ingestion.avro.datums import DatumCodec, Datums
from advertisex.ingestion.records import (
    Chunk,
    Reader,
    Reading,
    Record,
    Resume,
)
from advertisex.ingestion.stream import Stream
from advertisex.limits import Limit

_CHUNK_RECORDS = 5_000
#: Size of the pieces of a damaged block; processing keeps up to 1 MiB of a reject as one message, its frame included.
_PIECE_BYTES = 2**20 - 2**12
#: Maximum number of zero-width records in a block: they take no bytes, so a block could declare any number.
MOST_ZERO_WIDTH = Limit(
    1_000_000, "records", of="an Avro block whose records take no bytes", beyond="the block is damaged"
)


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
        datum_memory: maximum memory of the records that are decoded together, estimated from the schema.
    """

    def __init__(
        self,
        stream: Stream,
        resume: Resume | None = None,
        final: bool = True,
        *,
        block_bytes: int = BLOCK_BYTES,
        reread_bytes: int = REREAD_BYTES,
        datum_memory: int = DECODED_BYTES,
    ) -> None:
        self.reading = Reading("avro")
        self._stream, self._resume, self._final = stream, resume, final
        self._block_bytes, self._reread_bytes, self._datum_memory = block_bytes, reread_bytes, datum_memory
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
        blocks = _BlockReader(header, self._stream.name, self._block_bytes, self._datum_memory)
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
    """Decodes blocks."""

    def __init__(self, header: Header, name: str, block_bytes: int, datum_memory: int) -> None:
        self._check(header.schema, header.codec, name)
        self._decompress = CODECS[header.codec]
        self._block_bytes = block_bytes
        self._zero_width = is_zero_width(header.schema)
        self._codec = DatumCodec(header.schema, datum_memory)

    def chunks(self, block: Block) -> Iterator[list[Record]]:
        """Yield the readable records of a block, then raise `AvroDamage` if not all are readable."""
        data = self._decompressed(block)
        if block.count > (MOST_ZERO_WIDTH if self._zero_width else len(data)):
            raise AvroDamage(f"it declares {block.count} records in {len(data)} bytes")
        datums, most = Datums(data, self._codec), min(_CHUNK_RECORDS, self._codec.most)
        left = block.count
        while left:
            records, damage = self._together(datums, min(left, most))
            yield records
            left -= len(records)
            if damage is not None:
                raise damage
        if datums.position < len(data):
            raise AvroDamage(f"{len(data) - datums.position} bytes follow its last record")

    def _together(self, datums: Datums, most: int) -> tuple[list[Record], AvroDamage | None]:
        """Return the next records, as many as fit in memory together, and the damage behind them."""
        records: list[Record] = []
        end = datums.position + self._codec.window
        while len(records) < most and datums.position < end:
            try:
                records.append(datums.next())
            except AvroDamage as error:
                return records, error
        return records, None

    def _decompressed(self, block: Block) -> bytes:
        try:
            return self._decompress(block.data, self._block_bytes)
        except AvroDamage:
            raise
        except (*UNREADABLE, MemoryError) as error:
            raise AvroDamage("its compressed data is damaged") from error

    def _check(self, schema: Any, codec: str, name: str) -> None:
        if codec not in CODECS:
            known = ", ".join(CODECS)
            raise SourceError(f"unknown Avro codec {codec!r}", where=name, hint=f"expected one of {known}")
        if reason := unusable(schema):
            raise SourceError(
                f"the schema cannot be used: {reason}", where=name, hint="write the file with another schema"
            )

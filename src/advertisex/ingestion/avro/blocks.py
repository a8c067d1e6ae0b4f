"""Read the Avro container format: the header and the blocks. Resynchronises at the next sync marker after damage."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from advertisex.codecs.avro_compression import AvroDamage
from advertisex.ingestion.stream import BLOCK, Stream
from advertisex.limits import Limit

MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
#: The entries of a header that matter.
_KNOWN = ("avro.schema", "avro.codec")
_BLOCK_BYTES = Limit(
    64 * 2**20,
    "bytes",
    of="an Avro block, compressed",
    beyond="the block is damaged: its bytes are rejected, and the next one is read",
)
REREAD_BYTES = Limit(
    2 * 2**30, "bytes", of="what is read again behind damage in an Avro file", beyond="the rest of the file is rejected"
)
_VARINT_BYTES = 10
_HEADER_BYTES = Limit(
    2**20, "bytes", of="the schema, or another text, in the header of an Avro file", beyond="an error of the file"
)


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a container."""

    schema: Any
    codec: str
    sync: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A block as stored in the file.

    Attributes:
        number: its number, from 1.
        position: byte offset of its start in the (decompressed) file.
        count: declared number of records.
        data: its compressed bytes; for a damaged block, all bytes up to the next sync marker.
        damage: what is wrong with its framing; empty if intact.
    """

    number: int
    position: int
    count: int
    data: bytes
    damage: str = ""


class Container:
    """Splits a container into its blocks.

    Args:
        stream: the container, at its first byte, or at a block if the header is given.
        header: its header, if it is known.
        position: position of the stream in the container.
        number: number of the last block before the position.
        reread_bytes: limit on the bytes that are read again in search of the next block, so that a hostile file cannot
            cost unbounded time.
        final: whether the container is complete; otherwise an incomplete block at its end is not yielded.

    Attributes:
        position: where the next block begins.

    Raises:
        EOFError: the header is incomplete.
        AvroDamage: the header is not valid.
    """

    def __init__(
        self,
        stream: Stream,
        header: Header | None = None,
        *,
        position: int = 0,
        number: int = 0,
        reread_bytes: int = REREAD_BYTES,
        final: bool = True,
    ) -> None:
        self.position = position
        self._stream, self._number, self._reread_bytes, self._final = stream, number, reread_bytes, final
        self._reread = 0
        self.header = header or self._read_header()

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks in order. Damaged ones are marked, and reading continues after the next sync marker.

        Raises:
            SourceError: the stream failed.
        """
        while self._stream.peek(1):
            self._number += 1
            number, start = self._number, self.position
            consumed = bytearray()
            try:
                count, size = self._read_long(consumed), self._read_long(consumed)
                if count < 0 or not 0 <= size <= _BLOCK_BYTES:
                    raise AvroDamage(f"it declares {count} records in {size} bytes")
                data = self._read_exactly(size, consumed)
                if self._read_exactly(_SYNC_BYTES, consumed) != self.header.sync:
                    raise AvroDamage("no sync marker follows it")
                yield Block(number, start, count, data)
            except (AvroDamage, EOFError) as error:
                # after an EOFError, these are all bytes up to the end; a marker shows that the block was not cut off
                if isinstance(error, EOFError) and not self._final and self.header.sync not in consumed:
                    return
                self._push_back(consumed)
                for part in self._up_to_sync() if self._reread < self._reread_bytes else self._remaining():
                    yield Block(number, start, 0, part, damage=str(error))

    def _read_header(self) -> Header:
        if self._read_exactly(len(MAGIC)) != MAGIC:
            raise AvroDamage("wrong magic bytes")
        meta: dict[str, bytes] = {}
        while count := self._read_long():
            if count < 0:
                count = -count
                self._read_long()
            for _ in range(count):
                key, value = self._read_bytes().decode(errors="replace"), self._read_bytes()
                if key in _KNOWN:  # a hostile header has any number of others
                    meta[key] = value
        if "avro.schema" not in meta:
            raise AvroDamage("the header has no schema")
        codec = meta.get("avro.codec", b"null").decode(errors="replace")
        return Header(_schema(meta["avro.schema"]), codec, self._read_exactly(_SYNC_BYTES))

    def _up_to_sync(self) -> Iterator[bytes]:
        """Yield the bytes up to the next sync marker or the end, in bounded pieces, and skip the marker."""
        sync = self.header.sync
        while True:
            seen = self._stream.peek(BLOCK + _SYNC_BYTES)
            found = seen.find(sync)
            if found >= 0:
                if found:
                    yield self._read_exactly(found)
                self._read_exactly(_SYNC_BYTES)
                return
            if len(seen) < BLOCK + _SYNC_BYTES:
                if seen and self._final:
                    yield self._read_exactly(len(seen))
                return
            # the last bytes may be the start of a marker
            yield self._read_exactly(BLOCK)

    def _remaining(self) -> Iterator[bytes]:
        while part := self._stream.read(BLOCK):
            self.position += len(part)
            yield part

    def _read_exactly(self, size: int, consumed: bytearray | None = None) -> bytes:
        data = self._stream.read(size)
        self.position += len(data)
        if consumed is not None:
            consumed += data
        if len(data) < size:
            raise EOFError("unexpected end of file")
        return data

    def _push_back(self, consumed: bytearray) -> None:
        self._stream.push_back(bytes(consumed))
        self.position -= len(consumed)
        self._reread += len(consumed)

    def _read_bytes(self) -> bytes:
        size = self._read_long()
        if not 0 <= size <= _HEADER_BYTES:
            raise AvroDamage(f"the header declares a string of {size} bytes")
        return self._read_exactly(size)

    def _read_long(self, consumed: bytearray | None = None) -> int:
        """Read a zigzag varint."""
        number = 0
        for shift in range(0, 7 * _VARINT_BYTES, 7):
            (byte,) = self._read_exactly(1, consumed)
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)
        raise AvroDamage("a number is longer than 64 bits")


def _schema(text: bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise AvroDamage("the schema in its header is nested too deeply") from error
    except ValueError as error:
        raise AvroDamage("the schema in its header is not JSON") from error


def write_long(number: int) -> bytes:
    """Encode a non-negative number as a zigzag varint."""
    number <<= 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)

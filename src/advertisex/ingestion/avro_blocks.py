"""Avro's container format: the header, and the blocks between their sync markers, found again after damage."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from advertisex.errors import SourceError
from advertisex.ingestion.stream import BLOCK, Stream

MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
#: A block of more bytes than this is taken for damage: no writer makes one.
_BLOCK_BYTES = 256 * 2**20
#: How much may be read again in search of the next block. A hostile file could ask for it at every block.
_REREAD_BYTES = 2 * 2**30
_VARINT_BYTES = 10
_HEADER_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Header:
    """What a container says of itself."""

    schema: Any
    codec: str
    sync: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A block as it stands in the file.

    Attributes:
        number: from 1.
        position: where it begins, in bytes from the start of the (decompressed) file.
        count: how many records it says to hold.
        data: its compressed bytes; where it is damaged, all bytes up to the next sync marker.
        damage: what is wrong with its frame; empty where nothing is.
    """

    number: int
    position: int
    count: int
    data: bytes
    damage: str = ""


class Container:
    """Takes a container apart.

    Args:
        stream: at its first byte.

    Raises:
        SourceError: the header cannot be read.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._position = 0
        self._reread = 0
        try:
            self.header = self._read_header()
        except (ValueError, EOFError, RecursionError) as error:
            raise SourceError(
                f"this is no Avro container: {error}",
                where=stream.name,
                hint="write the file anew, or name its format with --format",
            ) from error

    def blocks(self) -> Iterator[Block]:
        """The blocks in order; a damaged one says so, and reading goes on behind the next sync marker.

        Raises:
            SourceError: the stream fails.
        """
        number = 0
        while self._stream.peek(1):
            number += 1
            start = self._position
            taken = bytearray()
            try:
                count, size = self._long(taken), self._long(taken)
                if count < 0 or not 0 <= size <= _BLOCK_BYTES:
                    raise ValueError(f"it claims {count} records in {size} bytes")
                data = self._exactly(size, taken)
                if self._exactly(_SYNC_BYTES, taken) != self.header.sync:
                    raise ValueError("no sync marker follows it")
                yield Block(number, start, count, data)
            except (ValueError, EOFError) as error:
                self._give_back(taken)
                for part in self._up_to_sync() if self._reread < _REREAD_BYTES else self._rest():
                    yield Block(number, start, 0, part, damage=str(error))

    def _read_header(self) -> Header:
        if self._exactly(len(MAGIC)) != MAGIC:
            raise ValueError("its first bytes are others")
        meta: dict[str, bytes] = {}
        while count := self._long():
            if count < 0:
                count = -count
                self._long()
            for _ in range(count):
                key = self._bytes().decode()
                meta[key] = self._bytes()
        if "avro.schema" not in meta:
            raise ValueError("its header holds no schema")
        codec = meta.get("avro.codec", b"null").decode()
        return Header(json.loads(meta["avro.schema"]), codec, self._exactly(_SYNC_BYTES))

    def _up_to_sync(self) -> Iterator[bytes]:
        """The bytes up to the next sync marker or the end, in bounded pieces; the marker is skipped."""
        sync = self.header.sync
        while True:
            seen = self._stream.peek(BLOCK + _SYNC_BYTES)
            found = seen.find(sync)
            if found >= 0:
                if found:
                    yield self._exactly(found)
                self._exactly(_SYNC_BYTES)
                return
            if len(seen) < BLOCK + _SYNC_BYTES:
                if seen:
                    yield self._exactly(len(seen))
                return
            # the last bytes may be the beginning of a marker
            yield self._exactly(BLOCK)

    def _rest(self) -> Iterator[bytes]:
        while part := self._stream.read(BLOCK):
            self._position += len(part)
            yield part

    def _exactly(self, size: int, taken: bytearray | None = None) -> bytes:
        data = self._stream.read(size)
        self._position += len(data)
        if taken is not None:
            taken += data
        if len(data) < size:
            raise EOFError("the file ends too early")
        return data

    def _give_back(self, taken: bytearray) -> None:
        self._stream.give_back(bytes(taken))
        self._position -= len(taken)
        self._reread += len(taken)

    def _bytes(self) -> bytes:
        size = self._long()
        if not 0 <= size <= _HEADER_BYTES:
            raise ValueError(f"its header claims a text of {size} bytes")
        return self._exactly(size)

    def _long(self, taken: bytearray | None = None) -> int:
        """A number in Avro's zigzag notation."""
        number = 0
        for shift in range(0, 7 * _VARINT_BYTES, 7):
            (byte,) = self._exactly(1, taken)
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)
        raise ValueError("a number is longer than 64 bits")


def write_long(number: int) -> bytes:
    """A number that is not negative, in Avro's notation."""
    number <<= 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)

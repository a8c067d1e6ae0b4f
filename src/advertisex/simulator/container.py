"""Writes already encoded datums to an Avro container file (Avro specification 1.12)."""

import io
import json
import zlib
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO, Self

import fastavro

from advertisex.feeds.bids import AVRO_SCHEMA

_MAGIC = b"Obj\x01"
_BLOCK_RECORDS = 4_000
_META = {"type": "map", "values": "bytes"}


class BidContainer:
    """A deflate-compressed container of bids.

    Args:
        file: binary file open for writing; it is not closed.
        sync: the 16-byte sync marker between blocks.
    """

    def __init__(self, file: BinaryIO, sync: bytes) -> None:
        self._file = file
        self._sync = sync
        self._waiting: list[bytes] = []
        meta = io.BytesIO()
        entries = {"avro.schema": json.dumps(AVRO_SCHEMA).encode(), "avro.codec": b"deflate"}
        fastavro.schemaless_writer(meta, _META, entries)
        file.write(_MAGIC + meta.getvalue() + sync)

    def write(self, bodies: Sequence[bytes]) -> None:
        """Append encoded records."""
        self._waiting += bodies
        while len(self._waiting) >= _BLOCK_RECORDS:
            self._write_block(self._waiting[:_BLOCK_RECORDS])
            del self._waiting[:_BLOCK_RECORDS]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waiting:
            self._write_block(self._waiting)

    def _write_block(self, bodies: list[bytes]) -> None:
        deflate = zlib.compressobj(level=1, wbits=-15)  # raw deflate, as Avro requires
        data = deflate.compress(b"".join(bodies)) + deflate.flush()
        head = io.BytesIO()
        fastavro.schemaless_writer(head, "long", len(bodies))
        fastavro.schemaless_writer(head, "bytes", data)
        self._file.write(head.getvalue() + self._sync)

"""Decode the data of an Avro block, one datum after another, in bounded memory."""

from io import BytesIO
from typing import Any

from advertisex.codecs.avro_compression import UNREADABLE, AvroDamage
from advertisex.codecs.avro_cost import decoded_bytes, smallest
from advertisex.codecs.avro_datum import datum_reader, datum_skipper
from advertisex.codecs.avro_schema import without_logical_types
from advertisex.codecs.json_encode import json_value
from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.ingestion.records import KEPT_BYTES, MESSAGE_BYTES, Record, too_long

#: What reading a datum raises if the bytes do not match the schema.
_DAMAGE = (*UNREADABLE, IndexError, KeyError, TypeError, ArithmeticError, MemoryError)
_MISMATCH = "its data does not match the schema"


class DatumCodec:
    """Reads the data of a schema.

    Args:
        schema: the schema, which is valid.
        memory: maximum memory of a datum, and of data that are decoded together.

    Attributes:
        window: maximum size of a datum in bytes: a larger one could need more memory.
        most: number of data of any size that fit in memory.
    """

    def __init__(self, schema: Any, memory: int) -> None:
        self.window = max(1, memory // decoded_bytes(schema))
        self.most = max(1, memory // smallest(schema).memory)
        self.read = datum_reader(schema)
        self.read_plain = datum_reader(without_logical_types(schema))
        self.skip = datum_skipper(schema)


class Datums:
    """The data of a block. A datum is read from a window, so that one that is too large is not decoded.

    Args:
        data: the decompressed block.
        codec: codec of its schema.

    Attributes:
        position: bytes before the next datum.
    """

    def __init__(self, data: bytes, codec: DatumCodec) -> None:
        self._data, self._codec = data, codec
        self._whole = BytesIO(data)  # no copy
        self._move_to(0)

    @property
    def position(self) -> int:
        """Bytes before the next datum."""
        return self._start + self._stream.tell()

    def next(self) -> Record:
        """Return the next datum; the beginning of one that is too large, as unreadable.

        Raises:
            AvroDamage: it does not match the schema.
        """
        try:
            record = self._read()
            if record is None and self._stream.tell() and self._start + self._codec.window < len(self._data):
                self._move_to(self.position)
                record = self._read()
            return self._large() if record is None else record
        except RecursionError as error:
            raise AvroDamage("its data is nested too deeply") from error

    def _move_to(self, start: int) -> None:
        self._start = start
        self._stream = BytesIO(self._data[start : start + self._codec.window])

    def _read(self) -> Record | None:
        """Return the next datum; None if it is not in the window, or damaged.

        A time or decimal outside Python's range is not damage: it becomes the plain number.
        """
        start = self._stream.tell()
        for read in (self._codec.read, self._codec.read_plain):
            try:
                datum = read(self._stream)
            except _DAMAGE:
                self._stream.seek(start)
            else:
                return datum if isinstance(datum, dict) else json_value(datum)
        return None

    def _large(self) -> Record:
        start = self.position
        self._whole.seek(start)
        try:
            self._codec.skip(self._whole)
        except _DAMAGE as error:
            raise AvroDamage(_MISMATCH) from error
        size = self._whole.tell() - start
        if size <= self._codec.window:
            raise AvroDamage(_MISMATCH)
        self._move_to(start + size)
        beginning = self._data[start : start + min(size, KEPT_BYTES)]
        where = f"datum at byte {start} of its block"
        if size > MESSAGE_BYTES:
            return too_long(beginning, size, where)
        detail = f"{where}: its {size:,} bytes could be more values than fit in memory; hint: write smaller records"
        return wrap(Unreadable("too_many_values", detail, beginning))

"""Read one Avro datum, or skip it."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import fastavro

from advertisex.codecs.avro_numbers import with_exact_numbers
from advertisex.codecs.avro_schema import reading_module

_WHOLE = "advertisex_datum"


def datum_reader(schema: Any) -> Callable[[BytesIO], Any]:
    """Return a function that reads a datum of a valid schema."""
    parsed = fastavro.parse_schema(with_exact_numbers(schema))
    read = reading_module(schema).schemaless_reader
    return lambda stream: read(stream, parsed, None)


def datum_skipper(schema: Any) -> Callable[[BytesIO], Any]:
    """Return a function that moves behind a datum of a valid schema without decoding it."""
    record: dict[str, Any] = {"type": "record", "name": _WHOLE}
    written = fastavro.parse_schema(record | {"fields": [{"name": "datum", "type": schema}]})
    nothing = fastavro.parse_schema(record | {"fields": []})
    read = reading_module(schema).schemaless_reader
    return lambda stream: read(stream, written, nothing)

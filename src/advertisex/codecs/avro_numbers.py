"""Reads the numbers of Avro data exactly as their writer gave them.

fastavro rounds a decimal to the precision of its schema even if the data has more digits, and widens a `float`: 0.1
becomes 0.10000000149011612. `with_exact_numbers` gives these types a logical type of ours instead, read here.
"""

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

import fastavro
import numpy as np

from advertisex.limits import Limit

_DECIMAL, _FLOAT = "advertisex-decimal", "advertisex-float"
_exact = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)
_DECIMAL_BYTES = Limit(256, "bytes", of="a decimal in Avro", beyond="its record becomes plain bytes")


def with_exact_numbers(schema: Any) -> Any:
    """Return a schema for reading: decimals with all their digits, floats as the double with the same shortest text."""
    if isinstance(schema, list):
        return [with_exact_numbers(item) for item in schema]
    match schema:
        case "float":
            changes: dict[str, Any] = {"type": "float", "logicalType": _FLOAT}
        case {"type": "bytes" | "fixed", "logicalType": "decimal"}:
            changes = {"logicalType": _DECIMAL}
        case {"type": "record" | "error", "fields": list(fields)}:
            changes = {"fields": [field | {"type": with_exact_numbers(field["type"])} for field in fields]}
        case {"type": "array" | "map"}:
            inner = "items" if schema["type"] == "array" else "values"
            changes = {inner: with_exact_numbers(schema[inner])}
        case {"type": "float"}:
            changes = {"logicalType": schema.get("logicalType", _FLOAT)}
        case {"type": dict() | list() as inner_type}:
            changes = {"type": with_exact_numbers(inner_type)}
        case _:
            return schema
    return (schema if isinstance(schema, dict) else {}) | changes


def _read_decimal(data: bytes, schema: Any, *_: Any) -> Decimal:
    if len(data) > _DECIMAL_BYTES:
        raise ValueError(f"a decimal has {len(data)} bytes, more than {_DECIMAL_BYTES}")
    return Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-schema.get("scale", 0), _exact)


def _read_float(value: float, *_: Any) -> float:
    return float(str(np.float32(value)))


fastavro.read.LOGICAL_READERS |= {
    f"bytes-{_DECIMAL}": _read_decimal,
    f"fixed-{_DECIMAL}": _read_decimal,
    f"float-{_FLOAT}": _read_float,
}

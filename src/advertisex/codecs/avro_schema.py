"""Safety checks on a writer schema, run before any data is read with it.

Avro data is untrusted input, and fastavro's fast reader does not limit it: deeply nested data of a recursive schema
overflows the stack, and an array of zero-width items can declare 2^40 of them.
"""

from collections.abc import Iterator
from typing import Any

import fastavro
from fastavro import _read_py as fastavro_in_python
from fastavro.schema import SchemaParseException, UnknownType

from advertisex.limits import Limit

_DEPTH = Limit(100, "levels", of="the nesting of an Avro schema", beyond="an error of the file")
_MAX_ZERO_WIDTH = Limit(
    10_000, "values", of="what an Avro schema can decode from no bytes", beyond="an error of the file"
)
_RECORDS = ("record", "error")
_COMPLEX = {"record", "error", "array", "map", "enum", "fixed"}
#: What fastavro raises for an invalid schema; not all of these are its own exceptions.
_INVALID = (SchemaParseException, ValueError, TypeError, KeyError, AttributeError, RecursionError)


def unusable(schema: Any) -> str:
    """Return why a schema cannot be used, or "" if it is valid and safe."""
    if too_deep(schema):
        return "it is nested too deeply"
    try:
        fastavro.parse_schema(schema, _force=True)
        if not all(isinstance(name, str) for part in parts(schema) for name in field_names(part) or ()):
            return "it is invalid: the name of a field is not text"
        return "a few bytes could decode to unbounded data" if is_unbounded(schema) else ""
    except UnknownType as error:
        unknown = error.name.get("type") if isinstance(error.name, dict) else error.name
        return f"it is invalid: unknown type {unknown!r}" if isinstance(unknown, str) else "it is invalid"
    except _INVALID:
        return "it is invalid"


def field_names(schema: Any) -> list[str] | None:
    """Return the names of the fields of a valid schema; None if it is not one of records."""
    if isinstance(schema, dict) and schema.get("type") in _RECORDS:
        return [field["name"] for field in schema.get("fields", ())]
    return None


def children(schema: Any) -> Iterator[Any]:
    """Yield the direct child schemas of a schema, which may be invalid."""
    if isinstance(schema, list):
        yield from schema
    elif isinstance(schema, dict):
        kind = schema.get("type")
        if kind in _RECORDS:
            fields = schema.get("fields")
            proper = fields if isinstance(fields, list) else ()
            yield from (field.get("type") for field in proper if isinstance(field, dict))
        elif kind == "array":
            yield schema.get("items")
        elif kind == "map":
            yield schema.get("values")
        elif isinstance(kind, (dict, list)) or (isinstance(kind, str) and kind not in _COMPLEX):
            yield kind


def too_deep(schema: Any) -> bool:
    """Whether the schema is nested deeply enough to overflow a parser's stack."""
    level = [schema]
    for _ in range(_DEPTH):
        level = [child for parent in level for child in children(parent)]
        if not level:
            return False
    return True


def is_recursive(schema: Any, enclosing: frozenset[str] = frozenset()) -> bool:
    """Whether a type refers to itself. Names are compared without their namespace, so it errs towards True."""
    if isinstance(schema, str):
        return short_name(schema) in enclosing
    if isinstance(schema, dict) and isinstance(schema.get("name"), str):
        enclosing |= {short_name(schema["name"])}
    return any(is_recursive(child, enclosing) for child in children(schema))


def reading_module(schema: Any) -> Any:
    """Return the module whose readers are safe for a schema, both with the functions of `fastavro`.

    Recursive schemas allow data of any depth: the Python readers raise where the compiled ones would crash.
    """
    return fastavro_in_python if is_recursive(schema) else fastavro


def is_unbounded(schema: Any) -> bool:
    """Whether a few bytes can decode to an unbounded number of values.

    This happens if the items of an array have zero width, or if nested zero-width records multiply.
    """
    named = dict(named_types(schema))
    known: dict[str, int | None] = {}
    for part in parts(schema):
        if isinstance(part, dict) and part.get("type") == "array":
            if _zero_width_values(part.get("items"), named, known) is not None:
                return True
        elif (_zero_width_values(part, named, known) or 0) > _MAX_ZERO_WIDTH:
            return True
    return False


def is_zero_width(schema: Any) -> bool:
    """Whether a datum of the schema is encoded in zero bytes."""
    return _zero_width_values(schema, dict(named_types(schema)), {}) is not None


def _zero_width_values(schema: Any, named: dict[str, Any], known: dict[str, int | None]) -> int | None:
    """Return the number of values in a zero-width datum, or None if the datum is not zero-width."""
    if isinstance(schema, str):
        name = short_name(schema)
        if name not in known:
            known[name] = 1 if schema == "null" else None  # also stops the recursion for a type that contains itself
            if name in named:
                known[name] = _zero_width_values(named[name], named, known)
        return known[name]
    if not isinstance(schema, dict) or schema.get("type") in ("array", "map", "enum"):
        return None
    if schema.get("type") == "fixed":
        return 1 if schema.get("size") == 0 else None
    values = 1
    for child in children(schema):
        inner = _zero_width_values(child, named, known)
        if inner is None:
            return None
        values += inner
    return values


def without_logical_types(schema: Any) -> Any:
    """Return the schema with plain numbers and bytes instead of times, decimals and UUIDs."""
    if isinstance(schema, list):
        return [without_logical_types(item) for item in schema]
    if isinstance(schema, dict):
        return {key: without_logical_types(item) for key, item in schema.items() if key != "logicalType"}
    return schema


def parts(schema: Any) -> Iterator[Any]:
    """Yield a schema and all that it contains."""
    yield schema
    for child in children(schema):
        yield from parts(child)


def named_types(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield the named types of a schema, by name without namespace."""
    for part in parts(schema):
        if isinstance(part, dict) and isinstance(part.get("name"), str):
            yield short_name(part["name"]), part


def short_name(name: str) -> str:
    """Return a name without its namespace."""
    return name.rpartition(".")[2]

"""What a writer's schema tells before any datum is read: whether it is safe to read with it, and how.

A datum comes from outside, and fastavro's fast reader believes it: data nested as deep as a recursive schema
allows overflow its stack, and an array of items that take no bytes may claim 2^40 of them.
"""

from collections.abc import Iterator
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException

_DEPTH = 100
_STEPS = 10_000
_COMPLEX = {"record", "error", "array", "map", "enum", "fixed"}
#: What fastavro raises for a schema that is none; not all of it is its own.
_INVALID = (SchemaParseException, ValueError, TypeError, KeyError, AttributeError, RecursionError)


def unusable(schema: Any) -> str:
    """Why nothing may be read with a schema, or "" for one that is valid and safe."""
    if too_deep(schema):
        return "it is nested too deep"
    try:
        fastavro.parse_schema(schema, _force=True)
        return "a few bytes of it could claim data without end" if is_endless(schema) else ""
    except _INVALID as error:
        return f"it is not valid: {error or type(error).__name__}"


def children(schema: Any) -> Iterator[Any]:
    """The schemas that a schema is made of."""
    if isinstance(schema, list):
        yield from schema
    elif isinstance(schema, dict):
        kind = schema.get("type")
        if kind in ("record", "error"):
            yield from (field.get("type") for field in schema.get("fields", ()))
        elif kind == "array":
            yield schema.get("items")
        elif kind == "map":
            yield schema.get("values")
        elif isinstance(kind, (dict, list)) or (isinstance(kind, str) and kind not in _COMPLEX):
            yield kind


def too_deep(schema: Any) -> bool:
    """Whether the schema is nested deeper than any sane one, and deep enough to overflow a parser's stack."""
    level = [schema]
    for _ in range(_DEPTH):
        level = [child for parent in level for child in children(parent)]
        if not level:
            return False
    return True


def is_recursive(schema: Any, around: frozenset[str] = frozenset()) -> bool:
    """Whether a type is named within itself. Names are compared without their namespace, to be on the safe side."""
    if isinstance(schema, str):
        return _short(schema) in around
    if isinstance(schema, dict) and isinstance(schema.get("name"), str):
        around |= {_short(schema["name"])}
    return any(is_recursive(child, around) for child in children(schema))


def is_endless(schema: Any) -> bool:
    """Whether a few bytes of the schema can claim work without end.

    Either an array's items take no bytes, or records that take none hold each other until they are very many.
    """
    named = dict(_named(schema))
    known: dict[str, int | None] = {}
    for part in _parts(schema):
        if isinstance(part, dict) and part.get("type") == "array":
            if _weightless_steps(part.get("items"), named, known) is not None:
                return True
        elif (_weightless_steps(part, named, known) or 0) > _STEPS:
            return True
    return False


def weightless(schema: Any) -> bool:
    """Whether a datum of the schema takes no bytes."""
    return _weightless_steps(schema, dict(_named(schema)), {}) is not None


def _weightless_steps(schema: Any, named: dict[str, Any], known: dict[str, int | None]) -> int | None:
    """How many values a datum that takes no bytes consists of; None for one that takes some."""
    if isinstance(schema, str):
        name = _short(schema)
        if name not in known:
            known[name] = 1 if schema == "null" else None  # also the answer while the type is within itself
            if name in named:
                known[name] = _weightless_steps(named[name], named, known)
        return known[name]
    if not isinstance(schema, dict) or schema.get("type") in ("array", "map", "enum"):
        return None
    if schema.get("type") == "fixed":
        return 1 if schema.get("size") == 0 else None
    steps = 1
    for child in children(schema):
        more = _weightless_steps(child, named, known)
        if more is None:
            return None
        steps += more
    return steps


def without_logical_types(schema: Any) -> Any:
    """The schema with plain numbers and bytes where it has times, decimals and UUIDs."""
    if isinstance(schema, list):
        return [without_logical_types(item) for item in schema]
    if isinstance(schema, dict):
        return {key: without_logical_types(item) for key, item in schema.items() if key != "logicalType"}
    return schema


def _parts(schema: Any) -> Iterator[Any]:
    yield schema
    for child in children(schema):
        yield from _parts(child)


def _named(schema: Any) -> Iterator[tuple[str, Any]]:
    for part in _parts(schema):
        if isinstance(part, dict) and isinstance(part.get("name"), str):
            yield _short(part["name"]), part


def _short(name: str) -> str:
    return name.rpartition(".")[2]

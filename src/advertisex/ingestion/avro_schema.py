"""What a writer's schema tells before any datum is read: whether it is safe to read with it, and how.

A container comes from outside, and fastavro's fast reader believes it: data nested as deep as a recursive schema
allows overflow its stack, and an array of items that take no bytes may claim 2^40 of them.
"""

from collections.abc import Iterator
from typing import Any

_DEPTH = 100
_COMPLEX = {"record", "error", "array", "map", "enum", "fixed"}


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


def has_weightless_items(schema: Any) -> bool:
    """Whether some array in the schema has items that take no bytes."""
    named = dict(_named(schema))
    return any(
        isinstance(part, dict) and part.get("type") == "array" and weightless(part.get("items"), named)
        for part in _parts(schema)
    )


def weightless(schema: Any, named: dict[str, Any] | None = None) -> bool:
    """Whether a datum of the schema takes no bytes."""
    named = dict(_named(schema)) if named is None else named
    if isinstance(schema, str):
        if schema == "null":
            return True
        definition = named.get(_short(schema))
        # without the name itself: a type within itself would be asked for ever
        rest = {name: other for name, other in named.items() if name != _short(schema)}
        return definition is not None and weightless(definition, rest)
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "fixed":
        return schema.get("size") == 0
    if schema.get("type") in ("array", "map", "enum"):
        return False
    return all(weightless(child, named) for child in children(schema))


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

"""How much memory decoded Avro data can take.

A byte of Avro can become a record with many fields, so that a limit on bytes does not bound memory. `decoded_bytes` is
the factor between the two, from the schema alone: the worst one of any part of it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from advertisex.codecs.avro_schema import children, named_types, parts, short_name
from advertisex.limits import Limit

DECODED_BYTES = Limit(
    192 * 2**20,
    "bytes",
    of="one Avro datum when it is decoded, at the most that its schema allows for its size",
    beyond="rejected by itself as `too_many_values`: its beginning is kept, and the next one is read",
)

#: Bytes of Python objects, roughly, each with its place in a container.
_SLOT, _VALUE, _LOGICAL, _LIST, _DICT, _MEMBER = 8, 40, 120, 72, 128, 64


class Cost(NamedTuple):
    """What the smallest datum of a schema costs.

    Attributes:
        memory: bytes of Python objects, without what is optional: items, entries, and branches of unions.
        encoded: bytes of Avro.
    """

    memory: int
    encoded: int


#: What is inside is not counted here.
_OPTIONAL = {"union": Cost(_SLOT, 1), "array": Cost(_LIST, 1), "map": Cost(_DICT, 1), "enum": Cost(_SLOT, 1)}
#: Texts and whole numbers of one byte are shared. A boolean, like an enum, costs its place only.
_PRIMITIVES = {
    **dict.fromkeys(("string", "bytes", "int", "long"), Cost(_VALUE // 2, 1)),
    "null": Cost(_SLOT, 0),
    "float": Cost(_VALUE, 4),
    "double": Cost(_VALUE, 8),
}


def decoded_bytes(schema: Any) -> int:
    """Return how many bytes of memory one byte of a schema's data can become, at most. The schema is valid."""
    named = dict(named_types(schema))
    known: dict[str, Cost] = {}
    costs = [_cost(schema, named, known), *(cost for part in parts(schema) for cost in _optional(part, named, known))]
    return max(-(-cost.memory // max(1, cost.encoded)) for cost in costs)


def smallest(schema: Any) -> Cost:
    """Return what the smallest datum of a valid schema costs."""
    return _cost(schema, dict(named_types(schema)), {})


def _optional(part: Any, named: dict[str, Any], known: dict[str, Cost]) -> Iterator[Cost]:
    """Yield the cost of each thing that a part may contain any number of, or one of."""
    for child in children(part):
        memory, encoded = _cost(child, named, known)
        if isinstance(part, list):  # with the index of the branch
            yield Cost(memory, encoded + 1)
        elif isinstance(part, dict) and part.get("type") == "map":  # distinct keys have a byte each, beside their size
            yield Cost(memory + _VALUE + 2 * _MEMBER, encoded + 2)
        elif isinstance(part, dict) and part.get("type") == "array":
            yield Cost(memory + _SLOT, encoded)


def _cost(schema: Any, named: dict[str, Any], known: dict[str, Cost]) -> Cost:
    match schema:
        case str():
            return _named(schema, named, known)
        case {"logicalType": str(), **physical}:
            return Cost(_LOGICAL, max(1, _cost(physical, named, known).encoded))
        case {"type": "fixed", "size": int(size)}:
            return Cost(_VALUE, size)
        case {"type": "record" | "error", "fields": list(fields)}:
            inner = [_cost(field["type"], named, known) for field in fields]
            memory = _DICT + sum(_MEMBER + cost.memory for cost in inner)
            return Cost(memory, sum(cost.encoded for cost in inner))
        case list() | {"type": "array" | "map" | "enum"}:
            return _OPTIONAL["union" if isinstance(schema, list) else schema["type"]]
        case _:
            return _cost(schema["type"], named, known)


def _named(name: str, named: dict[str, Any], known: dict[str, Cost]) -> Cost:
    short = short_name(name)
    if short not in named:
        return _PRIMITIVES.get(name, Cost(_SLOT, 1))
    if short not in known:
        known[short] = Cost(_SLOT, 1)  # for a type that contains itself
        known[short] = _cost(named[short], named, known)
    return known[short]

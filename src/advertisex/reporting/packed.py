"""How an answer or a reading travels to the command line of another machine, which prints it like one of its own.

It is MessagePack. What MessagePack does not have is an extension: its plain form, packed again. An object is its class
and its fields; a receiver makes objects only of the classes that the expected type names. A checksum comes first. Both
sides must have the same version, which is a parameter of the media type.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from io import BytesIO
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
import polars as pl
from msgspec import msgpack
from xxhash import xxh3_128_digest

T = TypeVar("T")

#: Its media type, and the same with the version.
MEDIA_TYPE = "application/vnd.advertisex.packed"
PACKED = f"{MEDIA_TYPE}; version={version('advertisex')}"

#: The integers of MessagePack.
_INTEGERS = range(-(2**63), 2**64)
#: The extension of objects with fields, and the size of the checksum.
_OBJECT, _SUM_SIZE = 0, 16


class Unreadable(Exception):
    """Bytes are not a value of the expected type that this version has packed, or they were changed or cut off."""


def _arrow(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


#: The extensions by code: a class, its plain form, and the way back. The first class that fits is taken.
_EXTENSIONS: dict[int, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    1: (int, str, int),
    2: (Decimal, str, Decimal),
    3: (datetime, datetime.isoformat, datetime.fromisoformat),
    4: (date, date.isoformat, date.fromisoformat),
    5: (timedelta, lambda time: [time.days, time.seconds, time.microseconds], lambda parts: timedelta(*parts)),
    6: (pl.DataFrame, _arrow, lambda content: pl.read_ipc_stream(BytesIO(content))),
    7: (tuple, list, tuple),
    8: (frozenset, list, frozenset),
    9: (Counter, lambda counts: list(counts.items()), lambda pairs: Counter(dict(pairs))),
    10: (Mapping, lambda pairs: list(pairs.items()), dict),
}


def pack(value: Any) -> bytes:
    """Encode a value: of plain types, or of dataclasses, structs and tuples that consist of them."""
    content = msgpack.encode(_plain(value))
    return xxh3_128_digest(content) + content


def unpack(content: bytes, kind: type[T]) -> T:
    """Decode a value.

    Args:
        content: what `pack` returned.
        kind: the type of the value; its annotations name the classes of the parts.

    Raises:
        Unreadable: it is not such a value.
    """
    checksum, packed = content[:_SUM_SIZE], content[_SUM_SIZE:]
    if checksum != xxh3_128_digest(packed):
        raise Unreadable
    classes: Mapping[str, type] = _classes_of(kind)  # type: ignore[arg-type] # types are hashable

    def made(code: int, data: memoryview) -> Any:
        plain = msgpack.decode(data, ext_hook=made)
        return classes[plain[0]](**plain[1]) if code == _OBJECT else _EXTENSIONS[code][2](plain)

    try:
        found: T = msgpack.decode(packed, ext_hook=made)
    except (Exception, pl.exceptions.PanicException) as error:  # whatever the parts of damaged bytes raise
        raise Unreadable from error
    if not isinstance(found, getattr(kind, "__origin__", kind)):
        raise Unreadable
    return found


def _plain(value: Any) -> Any:
    """A value as msgspec encodes it."""
    match value:
        case None | bool() | float() | str() | bytes():
            return value
        case int() if value in _INTEGERS:
            return value
        case list():
            return [_plain(inner) for inner in value]
        case dict() if not isinstance(value, Counter) and all(isinstance(key, str) for key in value):
            return {key: _plain(inner) for key, inner in value.items()}
    if _has_fields(type(value)):
        fields = {name: _plain(getattr(value, name)) for name in _fields_of(type(value))}
        return msgpack.Ext(_OBJECT, msgpack.encode([_name_of(type(value)), fields]))
    for code, (kind, plain_form, _) in _EXTENSIONS.items():
        if isinstance(value, kind):
            return msgpack.Ext(code, msgpack.encode(_plain(plain_form(value))))
    raise TypeError(f"{type(value).__name__} cannot be packed")


@cache
def _classes_of(kind: Any) -> Mapping[str, type]:
    """The classes with fields that a type consists of, by name."""
    found: dict[str, type] = {}
    waiting = [kind]
    while waiting:
        one = waiting.pop()
        waiting += get_args(one)
        if isinstance(one, type) and _has_fields(one) and _name_of(one) not in found:
            found[_name_of(one)] = one
            waiting += get_type_hints(one).values()
    return found


def _has_fields(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct) or hasattr(kind, "_fields")


def _fields_of(kind: Any) -> list[str]:
    """The names of the fields of a class."""
    if dataclasses.is_dataclass(kind):
        return [one.name for one in dataclasses.fields(kind)]
    return list(kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else kind._fields)


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"

"""How a call of a method of `EventStore` and its result travel between two processes: those of `READS` and `WRITES`.

A call is its arguments as a JSON object. A result is a sequence of parts: a letter, the length of the rest as eight
bytes, and the rest. A part holds a frame in the Arrow stream format (F), a value as JSON (V), or an error (E); the
last one is empty (Z), so that a result that was cut is noticed.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from inspect import signature
from io import BytesIO
from struct import Struct
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import polars as pl

from advertisex.errors import AdvertiseXError, StoreError, error_named
from advertisex.limits import Limit
from advertisex.model import Partition, Position
from advertisex.stores.contract import EventStore
from advertisex.stores.removal import Removal

#: The methods of `EventStore` that only read. Methods of `FRAMES` yield frames, those of `FRAME` return one.
FRAMES = frozenset({"scan", "scan_rejects"})
FRAME = frozenset({"rejects", "reject_counts", "commits", "count", "catalogue", "campaigns", "user_totals"})
VALUE = frozenset(
    {
        "rebuilt_at", "kept_since", "ledger", "settled", "extent", "last_time", "catalogue_imports", "notes", "inspect",
        "period_start",
    }
)  # fmt: skip
#: It returns dtypes, which travel as those of a frame without rows.
SCHEMA = frozenset({"columns"})
READS = FRAMES | FRAME | VALUE | SCHEMA
#: The methods that write beside commits: marks of rejects, erasures, and the catalogue.
WRITES = frozenset({"mark_replayed", "mark_resolved", "take_note", "suppress", "remove", "import_catalogue"})
#: Those that return a frame, too; and those that return a number for each partition.
_FRAMED, _BY_PARTITION = FRAME | {"remove"}, frozenset({"suppress"})

LONGEST_CALL = Limit(256_000_000, "bytes", of="a question to the process that has the store open", beyond="an error")

_HEADER = Struct(">cQ")


class _Failure(msgspec.Struct):
    """An error of ours."""

    kind: str
    what: str
    where: str
    hint: str


#: Numbers by partition, as rows: JSON has no such keys.
_Rows = list[tuple[str, int, int]]


class _Removal(msgspec.Struct):
    """A `Removal`."""

    erasure: str
    users: list[str]
    rejects: pl.DataFrame
    bounds: _Rows


def encode_call(arguments: Mapping[str, Any]) -> bytes:
    """Encode the arguments of a call."""
    return msgspec.json.encode({name: _encodable(value) for name, value in arguments.items()}, enc_hook=_plain)


def decode_call(method: str, document: bytes) -> dict[str, Any]:
    """Decode the arguments of a call of one of `READS` or `WRITES`.

    Raises:
        StoreError: they are not those of the method.
    """
    hints = _hints(method)
    try:
        given = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
        arguments = {name: _decoded(raw, hints[name]) for name, raw in given.items()}
        signature(getattr(EventStore, method)).bind(None, **arguments)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{method}: the arguments are not valid") from error
    return arguments


def _encodable(value: Any) -> Any:
    """A mapping of positions with their texts, and one of partitions as rows, since JSON has no such keys."""
    if isinstance(value, Removal):
        return _Removal(value.erasure, list(value.users), value.rejects, _rows(value.bounds))
    if not isinstance(value, Mapping):
        return value
    return {str(key): str(inner) if isinstance(inner, Position) else inner for key, inner in value.items()}


def _rows(numbers: Mapping[Partition, int]) -> _Rows:
    return [(*of, number) for of, number in numbers.items()]


def _by_partition(rows: _Rows) -> dict[Partition, int]:
    return {Partition(topic, partition): number for topic, partition, number in rows}


def _decoded(raw: msgspec.Raw, hint: Any) -> Any:
    if hint is Removal:
        one = msgspec.json.decode(raw, type=_Removal, dec_hook=_special)
        return Removal(one.erasure, one.users, one.rejects, _by_partition(one.bounds))
    of_key, *of_value = get_args(hint) if get_origin(hint) is Mapping else (None,)
    if of_key is not Position:
        return msgspec.json.decode(raw, type=hint, dec_hook=_special)
    found = msgspec.json.decode(raw, type=dict[str, str | None])
    read = Position.read if of_value == [Position] else str
    return {Position.read(key): None if text is None else read(text) for key, text in found.items()}


def encode_result(method: str, call: Callable[[], Any]) -> Iterator[bytes]:
    """Call a method, and encode its result, part by part."""
    try:
        if method in FRAMES:
            for frame in call():
                yield _part(b"F", _arrow(frame))
        else:
            yield _of_one(method, call())
    except AdvertiseXError as error:
        failure = _Failure(type(error).__name__, error.what, error.where, error.hint)
        yield _part(b"E", msgspec.json.encode(failure))
    yield _part(b"Z", b"")


def decode_result(method: str, chunks: Iterable[bytes]) -> Iterator[Any]:
    """Decode a result as its parts arrive: frames, or a single value.

    Raises:
        AdvertiseXError: the one that the method raised; or a StoreError, if the result was cut.
    """
    for kind, content in _parts(chunks):
        match kind:
            case b"F" if method in SCHEMA:
                yield dict(pl.read_ipc_stream(BytesIO(content)).schema)
            case b"F":
                yield pl.read_ipc_stream(BytesIO(content))
            case b"V" if method in _BY_PARTITION:
                yield _by_partition(msgspec.json.decode(content, type=_Rows))
            case b"V":
                yield msgspec.json.decode(content, type=_hints(method)["return"])
            case b"E":
                raise _error(msgspec.json.decode(content, type=_Failure))
            case _:
                return
    raise StoreError("the process that has the store open ended while it was read", hint="run the command again")


def _of_one(method: str, result: Any) -> bytes:
    if method in SCHEMA:
        return _part(b"F", _arrow(pl.DataFrame(schema=result)))
    if method in _FRAMED:
        return _part(b"F", _arrow(result))
    if method in _BY_PARTITION:
        return _part(b"V", msgspec.json.encode(_rows(result)))
    return _part(b"V", msgspec.json.encode(result))


def _part(kind: bytes, content: bytes) -> bytes:
    return _HEADER.pack(kind, len(content)) + content


def _parts(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a result; what is incomplete at its end is left out."""
    buffer, needed = bytearray(), _HEADER.size
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= needed:
            kind, length = _HEADER.unpack_from(buffer)
            needed = _HEADER.size + length
            if len(buffer) < needed:
                break
            yield kind, bytes(buffer[_HEADER.size : needed])
            del buffer[:needed]
            needed = _HEADER.size


def _arrow(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


def _error(failure: _Failure) -> AdvertiseXError:
    what, where, hint = failure.what, failure.where, failure.hint
    return error_named(failure.kind, what, where=where, hint=hint) or StoreError(what, where=where, hint=hint)


@cache
def _hints(method: str) -> dict[str, Any]:
    return get_type_hints(getattr(EventStore, method))


def _plain(value: Any) -> Any:
    """What msgspec does not know, as something that it knows."""
    if isinstance(value, range):
        return [value.start, value.stop]
    if isinstance(value, pl.Series):
        return {"name": value.name, "values": value.to_list()}
    if isinstance(value, pl.DataFrame):
        return _arrow(value)
    raise NotImplementedError


def _special(kind: type, value: Any) -> Any:
    """The reverse of `_plain`."""
    if kind is range:
        return range(*value)
    if kind is pl.Series:
        return pl.Series(value["name"], value["values"], dtype=pl.String)
    if kind is pl.DataFrame:
        return pl.read_ipc_stream(BytesIO(b64decode(value, validate=True)))
    raise NotImplementedError

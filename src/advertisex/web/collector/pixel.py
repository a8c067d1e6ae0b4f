"""Reads an event from the query string of a pixel or of a billing notice."""

import re
from urllib.parse import unquote_to_bytes

from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.ingestion.records import Record

#: A transparent GIF of one pixel.
GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b")

_NAME = rb"\s*[A-Za-z_][\w.:-]*\s*"
#: A macro that nobody has replaced: ${NAME}, {{NAME}}, %%NAME%%, [NAME].
_MACRO = re.compile(rb"\$\{" + _NAME + rb"\}|\{\{" + _NAME + rb"\}\}|%%" + _NAME + rb"%%|\[" + _NAME + rb"\]")

#: Keeps the macros that were not replaced; no field can have this name.
UNRESOLVED = "_unresolved"


def record_of(query: bytes) -> Record:
    """Return the event of a query string: its parameters as text.

    A parameter whose whole value is a macro has no value: its name and the macro are kept under `UNRESOLVED`. A query
    string that can be read in two ways, or is not UTF-8, becomes a message that processing rejects.
    """
    record: dict[str, str] = {}
    unresolved: dict[str, str] = {}
    try:
        for pair in filter(None, query.split(b"&")):
            raw_name, _, raw_value = pair.partition(b"=")
            name, value = _text(raw_name), _value(raw_value)
            if name in record or name in unresolved:
                return _unreadable("not_a_record", f"the query string has {name[:100]!r} twice: send it once", query)
            if _MACRO.fullmatch(value):
                unresolved[name] = value.decode()
            else:
                record[name] = value.decode()
    except UnicodeDecodeError:
        return _unreadable("wrong_encoding", "the query string is not UTF-8: encode it as UTF-8", query)
    return {**record, UNRESOLVED: unresolved} if unresolved else dict(record)


def _value(raw: bytes) -> bytes:
    # %%CACHEBUSTER%% contains %CA, which is not an escape there
    return raw if _MACRO.fullmatch(raw) else _unquoted(raw)


def _text(raw: bytes) -> str:
    return _unquoted(raw).decode()


def _unquoted(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" "))


def _unreadable(reason: str, detail: str, query: bytes) -> bytes:
    return wrap(Unreadable(reason, detail, query))

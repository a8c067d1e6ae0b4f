"""Read the fields around the records of a body, without decoding the records."""

import codecs
import re
from io import BytesIO
from typing import Any

import msgspec
from xxhash import xxh3_128_hexdigest

from advertisex.codecs.json_text import NOT_JSON, json_object, repeated_names
from advertisex.errors import SourceError
from advertisex.ingestion.api.request import Response
from advertisex.ingestion.encodings import shown_encoding
from advertisex.ingestion.json.envelope import NAMES
from advertisex.ingestion.stream import Stream, decompressed

#: An object: dicts for the objects in it, `REPEATED` for what occurs twice, and the raw text of all other values.
Fields = dict[str, Any]

#: In place of a value whose name occurs twice.
REPEATED = object()
#: The start of a list of records, or of an empty list.
RECORDS = re.compile(rb"\[\s*+[{\[\]]")
#: Objects inside each other that may be around the records.
_LEVELS = 4
#: An object with more members has a record in each of them.
_MOST_MEMBERS = 200
#: More than that, decompressed, is not read for its paging.
_LARGEST_TEXT = 2**28
_OBJECT = re.compile(rb"\s*+\{")
_LIST_OF_OBJECTS = re.compile(rb"\s*+\[\s*+\{")
_only = msgspec.json.Decoder(tuple[msgspec.Raw]).decode
#: Up to the next bracket outside of strings.
_NEXT_BRACKET = re.compile(rb'(?:[^"\[\]]++|"(?:[^"\\]++|\\.)*+")*+([\[\]])', re.DOTALL)


def fields_of(response: Response) -> Fields | None:
    """Return the fields of a body; None if it is not a JSON object, alone or alone in a list.

    If a record is damaged, each list has a short object in place of its records.
    """
    body = _only_item(_text(response))
    if not _OBJECT.match(body):
        return None
    try:
        return _opened(body, _LEVELS)
    except NOT_JSON:
        pass
    try:
        return _opened(_without_lists(body), _LEVELS)
    except NOT_JSON:
        return None


def _only_item(body: bytes) -> bytes:
    """Return the envelope that is alone in a list; any other body as it is."""
    if not _LIST_OF_OBJECTS.match(body):
        return body
    try:
        (item,) = _only(body)
        return (
            bytes(item) if any(RECORDS.match(memoryview(json_object(item).get(name, item))) for name in NAMES) else body
        )
    except NOT_JSON:  # several, or it is damaged
        return body


def _text(response: Response) -> bytes:
    """Return a body as the text of an envelope: decompressed, in UTF-8; empty if it is not text."""
    body = response.body
    stream = Stream(BytesIO(body), "")
    try:
        opened = decompressed(stream)
        body = body if opened is stream else opened.read(_LARGEST_TEXT)
    except SourceError:  # reported when the records are read
        return b""
    shown, mark = shown_encoding(body[:4])
    encoding = shown or response.charset or "utf-8"
    try:
        if codecs.lookup(encoding).name == "utf-8":
            return body[mark:] if mark else body
        is_json = body[mark : mark + 64].decode(encoding, "ignore").lstrip()[:1] in ("{", "[")
        return body[mark:].decode(encoding, "replace").encode() if is_json else b""
    except (LookupError, ValueError):
        return b""


def _opened(text: bytes | msgspec.Raw, levels: int) -> Fields:
    fields: Fields = dict(json_object(text))
    if len(fields) > _MOST_MEMBERS:
        return fields
    for name, raw in fields.items():
        if levels > 1 and bytes(memoryview(raw)[:1]) == b"{":
            fields[name] = _opened(raw, levels - 1)
    for name in repeated_names(text):
        fields[name] = REPEATED
    return fields


def _without_lists(body: bytes) -> bytes:
    """Return an object with one short object in each list of records; empty if a list does not end."""
    parts, begin, depth, at = [], 0, 0, 0
    while (found := _NEXT_BRACKET.match(body, at)) is not None:
        at = found.end()
        if found[1] == b"[":
            if depth == 0:
                parts.append(body[begin:at])
                begin = at
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                parts.append(_shortened(body, begin, at - 1))
                begin = at - 1
    return b"".join(parts) + body[begin:] if depth == 0 else b""


def _shortened(body: bytes, begin: int, end: int) -> bytes:
    """Return an object that is as different as what a list has in it; empty for a list of other values."""
    if not RECORDS.match(body, begin - 1):
        return b""
    return b'{"records":"%s"}' % xxh3_128_hexdigest(memoryview(body)[begin:end]).encode()

"""Split a JSON document into its records without parsing them.

A document is an array of records, one record, or an envelope: an object around an array of records. Envelopes are the
hard case, because an OpenRTB request is an object around arrays too. An object is treated as an envelope only if

1. exactly one of its keys holds an array of objects (empty arrays count only if all are empty), and
2. neither its own keys nor those of an object beside the array include a field name or alias of the feed, a column
   named by `--map`, or `id`.

So a record that contains a list stays whole. An envelope that is not recognised costs one reject, and `--records KEY`
fixes it; a record that is split by mistake is lost.
"""

from dataclasses import dataclass

import msgspec

from advertisex.errors import SourceError

_decode = msgspec.json.decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
json_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
#: What msgspec raises for invalid JSON: DecodeError and UnicodeDecodeError are ValueErrors.
NOT_JSON = (ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class Shape:
    """How to distinguish a record from an envelope.

    Attributes:
        own_names: keys that only occur in a record.
        records: dotted path of the key with the records, if the user gave one.
    """

    own_names: frozenset[str] = frozenset({"id"})
    records: str | None = None


def is_json(text: bytes) -> bool:
    """Whether the text is exactly one JSON value. Numbers may be of any size."""
    try:
        _decode(text, type=msgspec.Raw)
    except NOT_JSON:
        return False
    return True


def split_document(document: bytes, shape: Shape, where: str) -> list[bytes] | None:
    """Return the records of a document as slices of it, or None if it is not valid JSON.

    Raises:
        SourceError: the document has no records under the key that the user gave.
    """
    try:
        raw = _decode(document, type=msgspec.Raw)
        if document.lstrip()[:1] == b"[":
            return _slices(_array(raw))
        if document.lstrip()[:1] != b"{":
            return [bytes(raw)]
        fields = json_object(raw)
    except NOT_JSON:
        return None
    if shape.records is not None:
        return _slices(_named(fields, shape.records, where))
    enveloped = _enveloped(fields, shape.own_names)
    return [bytes(raw)] if enveloped is None else _slices(enveloped)


def _slices(items: list[msgspec.Raw]) -> list[bytes]:
    return [bytes(item) for item in items]


def _named(fields: dict[str, msgspec.Raw], path: str, where: str) -> list[msgspec.Raw]:
    """Return the array, or the one record, under a dotted path or a key that contains dots."""
    raw = fields.get(path)
    if raw is None:
        *steps, last = path.split(".")
        for step in steps:
            fields = _object_or_none(fields.get(step)) or {}
        raw = fields.get(last)
    start = b"" if raw is None else bytes(memoryview(raw)[:1])
    if raw is None or start not in (b"[", b"{"):
        keys = ", ".join(list(fields)[:10]) or "none"
        raise SourceError(
            f"no records under key {path!r}", where=where, hint=f"pass another key with --records; found: {keys}"
        )
    return _array(raw) if start == b"[" else [raw]


def _enveloped(fields: dict[str, msgspec.Raw], own_names: frozenset[str]) -> list[msgspec.Raw] | None:
    """Return the array inside an envelope, or None if the object is itself a record."""
    if not own_names.isdisjoint(fields):
        return None
    arrays = []
    for raw in fields.values():
        start = bytes(memoryview(raw)[:1])
        if start == b"[":
            items = _array(raw)
            if all(bytes(memoryview(item)[:1]) == b"{" for item in items):
                arrays.append(items)
        elif start == b"{" and not own_names.isdisjoint(json_object(raw)):
            return None
    candidates = [items for items in arrays if items] or arrays
    return candidates[0] if len(candidates) == 1 else None


def _object_or_none(raw: msgspec.Raw | None) -> dict[str, msgspec.Raw] | None:
    return json_object(raw) if raw is not None and bytes(memoryview(raw)[:1]) == b"{" else None

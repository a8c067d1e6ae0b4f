"""Where the records of a JSON document are: split without being parsed.

A document is an array of records, one record, or an object around an array of records. That last one is the hard
case, since an OpenRTB request is an object around arrays too. An object is taken for an envelope only when

1. exactly one of its keys holds an array of objects (when all such arrays but one are empty: that one), and
2. neither its own keys, nor those of an object beside the array, include a name of the feed's fields, an alias, a
   column that `--map` names, or `id`.

So a record that happens to hold a list stays whole: losing an envelope costs one reject and a `--records KEY`;
tearing a record apart would lose the record.
"""

from dataclasses import dataclass

import msgspec

from advertisex.errors import SourceError

_decode = msgspec.json.decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
json_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
#: What msgspec raises for something that is no JSON: DecodeError and UnicodeDecodeError are ValueErrors.
NOT_JSON = (ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class Shape:
    """How to tell a record from an envelope.

    Attributes:
        own_names: keys that only a record has.
        records: dotted path of the key that holds the records, when the user named it.
    """

    own_names: frozenset[str] = frozenset({"id"})
    records: str | None = None


def is_json(text: bytes) -> bool:
    """Whether this is one JSON value and nothing else."""
    try:
        _decode(text)
    except NOT_JSON:
        return False
    return True


def split_document(document: bytes, shape: Shape, where: str) -> list[bytes] | None:
    """The records of a document, each as its slice; None when it is no JSON.

    Raises:
        SourceError: the user named a key that is not there, or holds no record.
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
    """What is under a dotted path, an array or one record; a key that holds dots itself is found as well."""
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
            f"there are no records under {path!r}", where=where, hint=f"give --records another key; seen: {keys}"
        )
    return _array(raw) if start == b"[" else [raw]


def _enveloped(fields: dict[str, msgspec.Raw], own_names: frozenset[str]) -> list[msgspec.Raw] | None:
    """The array that the object is an envelope of, or None when it is a record itself."""
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

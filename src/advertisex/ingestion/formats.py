"""Which format an input has: by its first bytes, then by its name, unless the user said it."""

from pathlib import PurePath
from typing import Literal

from advertisex.errors import SourceError
from advertisex.ingestion.json_shape import is_json
from advertisex.ingestion.stream import BOM, Stream

Format = Literal["json", "ndjson", "csv", "avro"]
#: What an input holds; "datum" is one message in Avro's single-object encoding, passed on as it is.
Kind = Literal["json", "ndjson", "csv", "avro", "datum"]

EXTENSIONS: dict[str, Format] = {
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
    ".avro": "avro",
}
COMPRESSED = (".gz", ".zst")
_AVRO_MAGIC = b"Obj\x01"
_DATUM_MAGIC = b"\xc3\x01"
_HEAD_BYTES = 2**20


def extension(name: str) -> Format | None:
    """The format that a name promises, looking through .gz and .zst."""
    path = PurePath(name.lower())
    if path.suffix in COMPRESSED:
        path = path.with_suffix("")
    return EXTENSIONS.get(path.suffix)


def recognise(stream: Stream, given: str | None, *, otherwise: Format | None = None) -> Kind | None:
    """The kind of input that a stream holds, or None when it holds nothing.

    Args:
        stream: it is only peeked into.
        given: the format that the user named; it is believed.
        otherwise: what to take it for when neither content nor name tells.

    Raises:
        SourceError: neither content nor name tells.
    """
    head = stream.peek(4)
    if not head:
        return None
    if given is not None:
        return _KINDS[given]
    if head.startswith(_AVRO_MAGIC):
        return "avro"
    if head.startswith(_DATUM_MAGIC):
        return "datum"
    named = extension(stream.name)
    text = _text_so_far(stream, whole_line=False)
    if text[:1] in (b"{", b"["):
        # .ndjson promises that each line is a message, so it is more exact than what the first byte tells
        return "ndjson" if named == "ndjson" else "json"
    found: Kind | None = named or otherwise
    if found is None and is_json(_text_so_far(stream, whole_line=True).partition(b"\n")[0]):
        found = "ndjson"
    if found is None:
        raise SourceError(
            "cannot tell the format",
            where=stream.name,
            hint="name it with --format json, ndjson, csv or avro",
        )
    return found


def _text_so_far(stream: Stream, *, whole_line: bool) -> bytes:
    """The first text of a stream, as little as tells: a pipe may not give more for a long time."""
    seen = 0
    while True:
        head = stream.peek(seen + 1)
        text = head.removeprefix(BOM).lstrip(b" \t\r\n")
        enough = b"\n" in text if whole_line else text
        if enough or len(head) <= seen or len(head) > _HEAD_BYTES:
            return text
        seen = len(head)


_KINDS: dict[str, Kind] = {"json": "json", "ndjson": "ndjson", "csv": "csv", "avro": "avro"}

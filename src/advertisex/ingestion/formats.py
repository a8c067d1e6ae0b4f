"""Detect the format of an input from the user's choice, else its first bytes, else its name."""

from pathlib import PurePath
from typing import Literal

from advertisex.codecs.avro_framing import MARKER
from advertisex.codecs.json_split import is_json
from advertisex.errors import SourceError
from advertisex.ingestion.avro_blocks import MAGIC
from advertisex.ingestion.stream import BOM, Stream

Format = Literal["json", "ndjson", "csv", "avro"]
#: Kind of input; "datum" is one message in Avro's single-object encoding, passed on unchanged.
Kind = Literal["json", "ndjson", "csv", "avro", "datum"]

_KINDS: dict[str, Kind] = {"json": "json", "ndjson": "ndjson", "csv": "csv", "avro": "avro"}
EXTENSIONS: dict[str, Format] = {
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
    ".avro": "avro",
}
COMPRESSED = (".gz", ".zst")
_HEAD_BYTES = 2**20


def extension(name: str) -> Format | None:
    """Return the format of a file extension, ignoring .gz and .zst."""
    path = PurePath(name.lower())
    if path.suffix in COMPRESSED:
        path = path.with_suffix("")
    return EXTENSIONS.get(path.suffix)


def detect_format(stream: Stream, requested: str | None, *, fallback: Format | None = None) -> Kind | None:
    """Return the kind of input in a stream, or None if the stream is empty.

    Args:
        stream: the input; it is only peeked into.
        requested: format that the user chose; it wins.
        fallback: format to assume if neither content nor name shows one.

    Raises:
        SourceError: the format could not be detected.
    """
    head = stream.peek(4)
    if not head:
        return None
    if requested is not None:
        return _KINDS[requested]
    if head.startswith(MAGIC):
        return "avro"
    if head.startswith(MARKER):
        return "datum"
    by_name = extension(stream.name)
    text = _leading_text(stream, whole_line=False)
    if text[:1] in (b"{", b"["):
        # .ndjson means one message per line, which the first byte cannot show
        return "ndjson" if by_name == "ndjson" else "json"
    found: Kind | None = by_name or fallback
    if found is None and is_json(_leading_text(stream, whole_line=True).partition(b"\n")[0]):
        found = "ndjson"
    if found is None:
        raise SourceError(
            "could not detect the format",
            where=stream.name,
            hint="set it with --format json, ndjson, csv or avro",
        )
    return found


def _leading_text(stream: Stream, *, whole_line: bool) -> bytes:
    """Return the first text of a stream; reads as little as needed, because a pipe may block."""
    seen = 0
    while True:
        head = stream.peek(seen + 1)
        text = head.removeprefix(BOM).lstrip(b" \t\r\n")
        enough = b"\n" in text if whole_line else text
        if enough or len(head) <= seen or len(head) > _HEAD_BYTES:
            return text
        seen = len(head)

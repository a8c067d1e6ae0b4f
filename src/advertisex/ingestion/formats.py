"""Detect the format of an input from the user's choice, else its first bytes, else what its source says or its name."""

import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Literal, get_args

from advertisex.codecs.avro_framing import MARKER
from advertisex.codecs.json_text import is_json
from advertisex.errors import SourceError
from advertisex.ingestion.avro.blocks import MAGIC
from advertisex.ingestion.encodings import WIDE, shown_encoding
from advertisex.ingestion.stream import ZIP, Stream
from advertisex.limits import Limit

Format = Literal["json", "ndjson", "csv", "avro", "parquet", "xlsx"]
#: Kind of input; "datum" is one message in Avro's single-object encoding, passed on unchanged.
Kind = Literal["json", "ndjson", "csv", "avro", "parquet", "xlsx", "datum"]

_FORMATS: dict[str, Format] = {name: name for name in get_args(Format)}
EXTENSIONS: dict[str, Format] = {
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
    ".avro": "avro",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
COMPRESSED = (".gz", ".zst")
#: Extensions of the files in a folder that are read.
KNOWN = (*EXTENSIONS, ".zip")
#: First bytes of the binary formats.
_MAGIC: dict[bytes, Kind] = {
    MAGIC: "avro",
    MARKER: "datum",
    b"PAR1": "parquet",
    **dict.fromkeys(ZIP, "xlsx"),
}
#: What follows the first bytes of Parquet: the start of a Thrift structure, which is not text.
_PARQUET_PAGE = b"\x15"
#: How a JSON array or object can begin. `[user_id],[time]` is the header of a CSV file.
_JSON = re.compile(rb'\{\s*["}]|\[\s*(?:[\[{"\]\d-]|(?:true|false|null)\b)')
#: The longest beginning that `_JSON` needs, without white space.
_JSON_BYTES = 7
_HEAD_BYTES = Limit(
    2**20, "bytes", of="white space before the first record", beyond="the format must be named with --format"
)


def extension(name: str) -> Format | None:
    """Return the format of a file extension, ignoring .gz and .zst."""
    return EXTENSIONS.get(_suffix(name))


def is_known(name: str) -> bool:
    """Whether a file of this name in a folder is read."""
    return _suffix(name) in KNOWN


def _suffix(name: str) -> str:
    path = PurePath(name.lower())
    if path.suffix in COMPRESSED:
        path = path.with_suffix("")
    return path.suffix


def detect_format(
    stream: Stream,
    requested: str | None,
    *,
    fallback: Format | None = None,
    is_header: Callable[[str], bool] = lambda line: False,
) -> Kind | None:
    """Return the kind of input in a stream, or None if the stream is empty.

    Args:
        stream: the input; it is only peeked into.
        requested: format that the user chose; it wins.
        fallback: format that the source declares, if the content does not show one; it wins over the name.
        is_header: whether a first line is the header of a table.

    Raises:
        SourceError: the format could not be detected, or the content contradicts the user's choice.
    """
    head = stream.peek(4)
    if not head:
        return None
    shown = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if shown == "parquet" and stream.peek(5)[4:5] != _PARQUET_PAGE:
        shown = None
    if requested is not None:
        return _requested(_FORMATS[requested], shown, stream.name)
    if shown is not None:
        return shown
    declared = fallback or extension(stream.name)
    text = _leading_text(stream, whole_line=False)
    if _JSON.match(text):
        # .ndjson means one message per line, which the first byte cannot show
        return "ndjson" if declared == "ndjson" else "json"
    if declared is None:
        line = _leading_text(stream, whole_line=True).partition(b"\n")[0]
        declared = "ndjson" if is_json(line) else "csv" if is_header(line.decode(errors="replace")) else None
    if declared is None:
        raise SourceError(
            "could not detect the format", where=stream.name, hint=f"set it with --format {one_of(tuple(_FORMATS))}"
        )
    return declared


def one_of(names: tuple[str, ...]) -> str:
    """Return names as a choice: a, b or c."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _requested(requested: Format, shown: Kind | None, name: str) -> Kind:
    if shown == "datum" and requested == "avro":
        return "datum"
    if shown is not None and shown != requested:
        found = "a zip archive or an Excel workbook" if shown == "xlsx" else shown.capitalize()
        raise SourceError(
            f"the content is {found}, not {requested}", where=name, hint="leave out --format, or correct it"
        )
    return requested


def _leading_text(stream: Stream, *, whole_line: bool) -> bytes:
    """Return the first text of a stream as UTF-8; reads as little as needed, because a pipe may block."""
    seen = 0
    while True:
        head = stream.peek(seen + 1)
        text = _plain(head).lstrip(b" \t\r\n\x1e")  # RFC 7464 puts the separator 1E before a value
        begun = _JSON.match(text) or len(b"".join(text.split())) >= _JSON_BYTES
        enough = b"\n" in text if whole_line else begun or text[:1] not in (b"", b"{", b"[")
        if enough or len(head) <= seen or len(head) > _HEAD_BYTES:
            return text
        seen = len(head)


def _plain(head: bytes) -> bytes:
    """Return the first bytes of a text without byte order marks, as UTF-8."""
    encoding, mark = shown_encoding(head[:4])
    if encoding in WIDE:
        return head[mark:].decode(encoding, "ignore").encode("utf-8", "ignore")
    while mark:
        head = head[mark:]
        _, mark = shown_encoding(head[:4])
    return head

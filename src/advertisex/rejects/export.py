"""Exports rejects as JSON documents and as flat rows."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import polars as pl

from advertisex.codecs.unreadable import body_of
from advertisex.model import Position
from advertisex.rejects.selection import positions_of
from advertisex.stores.resolutions import Resolution

#: Columns of the flat export.
_FLAT = (
    "id", "topic", "partition", "offset", "feed", "kind", "stage", "reason", "detail", "payload", "encoding",
    "ingested_at", "processed_at", "replayed_to", "resolution",
)  # fmt: skip
_TIMES = ("ingested_at", "processed_at")


def document_of(reject: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a row of `EventStore.rejects` to a JSON-serialisable document."""
    fields = {name: value for name, value in reject.items() if name != "payload"}
    times = {name: fields[name].isoformat() + "Z" for name in _TIMES}
    position = Position(reject["topic"], reject["partition"], reject["offset"])
    return {"id": str(position)} | fields | times | payload_fields(reject["payload"])


def resolution_document(record: Resolution) -> dict[str, Any]:
    """Convert the record of a resolution to a JSON-serialisable document."""
    return msgspec.structs.asdict(record) | {"at": record.at.isoformat().replace("+00:00", "Z")}


def payload_fields(payload: bytes) -> dict[str, str]:
    """A message, or the input in it, as a `payload` field: text in UTF-8, otherwise base64 with an `encoding` field."""
    text, encoding = _text(payload)
    return {"payload": text, "encoding": encoding} if encoding else {"payload": text}


def ndjson(parts: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """Encode rejects as newline-delimited JSON, one chunk per frame."""
    encoder = msgspec.json.Encoder()
    for part in parts:
        yield encoder.encode_lines([document_of(row) for row in part.iter_rows(named=True)])


def flat(rejects: pl.DataFrame) -> pl.DataFrame:
    """Flatten rejects: the message as text, or as base64 if `encoding` is set."""
    texts = [_text(payload) for payload in rejects["payload"]]
    return rejects.with_columns(
        pl.Series("id", [str(position) for position in positions_of(rejects)], dtype=pl.String),
        pl.Series("payload", [text for text, _ in texts], dtype=pl.String),
        pl.Series("encoding", [encoding for _, encoding in texts], dtype=pl.String),
    ).select(_FLAT)


def _text(payload: bytes) -> tuple[str, str | None]:
    body = body_of(payload)
    try:
        return body.decode(), None
    except UnicodeDecodeError:
        return b64encode(body).decode(), "base64"

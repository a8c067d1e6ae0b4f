"""Formats a message for display: as lines, with the path in the document that each line shows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from advertisex.codecs.avro_decode import avro_records, is_avro
from advertisex.codecs.bid_fields import Path
from advertisex.codecs.json_decode import DECODE_ERRORS, decode_json
from advertisex.codecs.json_encode import json_message
from advertisex.codecs.json_framing import json_text
from advertisex.codecs.unreadable import body_of
from advertisex.feeds import Feed

_INDENT = 2
_KEY = re.compile(r'("(?:[^"\\]|\\.)*"): ')
#: Bytes per line of a hex dump.
BYTES_PER_LINE = 16


@dataclass(frozen=True, slots=True)
class Pretty:
    """A message as lines.

    Attributes:
        format: JSON, an Avro datum (shown as JSON), other text, or bytes (shown as a hex dump).
        lines: lines of the text.
        paths: for each line, the keys and indexes that lead to its value; empty if it shows no value.
        document: the JSON that is shown; None for text and bytes.
    """

    format: Literal["json", "avro", "text", "bytes"]
    lines: Sequence[str]
    paths: Sequence[Path]
    document: bytes | None = None


def pretty(payload: bytes, feed: Feed) -> Pretty:
    """Format a message, or the input in it, as lines. Documents are indented; their values keep their notation."""
    payload = body_of(payload)
    avro = is_avro(payload, feed)
    try:
        document = json_message(avro_records(feed)(payload)) if avro else json_text(payload)
        text = msgspec.json.format(document, indent=_INDENT).decode()
        decode_json(document)  # formatting alone accepts some invalid JSON
    except DECODE_ERRORS:
        return _raw(payload)
    lines = text.split("\n")
    return Pretty("avro" if avro else "json", lines, list(_paths(lines)), document)


def one_line(payload: bytes, feed: Feed) -> str:
    """Format a message, or the input in it, as one line: Avro as JSON; bytes that are not UTF-8 are escaped."""
    payload = body_of(payload)
    avro = is_avro(payload, feed)
    document = pretty(payload, feed).document if avro else None
    return (document or json_text(payload)).decode(errors="backslashreplace")


def _raw(payload: bytes) -> Pretty:
    try:
        lines = payload.decode().split("\n")
    except UnicodeDecodeError:
        lines = [_hex_line(payload, start) for start in range(0, len(payload), BYTES_PER_LINE)]
        return Pretty("bytes", lines, [()] * len(lines))
    return Pretty("text", lines, [()] * len(lines))


def _hex_line(payload: bytes, start: int) -> str:
    part = payload[start : start + BYTES_PER_LINE]
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
    return f"{start:08x}  {part.hex(' '):<{3 * BYTES_PER_LINE}} {text}"


def _paths(lines: Sequence[str]) -> Iterator[Path]:
    """The path of each line of indented JSON; each line has one value or the start of one."""
    path: list[str | int] = []
    indexes: dict[int, int] = {}
    for line in lines:
        text = line.lstrip(" ")
        depth = (len(line) - len(text)) // _INDENT
        del path[max(0, depth - 1) :]
        if depth == 0 or text[:1] in ("]", "}"):
            yield ()
            continue
        if key := _KEY.match(text):
            path.append(msgspec.json.decode(key[1]))
        else:
            indexes[depth] = indexes.get(depth, -1) + 1
            path.append(indexes[depth])
        indexes[depth + 1] = -1
        yield tuple(path)

"""A message for people: as lines, with the path in the document that each line shows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from advertisex.feeds import Feed
from advertisex.ingestion.json_message import json_message
from advertisex.processing.decode_bids import avro_records, is_avro
from advertisex.processing.decode_json import DECODE_ERRORS

Path = tuple[str | int, ...]

_INDENT = 2
_KEY = re.compile(r'("(?:[^"\\]|\\.)*"): ')
#: Bytes on a line in hexadecimal.
DUMPED = 16


@dataclass(frozen=True, slots=True)
class Pretty:
    """A message as lines.

    Attributes:
        format: JSON, an Avro datum (shown as JSON), other text, or bytes (shown in hexadecimal).
        lines: of the text.
        paths: for each line, the keys and places that lead to what it shows; empty where it shows no value.
        document: the JSON that is shown; None where it is none.
    """

    format: Literal["json", "avro", "text", "bytes"]
    lines: Sequence[str]
    paths: Sequence[Path]
    document: bytes | None = None


def pretty(payload: bytes, feed: Feed) -> Pretty:
    """A message of a feed as lines: pretty-printed where it is a document, values as they are written."""
    avro = feed.avro_schema is not None and is_avro(payload)
    try:
        document = json_message(avro_records(feed)(payload)) if avro else payload
        text = msgspec.json.format(document, indent=_INDENT).decode()
        msgspec.json.decode(document)  # formatting alone lets some of what is no JSON pass
    except DECODE_ERRORS:
        return _raw(payload)
    lines = text.split("\n")
    return Pretty("avro" if avro else "json", lines, list(_paths(lines)), document)


def one_line(payload: bytes, feed: Feed) -> str:
    """A message of a feed as one line: a document as JSON; bytes that are no text are escaped."""
    avro = feed.avro_schema is not None and is_avro(payload)
    document = pretty(payload, feed).document if avro else None
    return (document or payload).decode(errors="backslashreplace")


def _raw(payload: bytes) -> Pretty:
    try:
        lines = payload.decode().split("\n")
    except UnicodeDecodeError:
        lines = [_dumped(payload, start) for start in range(0, len(payload), DUMPED)]
        return Pretty("bytes", lines, [()] * len(lines))
    return Pretty("text", lines, [()] * len(lines))


def _dumped(payload: bytes, start: int) -> str:
    part = payload[start : start + DUMPED]
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
    return f"{start:08x}  {part.hex(' '):<{3 * DUMPED}} {text}"


def _paths(lines: Sequence[str]) -> Iterator[Path]:
    """The path of each line of JSON that was indented: one value, or the beginning of one, to a line."""
    path: list[str | int] = []
    places: dict[int, int] = {}
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
            places[depth] = places.get(depth, -1) + 1
            path.append(places[depth])
        places[depth + 1] = -1
        yield tuple(path)

"""Reads the messages of a body with the readers and the encoder of ingestion: they are those that `ingest` appends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.formats import Format
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import reader_of
from advertisex.ingestion.records import Reader, Record
from advertisex.ingestion.stream import Stream, decompressed
from advertisex.limits import Limit
from advertisex.web.collector.not_accepted import NotAccepted

MOST_EVENTS = Limit(50_000, "events", of="a request to the collector", beyond="answered with status 413")

#: The formats by media type.
MEDIA_TYPES: dict[str, Format] = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "avro/binary": "avro",
    "application/avro": "avro",
}

_BODY = "the body"


@dataclass(slots=True)
class Messages:
    """The messages of a body.

    Attributes:
        messages: the messages, in the order of the body.
        lines: the line of the body on which each begins, from 1; empty if it has no lines.
        warnings: what the sender should know.
    """

    messages: list[bytes] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@lru_cache(maxsize=64)
def format_of(content_type: str) -> Format:
    """Return the format that a Content-Type names.

    Raises:
        NotAccepted: it names none that is read, or text that is not UTF-8.
    """
    header = Message()
    header["content-type"] = content_type
    if (found := MEDIA_TYPES.get(header.get_content_type() if content_type else "")) is None:
        hint = f"use {', '.join(MEDIA_TYPES)}"
        raise _unusable(f"the Content-Type is {'unknown' if content_type else 'missing'}", hint)
    if str(header.get_param("charset", "utf-8")).lower() not in ("utf-8", "utf8"):
        raise _unusable("the charset of the Content-Type is not UTF-8", "send UTF-8")
    return found


def messages_in(body: bytes, feed: Feed, format_: Format, timed: Callable[[Record], Record] | None = None) -> Messages:
    """Read the messages of a body. What cannot be read as a record is a message too, which processing rejects.

    Args:
        body: the body, decompressed.
        feed: the feed of its events.
        format_: its format.
        timed: gives a record a time, see `ArrivalTime`; None leaves all as they are.

    Raises:
        NotAccepted: nothing of the body can be read, or it has too many events.
    """
    encoder, options, read = Encoder(feed), IngestOptions(format=format_), Messages()
    stream = _plain(body)
    try:
        reader = reader_of(stream, feed, options)
        for chunk in reader.chunks():
            records = list(map(timed, chunk.records)) if timed else chunk.records
            read.messages += encoder.messages(records)
            read.lines += chunk.lines
            if len(read.messages) > MOST_EVENTS:
                break
        read.warnings += _warnings(reader)
    except SourceError as error:
        if not read.messages:
            raise _unusable(error.what, "send it again as the Content-Type says") from error
        read.warnings.append(f"{error.what} ({error.where})" if error.where else error.what)
    if len(read.messages) > MOST_EVENTS:
        what = f"the body has more than {MOST_EVENTS:,} events"
        raise NotAccepted(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what, "send fewer events in a request")
    return read


def _plain(body: bytes) -> Stream:
    stream = Stream(BytesIO(body), _BODY)
    if decompressed(stream) is not stream:
        raise _unusable("the body is compressed, but has no Content-Encoding", "send Content-Encoding: gzip, or zstd")
    return stream


def _warnings(reader: Reader) -> list[str]:
    counts = reader.reading.warnings.items()
    return [f"{warning} ({number:,} times)" if number > 1 else warning for warning, number in counts]


def _unusable(what: str, hint: str) -> NotAccepted:
    return NotAccepted(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, what, hint)

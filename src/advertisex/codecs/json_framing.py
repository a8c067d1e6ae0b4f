"""What may surround the JSON of a message: the header of the Confluent wire format, and a byte order mark."""

import codecs
from collections.abc import Sequence
from itertools import repeat

from advertisex.codecs.avro_framing import CONFLUENT_HEADER_BYTES, CONFLUENT_MARKER

#: How text in other encodings than UTF-8 starts. UTF-32 first: its byte order mark starts with that of UTF-16.
_OTHER_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (b"{\x00\x00\x00", "UTF-32"),
    (b"\x00\x00\x00{", "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (b"{\x00", "UTF-16"),
    (b"\x00{\x00", "UTF-16"),
)


def json_texts(payloads: Sequence[bytes]) -> Sequence[bytes]:
    """Return the JSON text of each message."""
    if all(map(bytes.startswith, payloads, repeat(b"{"))):
        return payloads
    return list(map(json_text, payloads))


def json_text(payload: bytes) -> bytes:
    """Return a message without its byte order mark, and without a Confluent header that precedes a JSON object."""
    if payload.startswith(CONFLUENT_MARKER):
        body = payload[CONFLUENT_HEADER_BYTES:].removeprefix(codecs.BOM_UTF8)
        return body if body.lstrip()[:1] == b"{" else payload
    return payload.removeprefix(codecs.BOM_UTF8)


def is_blank(payload: bytes) -> bool:
    """Whether a message has no text: nothing but white space, or a byte order mark."""
    return not json_text(payload).strip()


def misfit(payload: bytes) -> str:
    """Return why a message is not JSON, as far as its first bytes show that; otherwise an empty text."""
    text = json_text(payload)
    encoding = next((name for start, name in _OTHER_ENCODINGS if text.startswith(start)), "")
    if encoding:
        return f"the text is in {encoding}; write messages in UTF-8"
    if text.startswith(CONFLUENT_MARKER) and len(text) >= CONFLUENT_HEADER_BYTES:
        number = int.from_bytes(text[1:CONFLUENT_HEADER_BYTES], "big")
        return (
            f"no JSON object follows the Confluent header with schema id {number}; Protobuf cannot be read, and Avro "
            "only in the feed bids, with its schema in feeds.bids.schemas"
        )
    return ""

"""Decode stage: turns messages into a frame with one nullable text column per field of the feed.

All values are kept as text here, without surrounding white space, so that the same code standardises JSON numbers, CSV
cells and Avro values. A message that cannot be decoded costs one reject and never affects other messages.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import polars as pl

from advertisex.codecs.avro_decode import bid_decoder
from advertisex.codecs.json_decode import DECODE_ERRORS, Decoder, Undecodable, json_decoder, not_utf8
from advertisex.codecs.json_framing import json_texts
from advertisex.codecs.rejection import Rejection
from advertisex.codecs.unreadable import REASONS as UNREADABLE
from advertisex.codecs.unreadable import unwrap
from advertisex.feeds import Feed, Wire
from advertisex.limits import Limit
from advertisex.processing.missing import missing
from advertisex.processing.rejected import rejected_frame

MAX_BYTES = Limit(2**20, "bytes", of="a message when it is processed", beyond="rejected as `oversized`, whole")
#: Messages of so many bytes are decoded together: a byte can become thirty, until the fields are known to be text.
_TOGETHER_BYTES = 2**20

_TEXTS = {str, type(None)}

#: Human-readable reasons for rejection, by reason code. Those that ingestion found come with the message.
REASONS: dict[str, str] = {
    "empty_message": "The message has no bytes, or only white space or a byte order mark.",
    "oversized": f"The message has more than {MAX_BYTES:,} bytes (1 MiB).",
    "undecodable": "It is neither JSON in UTF-8 nor, in the bids feed, an Avro datum of a known schema.",
    "not_an_object": "It is JSON, but not an object: a list, a string or a number.",
    "no_impressions": "It is an OpenRTB request without an impression: its list `imp` is empty.",
    "wrong_type": "A field contains a list, an object, or a boolean or decimal where text is expected.",
    **UNREADABLE,
}

_DECODERS: dict[Wire, Callable[[Feed], Decoder]] = {"json": json_decoder, "avro": bid_decoder}


def decode(payloads: Sequence[bytes], feed: Feed) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Decode messages of a feed.

    Returns:
        The decoded messages: `row` (u32, index of the message), and the text of each field (String, null if absent).
        The rejected messages (see `rejected_frame`), with a reason code of `REASONS`.
    """
    decoder = _DECODERS[feed.wire](feed)
    parts = [(start, _decode(payloads[start:end], feed, decoder)) for start, end in _together(payloads)]
    if len(parts) == 1:
        return parts[0][1]
    moved = [[_moved(frame, start) for frame in frames] for start, frames in parts]
    return pl.concat([decoded for decoded, _ in moved]), pl.concat([rejected for _, rejected in moved])


def _together(payloads: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """The start and end of the messages that are decoded together."""
    start = size = 0
    for row, length in enumerate(map(len, payloads)):
        size += min(length, MAX_BYTES)
        if size > _TOGETHER_BYTES and row > start:
            yield start, row
            start, size = row, length
    yield start, len(payloads)


def _moved(frame: pl.DataFrame, start: int) -> pl.DataFrame:
    return frame.with_columns(pl.col("row") + pl.lit(start, pl.UInt32))


def _decode(payloads: Sequence[bytes], feed: Feed, decoder: Decoder) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Decode messages, the rows of which begin at 0."""
    read, blank = decoder.decode, decoder.blank
    rejections: dict[int, Rejection] = {}
    decoded: list[Any] = []
    for row, payload in enumerate(_screened(payloads, rejections, only_utf8=decoder.only_utf8)):
        try:
            decoded.append(read(payload))
        except DECODE_ERRORS as error:
            decoded.append(blank)
            if row not in rejections:
                rejections[row] = decoder.explain(payloads[row], error)
    for row in rejections:
        if unreadable := unwrap(payloads[row]):
            rejections[row] = Rejection(unreadable.reason, unreadable.detail)
    nested: set[int] = set()
    columns = {f.name: _column(decoded, names, nested) for f, names in zip(feed.fields, decoder.names, strict=True)}
    for row in nested - rejections.keys():
        rejections[row] = decoder.explain(payloads[row], Undecodable("a field contains a list or an object"))
    frame = pl.DataFrame({"row": pl.int_range(len(payloads), dtype=pl.UInt32, eager=True)} | columns)
    if rejections:
        frame = frame.filter(~pl.col("row").is_in(list(rejections)))
    return frame, rejected_frame("decode", rejections)


def _screened(payloads: Sequence[bytes], rejections: dict[int, Rejection], *, only_utf8: bool) -> Sequence[bytes]:
    """What to decode: b"" for messages that are rejected without decoding, which are added to `rejections`."""
    sizes = list(map(len, payloads))
    if sizes and not 0 < min(sizes) <= max(sizes) <= MAX_BYTES:
        for row, size in enumerate(sizes):
            if size == 0:
                rejections[row] = Rejection("empty_message", "the message has no bytes")
            elif size > MAX_BYTES:
                rejections[row] = Rejection("oversized", f"the message has {size} bytes, more than {MAX_BYTES}")
    texts = json_texts(payloads) if only_utf8 else payloads
    if only_utf8 and not all(map(bytes.isascii, texts)):
        # The JSON decoder does not validate fields that it skips
        for row, payload in enumerate(payloads):
            if row not in rejections and (rejection := not_utf8(payload)):
                rejections[row] = rejection
    return [b"" if row in rejections else text for row, text in enumerate(texts)] if rejections else texts


def _column(decoded: list[Any], names: Sequence[str], nested: set[int]) -> pl.Series:
    """The text of a field: in each row, the value of the first name with one, else the first text for a missing value.

    Rows in which a value is a list or an object are added to `nested`.
    """
    column: pl.Series | None = None
    for name in names:
        values = list(map(attrgetter(name), decoded))
        if values.count(None) < len(values):
            series = _series(values, nested).str.strip_chars()
            column = series if column is None else _first_given(column, series)
    return pl.repeat(None, len(decoded), dtype=pl.String, eager=True) if column is None else column


def _first_given(first: pl.Series, second: pl.Series) -> pl.Series:
    use_second = first.is_null() | (missing(first) & ~missing(second))
    return second.zip_with(use_second, first)


def _series(values: list[Any], nested: set[int]) -> pl.Series:
    """The texts of values; Polars sees only texts, because a list of 500 levels takes gigabytes in it."""
    if set(map(type, values)) <= _TEXTS:
        return pl.Series(values, dtype=pl.String)
    nested.update(row for row, value in enumerate(values) if isinstance(value, (dict, list)))
    return pl.Series(map(_text, values), dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, (str, dict, list)):
        return value if isinstance(value, str) else None
    return str(value).lower() if isinstance(value, bool) else str(value)

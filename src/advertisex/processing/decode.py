"""Stage 1, decode: messages become a frame with one nullable text column for each field of the feed.

Everything a message can say is kept as text here, so that JSON numbers, CSV cells and Avro values are
standardised by the same code. A message that cannot be decoded costs one reject, whatever its neighbours hold.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import polars as pl

from advertisex.batches import Batch
from advertisex.feeds import Feed
from advertisex.processing.decode_bids import bid_decoder
from advertisex.processing.decode_json import DECODE_ERRORS, json_decoder, not_utf8
from advertisex.processing.refusals import Rejection, rejected_frame

#: A message above this weighs too much to be an event.
MAX_BYTES = 2**20

#: Why a message is refused here, for people.
REASONS: dict[str, str] = {
    "empty_message": "The message has no bytes.",
    "oversized": f"The message has more than {MAX_BYTES:,} bytes (1 MiB).",
    "undecodable": "It is neither JSON in UTF-8 nor, in the bids feed, an Avro datum of a known schema.",
    "not_an_object": "It is JSON, but no object: a list, a text, a number.",
    "wrong_type": "A field holds a list, an object, or a true/false or decimal where text is due.",
}

Texts = dict[str, list[Any]]


def decode(batch: Batch, feed: Feed) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Decode a batch of messages.

    Returns:
        The decoded messages: `row` (u32, position in the batch), `offset` (i64), `ingested_at` (µs), and for
        each field its text (String, null where absent).
        The refused ones, as `refused_frame` shapes them: empty_message, oversized, undecodable,
        not_an_object, wrong_type.
    """
    decoder = (bid_decoder if feed.avro_schema else json_decoder)(feed)
    read, blank = decoder.decode, decoder.blank
    rejections: dict[int, Rejection] = {}
    decoded: list[Any] = []
    for row, payload in enumerate(_screened(batch.payloads, feed, rejections)):
        try:
            decoded.append(read(payload))
        except DECODE_ERRORS as error:
            decoded.append(blank)
            rejections.setdefault(row, decoder.explain(payload, error))
    frame = pl.DataFrame(
        {
            "row": pl.int_range(len(batch), dtype=pl.UInt32, eager=True),
            "offset": pl.Series(batch.offsets, dtype=pl.Int64),
            "ingested_at": pl.Series(batch.ingested_at, dtype=pl.Int64).cast(pl.Datetime("us")),
        }
        | {field.name: _column(decoded, names) for field, names in zip(feed.fields, decoder.names, strict=True)}
    )
    if rejections:
        frame = frame.filter(~pl.col("row").is_in(list(rejections)))
    return frame, rejected_frame("decode", rejections)


def _screened(payloads: Sequence[bytes], feed: Feed, rejections: dict[int, Rejection]) -> Sequence[bytes]:
    """The payloads with those that need no decoder to be refused emptied, each with its refusal noted."""
    weights = list(map(len, payloads))
    if weights and not 0 < min(weights) <= max(weights) <= MAX_BYTES:
        for row, weight in enumerate(weights):
            if weight == 0:
                rejections[row] = Rejection("empty_message", "the message has no bytes")
            elif weight > MAX_BYTES:
                rejections[row] = Rejection("oversized", f"the message has {weight} bytes, more than {MAX_BYTES}")
    if feed.avro_schema is None and not all(map(bytes.isascii, payloads)):
        # The JSON decoder does not look inside the fields that it skips
        for row, payload in enumerate(payloads):
            if row not in rejections and (rejection := not_utf8(payload)):
                rejections[row] = rejection
    return [b"" if row in rejections else p for row, p in enumerate(payloads)] if rejections else payloads


def _column(decoded: list[Any], names: Sequence[str]) -> pl.Series:
    """The text of a field: the first of its names that is there, row by row."""
    column = _texts(decoded, attrgetter(names[0]))
    for name in names[1:]:
        values = list(map(attrgetter(name), decoded))
        if values.count(None) < len(values):
            column = column.to_frame("a").select(pl.coalesce("a", _series(values))).to_series()
    return column


def _texts(decoded: list[Any], get: Callable[[Any], Any]) -> pl.Series:
    return _series(list(map(get, decoded)))


def _series(values: list[Any]) -> pl.Series:
    try:
        return pl.Series(values, dtype=pl.String, strict=True)
    except (TypeError, OverflowError):  # some are numbers or flags; Polars has no integer beyond 128 bits
        texts = [v if v is None or v.__class__ is str else _text(v) for v in values]
        return pl.Series(texts, dtype=pl.String)


def _text(value: float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

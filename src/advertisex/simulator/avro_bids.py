"""Bids as Avro datums of our own schema: bare for container files, or framed for messages.

Good datums are assembled column by column, which takes 0.9 µs each. fastavro, which encodes the faulty ones, takes
18 µs, and a simulation would take five times as long (`python -m bench.simulator`, 2026-11-29, 2 cores).
"""

import io
from collections.abc import Sequence

import fastavro
import numpy as np
from numpy.typing import NDArray

from advertisex.codecs.avro_framing import frame
from advertisex.feeds.bids import AVRO_SCHEMA
from advertisex.simulator.formats import OVERSIZED_BYTES, Event, FaultTargets, Fields, Format
from advertisex.simulator.json_messages import json_bytes, reformatted_time, time_text
from advertisex.simulator.market import (
    CAMPAIGNS,
    COUNTRIES,
    CURRENCIES,
    DEVICES,
    Market,
    auction_id,
    creative_id,
    targeting,
    user_id,
    user_number,
)
from advertisex.simulator.rows import Integers, Rows

#: Bytes: a row per message, a column per byte.
Matrix = NDArray[np.uint8]

_SCHEMA = fastavro.parse_schema(AVRO_SCHEMA)
_NON_NULL = b"\x02"  # index of the second branch of a nullable union
_TIME_IS_LONG = b"\x00"  # index of the first branch


class BidsAvro(Format):
    """Bids as bare datums.

    Fixed-width strings and numbers are byte matrices; fields with few distinct values (device, website, targeting) are
    encoded once and reused.
    """

    targets = FaultTargets(
        required=("user_id", "timestamp"),
        ids=("user_id", "creative_id", "auction_id"),
        amount="amount",
        changeable="device",
    )
    #: Bytes in front of each datum.
    prefix = b""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._countries = _table([_text(code) for code in COUNTRIES])
        self._currencies = _table([_text(code) for code in CURRENCIES])
        self._devices = [_NON_NULL + _text(device) for device in DEVICES]
        self._websites = [_NON_NULL + _text(page) for page in market.websites]
        self._targeting = [_text_map(targeting(campaign)) for campaign in range(CAMPAIGNS)]

    def good(self, rows: Rows) -> list[bytes]:
        count = len(rows)
        country = self._market.country[rows["user"]]
        users = concat_columns(
            [self.prefix, b"\x12u", zero_padded(user_number(rows["user"]), 8), _NON_NULL, self._countries[country]],
            count,
        )
        auctions = concat_columns(
            [
                _NON_NULL, b"\x1aa", zero_padded(rows["serial"], 12),
                _TIME_IS_LONG, avro_time(rows["time"]),
                _NON_NULL, b"\x0ecr", zero_padded(rows["creative"], 5),
                _NON_NULL, avro_doubles(rows["amount"]),
                _NON_NULL, self._currencies[country],
            ],
            count,
        )  # fmt: skip
        device = self._market.device[rows["user"]].tolist()
        campaign = self._market.creative_campaign[rows["creative"]].tolist()
        parts = zip(
            users,
            map(self._devices.__getitem__, device),
            auctions,
            map(self._websites.__getitem__, rows["website"].tolist()),
            map(self._targeting.__getitem__, campaign),
            strict=True,
        )
        return list(map(b"".join, parts))

    def fields(self, event: Event) -> Fields:
        market = self._market
        return {
            "user_id": user_id(event.user),
            "country": COUNTRIES[market.country[event.user]],
            "device": DEVICES[market.device[event.user]],
            "auction_id": auction_id(event.serial),
            "timestamp": event.time,
            "creative_id": creative_id(event.creative),
            "amount": event.amount,
            "currency": CURRENCIES[market.country[event.user]],
            "website": market.websites[event.website],
            "targeting": targeting(int(market.creative_campaign[event.creative])),
        }

    def encode(self, fields: Fields) -> bytes:
        user = {name: fields.get(name) for name in ("country", "device")}
        auction = {
            name: fields.get(name)
            for name in ("auction_id", "timestamp", "creative_id", "amount", "currency", "website")
        }
        # a datum cannot omit a field: a missing required field is written as ""
        user["user_id"] = fields.get("user_id") or ""
        auction["timestamp"] = "" if auction["timestamp"] is None else auction["timestamp"]
        out = io.BytesIO()
        record = {"user_info": user, "auction": auction, "targeting": fields["targeting"]}
        fastavro.schemaless_writer(out, _SCHEMA, record)
        return self.prefix + out.getvalue()

    def reformatted(self, fields: Fields, noise: int) -> bytes:
        """The timestamp as text, in three notations."""
        text = time_text(fields["timestamp"])
        return self.encode(fields | {"timestamp": text if noise % 3 == 0 else reformatted_time(text, noise // 3)})

    def mistyped(self, fields: Fields, noise: int) -> bytes:
        """As JSON, since a datum cannot have a wrong type."""
        amount = ("ten", "1,5 USD", "cheap")[noise % 3]
        return json_bytes(fields | {"timestamp": time_text(fields["timestamp"]), "amount": amount})

    def undecodable(self, fields: Fields, noise: int) -> bytes:
        """Truncated, or with an unknown schema fingerprint."""
        message = self.encode(fields)
        if noise % 4 == 0:
            return message[:2] + b"\x00UNKNOWN" + message[10:]
        return message[: 1 + noise // 4 % (len(message) - 1)]

    def oversized(self, fields: Fields) -> bytes:
        return self.encode(fields | {"targeting": {"padding": "x" * OVERSIZED_BYTES}})


class BidMessages(BidsAvro):
    """Bids as messages: datums in Avro single-object encoding."""

    prefix = frame(b"")


def _long(value: int) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", value)
    return out.getvalue()


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _long(len(encoded)) + encoded


def _text_map(texts: dict[str, str]) -> bytes:
    return _long(len(texts)) + b"".join(_text(key) + _text(value) for key, value in texts.items()) + _long(0)


def _table(encoded: list[bytes]) -> Matrix:
    return np.array([list(text) for text in encoded], np.uint8)


def zero_padded(values: Integers, width: int) -> Matrix:
    """Non-negative integers as ASCII digits, zero-padded to `width`."""
    digits = np.empty((width, len(values)), np.uint8)
    remaining = values
    for place in reversed(range(width)):
        remaining, digit = np.divmod(remaining, 10)
        digits[place] = digit + ord("0")
    return digits.T


def avro_time(times: Integers) -> Matrix:
    """Microseconds since the epoch as Avro longs: zigzag, then base-128 varint, low bits first.

    Times from 1978 to 3111 always take eight bytes.
    """
    zigzag = times.astype(np.uint64) << np.uint64(1)
    shifts = np.arange(0, 56, 7, dtype=np.uint64)
    out = ((zigzag[:, None] >> shifts) & np.uint64(0x7F)).astype(np.uint8)
    out[:, :7] |= 0x80
    return out


def avro_doubles(values: NDArray[np.float64]) -> Matrix:
    """Avro doubles: eight bytes, little-endian."""
    return np.ascontiguousarray(values, dtype="<f8").view(np.uint8).reshape(-1, 8)


def concat_columns(parts: Sequence[bytes | Matrix], count: int) -> list[bytes]:
    """Concatenate constants and matrix rows into `count` messages."""
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in parts]
    out = np.empty((count, sum(widths)), np.uint8)
    start = 0
    for part, width in zip(parts, widths, strict=True):
        out[:, start : start + width] = np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part
        start += width
    text = out.tobytes()
    return [text[at : at + start] for at in range(0, count * start, start)]

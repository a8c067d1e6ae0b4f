"""Bids as Avro datums of our own schema: bare as a container holds them, or framed as a message is."""

import io

import fastavro
import numpy as np

from advertisex.feeds.avro_framing import frame
from advertisex.feeds.bids import AVRO_SCHEMA
from advertisex.ingestion.simulator.bytework import Matrix, avro_doubles, avro_time, decimal, joined
from advertisex.ingestion.simulator.formats import OVERSIZED_BYTES, Event, FaultTargets, Fields
from advertisex.ingestion.simulator.json_messages import json_bytes, respelled_time, time_text
from advertisex.ingestion.simulator.market import (
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
from advertisex.ingestion.simulator.rows import Rows

_SCHEMA = fastavro.parse_schema(AVRO_SCHEMA)
_GIVEN = b"\x02"  # the second branch of a union, the value that is not null
_TIME_IS_LONG = b"\x00"  # the first branch


class BidsAvro:
    """Bids as bare datums.

    A datum is put together from columns: texts of equal width and numbers as matrices of bytes, and whole
    stretches of fields that come from a short list (device, website, targeting) encoded once.
    """

    shape = FaultTargets(
        required=("user_id", "timestamp"), ids=("user_id", "creative_id", "auction_id"), amount="amount"
    )
    #: What comes before each datum.
    head = b""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._countries = _table([_text(code) for code in COUNTRIES])
        self._currencies = _table([_text(code) for code in CURRENCIES])
        self._devices = [_GIVEN + _text(device) for device in DEVICES]
        self._websites = [_GIVEN + _text(page) for page in market.websites]
        self._targeting = [_text_map(targeting(campaign)) for campaign in range(CAMPAIGNS)]

    def good(self, rows: Rows) -> list[bytes]:
        """See `Format.good`."""
        count = len(rows)
        country = self._market.country[rows["user"]]
        users = joined(
            [self.head, b"\x12u", decimal(user_number(rows["user"]), 8), _GIVEN, self._countries[country]],
            count,
        )
        auctions = joined(
            [
                _GIVEN, b"\x1aa", decimal(rows["serial"], 12),
                _TIME_IS_LONG, avro_time(rows["time"]),
                _GIVEN, b"\x0ecr", decimal(rows["creative"], 6)[:, 1:],
                _GIVEN, avro_doubles(rows["amount"]),
                _GIVEN, self._currencies[country],
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
        """See `Format.fields`."""
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
        """See `Format.encode`."""
        user = {name: fields.get(name) for name in ("country", "device")}
        auction = {
            name: fields.get(name)
            for name in ("auction_id", "timestamp", "creative_id", "amount", "currency", "website")
        }
        # a datum has no absent field: what is required and missing is empty
        user["user_id"] = fields.get("user_id") or ""
        auction["timestamp"] = "" if auction["timestamp"] is None else auction["timestamp"]
        out = io.BytesIO()
        record = {"user_info": user, "auction": auction, "targeting": fields["targeting"]}
        fastavro.schemaless_writer(out, _SCHEMA, record)
        return self.head + out.getvalue()

    def respelled(self, fields: Fields, noise: int) -> bytes:
        """See `Format.respelled`: the timestamp is text, or targeting, which is not in the identity, is gone."""
        if noise % 3 == 0:
            return self.encode(fields | {"targeting": {}})
        text = time_text(fields["timestamp"])
        return self.encode(fields | {"timestamp": text if noise % 3 == 1 else respelled_time(text, noise // 3)})

    def mistyped(self, fields: Fields, noise: int) -> bytes:
        """See `Format.mistyped`: as JSON, since a datum cannot be."""
        amount = ("ten", "1,5 USD", "cheap")[noise % 3]
        return json_bytes(fields | {"timestamp": time_text(fields["timestamp"]), "amount": amount})

    def undecodable(self, fields: Fields, noise: int) -> bytes:
        """See `Format.undecodable`: cut off, or of a schema that nobody knows."""
        message = self.encode(fields)
        if noise % 4 == 0:
            return message[:2] + b"\x00UNKNOWN" + message[10:]
        return message[: 1 + noise // 4 % (len(message) - 1)]

    def oversized(self, fields: Fields) -> bytes:
        """See `Format.oversized`."""
        return self.encode(fields | {"targeting": {"padding": "x" * OVERSIZED_BYTES}})


class BidMessages(BidsAvro):
    """Bids as messages: datums in single-object encoding."""

    head = frame(b"")


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

"""Messages that have crashed other pipelines. Each is a reject, and costs nothing but itself."""

import io
from typing import Any

from fastavro import schemaless_writer

from advertisex.feeds.bids import AVRO_SCHEMA

_JSON = (
    b'{"user_id": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    b'{"user_id": "u", "timestamp": 1e400}',
    b'{"user_id": "u", "timestamp": ' + b"9" * 5_000 + b"}",
    b'{"user_id": "a\\u0000b", "timestamp": "2026-01-05T00:00:00Z", "website": "a.example", "creative_id": "c"}',
    b'{\xff\xfe"user_id": 1}',
    b'{"user_id": {"$ne": null}, "timestamp": "2026-01-05T00:00:00Z", "website": "a.example", "creative_id": "c"}',
    b'{"user_id": "u", "timestamp": "99999-01-01T00:00:00Z", "website": "a.example", "creative_id": "c"}',
    b'{"user_id": "u", "user_id": "v", "timestamp": "-2026-01-05", "website": "a.example", "creative_id": "c"}',
    b"{" + b",".join(b'"k%d": %d' % (n, n) for n in range(5_000)) + b"}",
    b"NaN",
    b"null",
)
_CSV = (
    b"\x00" * 200,
    b",".join([b"x"] * 5_000),
    b"u1,\xff\xfe\xfd,2026-01-05T00:00:00Z",
    b"u1,=cmd|'/C calc'!A0,2026-01-05T00:00:00Z",
    b"u1,-9223372036854775809,cr1",
    b"u1," + b"9" * 400 + b",cr1",
    b"u" * 300_000 + b",,",
)


def _bid(**changes: Any) -> bytes:
    """Return a bid with some values changed."""
    user = {"user_id": changes.pop("user_id", "u1"), "country": None, "device": None}
    auction = {"auction_id": "a", "timestamp": "2026-01-05T00:00:00Z", "creative_id": "c", "amount": 1.0}
    out = io.BytesIO()
    schemaless_writer(out, AVRO_SCHEMA, {"user_info": user, "auction": auction | changes, "targeting": {}})
    return out.getvalue()


_AVRO = (
    _bid(timestamp=2**63 - 1),
    _bid(timestamp=-(2**63)),
    _bid(timestamp="9" * 5_000),
    _bid(amount=float("inf")),
    _bid(amount=float("-inf")),
    _bid(amount=1e308),
    _bid(user_id=""),
    _bid(user_id="a\x00b"),
)
HOSTILE = {"impressions": _JSON, "clicks": _CSV, "bids": _AVRO}

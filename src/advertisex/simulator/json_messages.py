"""Impressions and clicks as JSON objects."""

from datetime import date
from functools import lru_cache

import msgspec
import polars as pl

from advertisex.simulator.formats import OVERSIZED_BYTES, Event, FaultTargets, Fields, Format
from advertisex.simulator.market import (
    CONVERSION_TYPES,
    CURRENCIES,
    PURCHASE,
    REFUND_ACTION,
    Market,
    auction_id,
    campaign_id,
    creative_id,
    user_id,
    user_number,
)
from advertisex.simulator.rows import Rows

CLICK_COLUMNS = (
    "timestamp", "user_id", "campaign", "conversion", "value", "currency", "transaction_id", "user_agent",
)  # fmt: skip
_USER_AGENTS = (
    "Mozilla/5.0 (Android 16; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)

#: Encodes a value as compact JSON in UTF-8.
json_bytes = msgspec.json.Encoder().encode


def time_text(micros: int) -> str:
    """Microseconds since the epoch as `2026-01-05T00:00:00.000000Z`."""
    seconds, fraction = divmod(micros, 1_000_000)
    days, remaining = divmod(seconds, 86_400)
    return _date(days) + f"T{remaining // 3600:02d}:{remaining // 60 % 60:02d}:{remaining % 60:02d}.{fraction:06d}Z"


def reformatted_time(text: str, noise: int) -> str:
    """The same timestamp in another notation; naive notations mean UTC."""
    return (text.replace("Z", "+00:00"), text.replace("T", " ").removesuffix("Z"))[noise % 2]


def broken_json(message: bytes, noise: int) -> bytes:
    """A corrupted JSON object; no variant is valid JSON."""
    forms = (
        message[: 1 + noise // 8 % (len(message) - 1)],  # truncated
        message[:-1] + b",}",
        message.replace(b'"', b"'"),
        message.replace(b'":"', b'":"\xe9', 1),  # Latin-1
        b"<html><body>502 Bad Gateway</body></html>",
    )
    return forms[noise % len(forms)]


class ImpressionsJson(Format):
    """Impressions as the ad server's HTTP API returns them."""

    targets = FaultTargets(
        required=("user_id", "timestamp", "ad_creative_id", "website"),
        ids=("user_id", "ad_creative_id", "auction_id"),
    )

    def __init__(self, market: Market) -> None:
        self._websites = market.websites
        self._website_column = pl.Series(market.websites)

    def good(self, rows: Rows) -> list[bytes]:
        columns = ("user", "time", "creative", "serial", "website")
        events = pl.DataFrame({name: rows[name] for name in columns})
        message = pl.struct(
            user_id=_identifier("u", pl.lit(pl.Series(user_number(rows["user"]))), 8),
            timestamp=pl.from_epoch("time", "us").dt.strftime("%Y-%m-%dT%H:%M:%S.%6fZ"),
            ad_creative_id=_identifier("cr", pl.col("creative"), 5),
            auction_id=_identifier("a", pl.col("serial"), 12),
            website=pl.lit(self._website_column.gather(events["website"])),
        )
        return events.select(message.struct.json_encode().cast(pl.Binary)).to_series().to_list()

    def fields(self, event: Event) -> Fields:
        return {
            "user_id": user_id(event.user),
            "timestamp": time_text(event.time),
            "ad_creative_id": creative_id(event.creative),
            "auction_id": auction_id(event.serial),
            "website": self._websites[event.website],
        }

    def encode(self, fields: Fields) -> bytes:
        return json_bytes(fields)

    def reformatted(self, fields: Fields, noise: int) -> bytes:
        if noise % 3 == 0:
            return json_bytes(dict(reversed(fields.items())))
        if noise % 3 == 1:
            return json_bytes({name.removeprefix("ad_"): value for name, value in fields.items()})
        return json_bytes(fields | {"timestamp": reformatted_time(fields["timestamp"], noise // 3)})

    def mistyped(self, fields: Fields, noise: int) -> bytes:
        name = ("user_id", "website", "ad_creative_id")[noise // 4 % 3]
        return json_bytes(fields | {name: ({"id": fields[name]}, [fields[name]], True, 1.5)[noise % 4]})

    def undecodable(self, fields: Fields, noise: int) -> bytes:
        return broken_json(json_bytes(fields), noise)

    def oversized(self, fields: Fields) -> bytes:
        return json_bytes(fields | {"padding": "x" * OVERSIZED_BYTES})


class ClicksJson(Format):
    """Clicks and conversions as CSV ingestion publishes them: objects whose values are strings."""

    targets = FaultTargets(
        required=("user_id", "timestamp", "campaign", "conversion"),
        ids=("user_id", "campaign"),
        amount="value",
        changeable="user_agent",
    )

    def __init__(self, market: Market) -> None:
        self._campaign = market.creative_campaign.tolist()
        self._country = market.country

    def good(self, rows: Rows) -> list[bytes]:
        return [self.encode(self.fields(Event(*row))) for row in rows.tolist()]

    def fields(self, event: Event) -> Fields:
        kind, converted = CONVERSION_TYPES[event.action], event.action > 0
        return {
            "timestamp": time_text(event.time),
            "user_id": user_id(event.user),
            "campaign": campaign_id(self._campaign[event.creative]),
            "conversion": kind,
            "value": f"{event.amount:.2f}" if converted else "",
            "currency": CURRENCIES[self._country[event.user]] if converted else "",
            "transaction_id": f"order-{event.serial}" if event.action in (PURCHASE, REFUND_ACTION) else "",
            "user_agent": _USER_AGENTS[event.user % len(_USER_AGENTS)],
        }

    def encode(self, fields: Fields) -> bytes:
        return json_bytes(fields)

    def reformatted(self, fields: Fields, noise: int) -> bytes:
        if noise % 3 == 0 and fields["value"]:
            return self.encode(fields | {"value": fields["value"] + "0"})
        return self.encode(fields | {"timestamp": reformatted_time(fields["timestamp"], noise // 3)})

    def mistyped(self, fields: Fields, noise: int) -> bytes:
        return self.encode(fields | ({"value": "ten"}, {"clicks": "many"}, {"conversions": "two"})[noise % 3])

    def undecodable(self, fields: Fields, noise: int) -> bytes:
        if noise % 2:
            return ",".join(fields.values()).encode() + b",surplus,cells"  # a CSV row that ingestion could not parse
        return broken_json(self.encode(fields), noise // 2)

    def oversized(self, fields: Fields) -> bytes:
        return self.encode(fields | {"padding": "x" * OVERSIZED_BYTES})


@lru_cache(maxsize=64)
def _date(days: int) -> str:
    return date.fromordinal(date(1970, 1, 1).toordinal() + days).isoformat()


def _identifier(prefix: str, number: pl.Expr, digits: int) -> pl.Expr:
    return pl.concat_str(pl.lit(prefix), number.cast(pl.String).str.zfill(digits))

"""Independent reference implementation: evaluates every message without code of the simulator or of processing."""

import io
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import fastavro

from advertisex.feeds.bids import AVRO_SCHEMA

MEBIBYTE = 1_048_576
SCHEMA = fastavro.parse_schema(AVRO_SCHEMA)
HEADER = b"\xc3\x01" + bytes.fromhex(
    fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(AVRO_SCHEMA), "CRC-64-AVRO")
)
REQUIRED = {
    "impressions": ("user_id", "timestamp", "creative_id", "website"),
    "clicks": ("user_id", "timestamp", "campaign", "conversion"),
    "bids": ("user_id", "timestamp"),
}
IDENTITY = {
    "impressions": ("user_id", "time", "website", "creative_id", "auction_id"),
    "clicks": (
        "user_id",
        "time",
        "campaign",
        "conversion",
        "clicks",
        "conversions",
        "value",
        "currency",
        "transaction_id",
        "click_id",
    ),
    "bids": ("user_id", "time", "creative_id", "auction_id", "amount", "currency"),
}
PLACEHOLDERS = {"null", "undefined", "n/a", "-", "0", "none", "unknown", "nan"}
WEBSITE = re.compile(r"(https?://)?[a-z0-9-]+(\.[a-z0-9-]+)+(/\S*)?")


def decode(feed: str, message: bytes) -> dict[str, Any] | str:
    """The fields, or the reason code if the message cannot be decoded."""
    if not message:
        return "empty_message"
    if len(message) > MEBIBYTE:
        return "oversized"
    if feed == "bids" and message[:1] == b"\xc3":
        return from_avro(message)
    try:
        value = json.loads(message.decode())
    except ValueError:
        return "undecodable"
    if not isinstance(value, dict):
        return "not_an_object"
    fields = {name.removeprefix("ad_"): field for name, field in value.items()}
    texts = [fields.get(name) for name in ("user_id", "creative_id", "website")]
    return "wrong_type" if any(isinstance(text, dict | list | bool | float) for text in texts) else fields


def from_avro(message: bytes) -> dict[str, Any] | str:
    if message[:10] != HEADER:
        return "undecodable"
    body = io.BytesIO(message[10:])
    try:
        record = fastavro.schemaless_reader(body, SCHEMA, None)
    except (EOFError, IndexError):
        return "undecodable"
    assert not body.read()
    return flatten(record)


def flatten(record: Any) -> dict[str, Any]:
    return {**record["user_info"], **record["auction"], "targeting": record["targeting"]}


def parse_time(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def parse_number(value: Any) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def evaluate(  # noqa: PLR0911 - a list of rules, each with its own result
    feed: str, fields: dict[str, Any], policy: dict[str, list[str]]
) -> str | tuple[Any, ...]:
    """The reason code for which an event is rejected or filtered, or its identity."""
    if any(fields.get(name) in (None, "") for name in REQUIRED[feed]):
        return "missing_field"
    numbers = {n: fields[n] for n in ("clicks", "conversions", "value", "amount") if fields.get(n) not in (None, "")}
    read = {name: parse_number(value) for name, value in numbers.items()}
    if None in read.values():
        return "wrong_type"
    time = parse_time(fields["timestamp"])
    if time is None:
        return "bad_timestamp"
    if not datetime(2000, 1, 1, tzinfo=UTC) < time < datetime.now(UTC) + timedelta(days=1):
        return "timestamp_out_of_range"
    website = fields.get("website")
    if website is not None and not WEBSITE.fullmatch(website):
        return "bad_website"
    user = fields["user_id"]
    if user.lower() in PLACEHOLDERS:
        return "placeholder_user_id"
    ids = [str(fields.get(name)) for name in ("user_id", "creative_id", "campaign", "auction_id")]
    if any(ord(character) < 32 or ord(character) == 127 for text in ids for character in text):
        return "control_character"
    for name, value in read.items():
        may_be_negative = name == "value" and fields["conversion"] == "refund"
        if value is not None and ((value < 0 and not may_be_negative) or not math.isfinite(value)):
            return "negative_count" if name in ("clicks", "conversions") else "bad_amount"
    if re.fullmatch("-[0-9]+", user):
        return "negative_user_id"
    if user in policy["blocked_users"]:
        return "blocked_user"
    host = re.sub("https?://", "", website or "").split("/")[0]
    if any(host == site or host.endswith("." + site) for site in policy["blocked_sites"]):
        return "blocked_site"
    fields = {**fields, **read, "time": time}
    return tuple(fields.get(name) or None for name in IDENTITY[feed])


def is_conflict(duplicate: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Whether a duplicate carries a field outside the identity with another value than the stored event."""
    names = ("website", "user_agent", "app", "country", "device", "targeting", "placement", "cost", "price_paid")
    return any(duplicate.get(name) and duplicate[name] != stored.get(name) for name in names)


class Tally:
    """Counts of one feed's messages, as evaluated by this reference implementation."""

    def __init__(self, feed: str, policy: dict[str, list[str]]) -> None:
        self.feed = feed
        self.policy = policy
        self.reasons: Counter[str] = Counter()
        self.stored: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.duplicates = 0
        self.conflicts = 0

    def add(self, read: Iterable[dict[str, Any] | str]) -> None:
        for fields in read:
            found = fields if isinstance(fields, str) else evaluate(self.feed, fields, self.policy)
            if isinstance(found, str):
                self.reasons[found] += 1
            elif found in self.stored:
                assert isinstance(fields, dict)
                self.duplicates += 1
                self.conflicts += is_conflict(fields, self.stored[found])
            else:
                assert not isinstance(fields, str)
                self.stored[found] = fields

    def as_truth(self, truth: dict[str, Any]) -> dict[str, Any]:
        """In the format of the simulator's truth; reasons missing there are kept, so that the comparison fails."""
        unnamed = set(self.reasons) - set(truth["rejected"]) - set(truth["filtered"])
        return {
            "read": len(self.stored) + self.duplicates + self.reasons.total(),
            "stored": len(self.stored),
            "duplicate": self.duplicates,
            "conflict": self.conflicts,
            "rejected": {reason: self.reasons[reason] for reason in (*truth["rejected"], *sorted(unnamed))},
            "filtered": {reason: self.reasons[reason] for reason in truth["filtered"]},
        }


def analysis(found: dict[str, Tally], campaign_of: dict[str, str]) -> dict[str, Any]:
    """Analysis results over the stored events, in the format of the simulator's truth."""
    steps: dict[str, list[dict[str, Any]]] = {
        name: list(found[name].stored.values()) for name in ("impressions", "clicks", "bids")
    }
    valued = [fields for fields in steps["clicks"] if fields["conversion"] != "click"]
    refunds = [fields for fields in valued if fields["conversion"] == "refund"]
    steps["conversions"] = [fields for fields in valued if fields["conversion"] != "refund"]
    clicks_feed_users = {fields["user_id"] for fields in steps["clicks"]}
    steps["clicks"] = [fields for fields in steps["clicks"] if fields["conversion"] == "click"]
    stored = [*refunds, *(fields for events in steps.values() for fields in events)]
    times = sorted(read for fields in stored if (read := parse_time(fields["timestamp"])))
    by_campaign: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(steps, 0))
    for name, events in steps.items():
        for fields in events:
            by_campaign[fields.get("campaign") or campaign_of[fields["creative_id"]]][name] += 1
    shown = {fields["auction_id"] for fields in steps["impressions"]}
    won = [fields for fields in steps["bids"] if fields["auction_id"] in shown]
    counts = {name: len(events) for name, events in steps.items()}
    return {
        "counts": counts,
        "users": len({fields["user_id"] for fields in stored}),
        "first_event": time_text(times[0]) if times else None,
        "last_event": time_text(times[-1]) if times else None,
        "clicks_feed_users": len(clicks_feed_users),
        "clicks_per_conversion": counts["clicks"] / counts["conversions"] if counts["conversions"] else None,
        "users_of": {name: len({fields["user_id"] for fields in events}) for name, events in steps.items()},
        "value": by_currency((fields["currency"], fields["value"]) for fields in valued),
        "gross_value": by_currency((fields["currency"], fields["value"]) for fields in steps["conversions"]),
        "auctions_won": len(won),
        "bid_value_won": by_currency((fields["currency"], fields["amount"]) for fields in won),
        "by_campaign": dict(by_campaign),
    }


def by_currency(amounts: Iterable[tuple[str, Any]]) -> dict[str, float]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for currency, amount in amounts:
        sums[currency] += Decimal(str(amount))
    return {currency: float(amount) for currency, amount in sums.items()}


def time_text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""The kinds of messages (good, duplicate, conflict or with one fault), and which of them a feed and format can have."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from advertisex.simulator.settings import FaultRates

Medium = Literal["log", "files"]
FeedName = Literal["impressions", "clicks", "bids"]

#: The feeds in the order in which a chunk contains them.
FEED_NAMES: tuple[FeedName, ...] = ("impressions", "clicks", "bids")

REJECTED = (
    "undecodable", "empty_message", "oversized", "not_an_object", "missing_field", "wrong_type",
    "bad_timestamp", "timestamp_out_of_range", "bad_website", "placeholder_user_id", "control_character",
    "negative_count", "bad_amount",
)  # fmt: skip
FILTERED = ("negative_user_id", "blocked_user", "blocked_site")

#: A conflict is a duplicate that differs in a field outside the identity.
GOOD, DUPLICATE, CONFLICT = 0, 1, 2
#: All kinds; the index of a kind is its code in a row of traffic.
KINDS = ("good", "duplicate", "conflict", *REJECTED, *FILTERED)
CODES: Mapping[str, int] = MappingProxyType({name: code for code, name in enumerate(KINDS)})

#: Faults in fields that a feed does not have.
_NO_FIELD: dict[FeedName, frozenset[str]] = {
    "impressions": frozenset({"negative_count", "bad_amount"}),
    "clicks": frozenset({"bad_website", "blocked_site"}),
    "bids": frozenset({"negative_count"}),
}

#: Faults that a feed's format cannot express. NDJSON: a blank line is not a message. CSV: every cell is text, a row
#: always becomes an object, the header has no counts, and csv readers limit the cell size. Avro container: only
#: complete datums of its schema.
_NOT_EXPRESSIBLE: dict[tuple[Medium, FeedName], frozenset[str]] = {
    ("log", "impressions"): frozenset(),
    ("log", "clicks"): frozenset(),
    ("log", "bids"): frozenset({"not_an_object"}),
    ("files", "impressions"): frozenset({"empty_message"}),
    ("files", "clicks"): frozenset({"empty_message", "oversized", "not_an_object", "negative_count"}),
    ("files", "bids"): frozenset({"empty_message", "undecodable", "not_an_object", "wrong_type"}),
}


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The possible faults of one feed in one medium: their codes and rates, in matching order."""

    codes: tuple[int, ...]
    rates: tuple[float, ...]

    @property
    def rejected(self) -> tuple[str, ...]:
        """Reason codes of the faults that processing rejects."""
        return tuple(KINDS[code] for code in self.codes if KINDS[code] in REJECTED)

    @property
    def filtered(self) -> tuple[str, ...]:
        """Reason codes of the faults that processing filters."""
        return tuple(KINDS[code] for code in self.codes if KINDS[code] in FILTERED)


def fault_plan(feed: FeedName, medium: Medium, rates: FaultRates) -> FaultPlan:
    """The faults that this feed and medium can express, with their rates."""
    by_name = asdict(rates)
    impossible = _NO_FIELD[feed] | _NOT_EXPRESSIBLE[medium, feed]
    names = [name for name in (*REJECTED, *FILTERED) if name not in impossible]
    return FaultPlan(tuple(CODES[name] for name in names), tuple(by_name[name] for name in names))

"""The kinds of messages: good, repeated, or with one fault. Which of them a feed's format can express."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from advertisex.ingestion.simulator.settings import FaultRates

Medium = Literal["log", "files"]
FeedName = Literal["impressions", "clicks", "bids"]

#: The feeds in the order in which a chunk gives them.
FEED_NAMES: tuple[FeedName, ...] = ("impressions", "clicks", "bids")

REJECTED = (
    "undecodable", "empty_message", "oversized", "not_an_object", "missing_field", "wrong_type",
    "bad_timestamp", "timestamp_out_of_range", "bad_website", "placeholder_user_id", "control_character",
    "negative_count", "bad_amount",
)  # fmt: skip
FILTERED = ("negative_user_id", "blocked_user", "blocked_site")

GOOD, DUPLICATE = 0, 1
#: Every kind by its code, which is what a row of traffic carries.
KINDS = ("good", "duplicate", *REJECTED, *FILTERED)
CODES: Mapping[str, int] = MappingProxyType({name: code for code, name in enumerate(KINDS)})

#: What each feed has no field for.
_NO_FIELD: dict[FeedName, frozenset[str]] = {
    "impressions": frozenset({"negative_count", "bad_amount"}),
    "clicks": frozenset({"bad_website", "blocked_site"}),
    "bids": frozenset({"negative_count"}),
}

#: What the feed's file format cannot say. A blank line is no message. A cell of a CSV file is text, and a row
#: always becomes an object; its header has no counts; csv readers cap the size of a cell. A container holds
#: whole datums of its schema only.
_NO_FORM: dict[tuple[Medium, FeedName], frozenset[str]] = {
    ("log", "impressions"): frozenset(),
    ("log", "clicks"): frozenset(),
    ("log", "bids"): frozenset({"not_an_object"}),
    ("files", "impressions"): frozenset({"empty_message"}),
    ("files", "clicks"): frozenset({"empty_message", "oversized", "not_an_object", "negative_count"}),
    ("files", "bids"): frozenset({"empty_message", "undecodable", "not_an_object", "wrong_type"}),
}


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The faults that one feed's messages can have in one medium, by code, with their rates."""

    codes: tuple[int, ...]
    rates: tuple[float, ...]

    @property
    def rejected(self) -> tuple[str, ...]:
        """The reasons for which processing will reject."""
        return tuple(KINDS[code] for code in self.codes if KINDS[code] in REJECTED)

    @property
    def filtered(self) -> tuple[str, ...]:
        """The reasons for which processing will filter."""
        return tuple(KINDS[code] for code in self.codes if KINDS[code] in FILTERED)


def fault_plan(feed: FeedName, medium: Medium, rates: FaultRates) -> FaultPlan:
    """What can go wrong in this feed and medium, and how often it shall."""
    by_name = asdict(rates)
    impossible = _NO_FIELD[feed] | _NO_FORM[medium, feed]
    names = [name for name in (*REJECTED, *FILTERED) if name not in impossible]
    return FaultPlan(tuple(CODES[name] for name in names), tuple(by_name[name] for name in names))

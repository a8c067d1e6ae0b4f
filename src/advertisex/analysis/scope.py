"""The scope of a question: a range of event times, a campaign, and an as-of time."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from advertisex.stores.contract import EventStore, Range


@dataclass(frozen=True, slots=True)
class Scope:
    """The events that a question is about. Times are naive UTC; None is unbounded.

    Attributes:
        since: earliest event time, inclusive.
        until: latest event time, exclusive.
        campaign: a single campaign; None selects all events.
        as_of: only events processed by this time (inclusive) count.
    """

    since: datetime | None = None
    until: datetime | None = None
    campaign: str | None = None
    as_of: datetime | None = None

    def settled(self, store: EventStore) -> "Scope":
        """Return the scope with `as_of` capped at the store's last commit, so that the answer is reproducible."""
        last = store.settled()
        return self if last is None else replace(self, as_of=min(last, self.as_of or last))

    @property
    def within(self) -> Range:
        """The range to pass to a store."""
        return Range(self.since, self.until, self.as_of)

    def to_dict(self) -> dict[str, Any]:
        """Return the scope as a JSON object: ISO 8601 times with Z, null if unbounded."""
        return {
            "since": None if self.since is None else self.since.isoformat() + "Z",
            "until": None if self.until is None else self.until.isoformat() + "Z",
            "campaign": self.campaign,
            "as_of": None if self.as_of is None else self.as_of.isoformat() + "Z",
        }

    def text(self) -> str:
        """Return the scope as human-readable text; empty if unbounded."""
        bounds = [f"{name.replace('_', ' ')} {value}" for name, value in self.to_dict().items() if value is not None]
        return ", ".join(bounds)

"""What a question is asked about: a range of event times, a campaign, and the store as it was."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from advertisex.stores.contract import EventStore, Range


@dataclass(frozen=True, slots=True)
class Scope:
    """Which events a question is about. Times are UTC without a zone; None is unbounded.

    Attributes:
        since: event times from then on.
        until: event times before then.
        campaign: of one campaign, or of all.
        as_of: the answer as it was then, when only what had been processed by then was stored.
    """

    since: datetime | None = None
    until: datetime | None = None
    campaign: str | None = None
    as_of: datetime | None = None

    def settled(self, store: EventStore) -> "Scope":
        """The same, as of the store's last commit where that is earlier: asked again, it is answered the same."""
        last = store.settled()
        return self if last is None else replace(self, as_of=min(last, self.as_of or last))

    @property
    def within(self) -> Range:
        """The range, as stores take it."""
        return Range(self.since, self.until, self.as_of)

    def to_dict(self) -> dict[str, Any]:
        """The scope as JSON: ISO times with Z, null where unbounded."""
        return {
            "since": None if self.since is None else self.since.isoformat() + "Z",
            "until": None if self.until is None else self.until.isoformat() + "Z",
            "campaign": self.campaign,
            "as_of": None if self.as_of is None else self.as_of.isoformat() + "Z",
        }

    def text(self) -> str:
        """The scope in words; empty for everything."""
        bounds = [f"{name.replace('_', ' ')} {value}" for name, value in self.to_dict().items() if value is not None]
        return ", ".join(bounds)

"""What a question is asked about: a range of event times, and a campaign."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from advertisex.stores.contract import Range


@dataclass(frozen=True, slots=True)
class Scope:
    """Events from `since` (inclusive) to `until` (exclusive), UTC without a zone, of one campaign or of all."""

    since: datetime | None = None
    until: datetime | None = None
    campaign: str | None = None

    @property
    def within(self) -> Range:
        """The range, as stores take it."""
        return Range(self.since, self.until)

    def to_dict(self) -> dict[str, Any]:
        """The scope as JSON: ISO times with Z, null where unbounded."""
        return {
            "since": None if self.since is None else self.since.isoformat() + "Z",
            "until": None if self.until is None else self.until.isoformat() + "Z",
            "campaign": self.campaign,
        }

    def text(self) -> str:
        """The scope in words; empty for everything."""
        bounds = [f"{name} {value}" for name, value in self.to_dict().items() if value is not None]
        return ", ".join(bounds)

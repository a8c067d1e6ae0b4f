"""The scope of a question: a range of event times, a campaign, and an as-of time."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from advertisex.analysis.arguments import check_time
from advertisex.errors import ConfigurationError
from advertisex.stores.contract import EventStore, Range


@dataclass(frozen=True, slots=True)
class Scope:
    """The events that a question is about. Times are naive UTC; those with a zone are converted. None is unbounded.

    Attributes:
        since: earliest event time, inclusive.
        until: latest event time, exclusive.
        campaign: a single campaign; None selects all events.
        as_of: only events processed by this time (inclusive) count.

    Raises:
        ConfigurationError: a time is not a datetime, the campaign is not a string, or the range is empty.
    """

    since: datetime | None = None
    until: datetime | None = None
    campaign: str | None = None
    as_of: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until", "as_of"):
            if (time := getattr(self, name)) is not None:
                object.__setattr__(self, name, check_time(time, name))
        if not isinstance(self.campaign, str | None):
            raise ConfigurationError(f"campaign: {self.campaign!r} is not a string", hint="use the id of a campaign")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ConfigurationError(
                f"the range is empty: {self.text()}", hint="`since` (--since) must be before `until` (--until)"
            )

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


def check_scope(scope: object) -> Scope:
    """Return the argument of a question if it is a scope.

    Raises:
        ConfigurationError: it is not.
    """
    if not isinstance(scope, Scope):
        raise ConfigurationError(f"scope: {scope!r} is not a Scope", hint='use Scope(campaign="camp-1"), for example')
    return scope

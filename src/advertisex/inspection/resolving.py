"""What a resolution of rejects would mark, and what it has marked."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Event
from typing import Any

from advertisex.inspection.reading import utc
from advertisex.rejects.export import resolution_document
from advertisex.rejects.resolve import checked_note, resolvable, resolve
from advertisex.stores.contract import EventStore, RejectQuery
from advertisex.stores.resolutions import Resolution


@dataclass(frozen=True, slots=True)
class Resolvable:
    """How many rejects would be marked, and as of when they were counted."""

    rejects: int
    as_of: datetime | None

    def document(self) -> dict[str, Any]:
        """What the API gives."""
        return {"rejects": self.rejects, "as_of": utc(self.as_of)}


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resolution, and how many of the selected rejects needed none."""

    record: Resolution
    already: int

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        kept = resolution_document(self.record) | {"id": self.record.id if self.record.rejects else None}
        return kept | {"already": self.already}


def counted(store: EventStore, query: RejectQuery, note: str = "", *, reopen: bool = False) -> Resolvable:
    """Count the rejects that would be marked, without those that come later.

    Raises:
        ConfigurationError: the note is not valid.
    """
    checked_note(store, note)
    as_of = query.as_of or store.settled()
    return Resolvable(_number_of(store, resolvable(replace(query, as_of=as_of), reopen=reopen)), as_of)


def resolved(
    store: EventStore,
    query: RejectQuery,
    note: str,
    *,
    reopen: bool,
    by: str | None = None,
    stop: Event | None = None,
    on_progress: Callable[[int], None] = lambda rejects: None,
) -> Resolved:
    """Mark rejects; see `resolve`."""
    record = resolve(store, query, note, reopen=reopen, by=by, stop=stop, on_progress=on_progress)
    return Resolved(record, max(0, _number_of(store, replace(query, resolved=not reopen)) - record.rejects))


def _number_of(store: EventStore, query: RejectQuery) -> int:
    return int(store.reject_counts(query)["count"].sum())

"""Sources: how far each has been read, and whether it fails."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from advertisex.analysis.answer import Table
from advertisex.ingestion.configured import sources_of
from advertisex.ingestion.known_sources import known_sources
from advertisex.ingestion.source_status import SourceStatus
from advertisex.inspection.place import Place
from advertisex.inspection.reading import Reading, utc
from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log

_SQLITE = "sqlite:///"
#: A poll may take some time; a next try that is this far in the past is overdue, in microseconds.
_OVERDUE = 60_000_000

_TIME = pl.Datetime("us")
_COLUMNS: dict[str, Any] = {
    "source": pl.String, "feed": pl.String, "state": pl.String, "last_success": _TIME, "next_try": pl.String,
    "messages": pl.Int64, "seen_before": pl.Int64, "position": pl.String, "last_failure": _TIME,
    "last_error": pl.String, "address": pl.String, "id": pl.String,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sources(Reading):
    """The status of every source, by name.

    Attributes:
        known: the sources.
        now: the time at which they were read, in microseconds since the epoch (UTC).
    """

    known: Sequence[SourceStatus]
    now: int

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"sources": [_document(status) for status in self.known]}

    def tables(self) -> list[Table]:
        """One row for each source."""
        rows = [
            (
                status.name, status.feed, state_of(status), time_of(status.succeeded_at), self.next_try(status),
                status.messages, status.seen, status.position or None, time_of(status.failed_at),
                status.last_error or None, status.address, status.id,
            )
            for status in self.known
        ]  # fmt: skip
        frame = pl.DataFrame(rows, schema=_COLUMNS, orient="row")
        return [Table("sources", "Sources", frame, keys=("source",), prose=("last_error",))]

    def notes(self) -> list[str]:
        """What to do without sources."""
        if self.known:
            return []
        return [
            "No source is configured, and none has been read incrementally: `advertisex init` writes the settings of "
            "yours; files that `advertisex ingest` reads once are not listed."
        ]

    def next_try(self, status: SourceStatus) -> str:
        """When a source is polled next."""
        if not status.next_at:
            return "not followed"
        if status.next_at <= self.now:
            return "overdue" if status.next_at < self.now - _OVERDUE else "now"
        return f"{datetime.fromtimestamp(status.next_at / 1e6, UTC):%H:%M:%S}"


def sources(place: Place) -> Sources:
    """Show how far each source has been read: APIs, object stores and followed files."""
    with log_to_read(place) as log:
        return Sources(known_sources(log, sources_of(place.settings)), time.time_ns() // 1000)


def log_to_read(place: Place) -> AbstractContextManager[EventLog]:
    """Open the log; one that does not exist yet is empty."""
    url = place.settings.log_url
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        return open_log(f"{_SQLITE}:memory:")
    return place.log()


def state_of(status: SourceStatus) -> str:
    """Whether a source can be read, as a word."""
    if status.is_failing:
        return "failing"
    return "good" if status.succeeded_at else "never read"


def time_of(micros: int) -> datetime | None:
    """A time in microseconds since the epoch, as naive UTC; 0 is none."""
    return datetime.fromtimestamp(micros / 1e6, UTC).replace(tzinfo=None) if micros else None


def _document(status: SourceStatus) -> dict[str, Any]:
    return {
        "id": status.id,
        "name": status.name,
        "feed": status.feed,
        "kind": status.kind,
        "address": status.address,
        "position": status.position or None,
        "last_success": utc(time_of(status.succeeded_at)),
        "last_append": utc(time_of(status.appended_at)),
        "last_poll": utc(time_of(status.polled_at)),
        "next_try": utc(time_of(status.next_at)),
        "pages": status.pages,
        "messages": status.messages,
        "seen": status.seen,
        "failing": status.is_failing,
        "last_failure": utc(time_of(status.failed_at)),
        "last_error": status.last_error or None,
    }

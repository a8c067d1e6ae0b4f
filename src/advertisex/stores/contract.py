"""The contract of event stores. Every store passes `advertisex.testing.contracts.EventStoreContract`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from types import TracebackType
from typing import Protocol, Self

import polars as pl

from advertisex.feeds import Feed
from advertisex.model import STORED_REJECT_COLUMNS, Counts, Finding, LedgerRow, Outcome, Partition, Position
from advertisex.stores.removal import Removal

#: Kinds of the notes that record erased users, and resolutions of rejects; they are never removed.
ERASURES, RESOLUTIONS = "erasures", "resolutions"


@dataclass(frozen=True, slots=True)
class Range:
    """Which events to read. All times are naive UTC; None means unbounded.

    Attributes:
        since: earliest event time (inclusive).
        until: latest event time (exclusive).
        as_of: latest `processed_at` (inclusive): the store as it was at that time.
        ingested_since: earliest `ingested_at` (inclusive).
        ingested_until: latest `ingested_at` (exclusive).
        having: amounts; only events that have a value of any of them. Empty: all events.
        lacking: amounts; only events that have a value of none of them.
    """

    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    ingested_since: datetime | None = None
    ingested_until: datetime | None = None
    having: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


def intervals(within: Range, edges: Sequence[datetime]) -> list[tuple[int, Range]]:
    """Divide a range at these times, see `EventStore.count`: the number of each interval, and its part of the range.

    Intervals before the start of the range are left out: a store may have moved it, to leave out what is not kept.
    """
    parts = []
    floor = within.since
    for number, (since, until) in enumerate(pairwise([floor, *edges, within.until])):
        begin = since if floor is None or since is None else max(since, floor)
        if number == len(edges) or floor is None or (until is not None and floor < until):
            parts.append((number, replace(within, since=begin, until=until)))
    return parts


@dataclass(frozen=True, slots=True)
class Extent:
    """Number of events, and their first and last event time (None without events)."""

    events: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class RejectQuery:
    """Which rejects to read; None means any. All times are naive UTC.

    Attributes:
        reason: reason code.
        feed: name of the feed.
        since: earliest `ingested_at` (inclusive).
        until: latest `ingested_at` (exclusive).
        as_of: latest `processed_at` (inclusive).
        after: only messages at a later position: in a later partition, or at a later offset of the same one.
        limit: maximum number of rows, in order of position.
        kind: `rejected`, `filtered` or `conflict`.
        positions: only messages at these positions.
        replayed: only messages that have (True) or have not (False) been replayed.
        resolved: only rejects that are resolved (True) or open (False).
    """

    reason: str | None = None
    feed: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    limit: int | None = None
    kind: str | None = None
    positions: Collection[Position] | None = None
    replayed: bool | None = None
    resolved: bool | None = None
    after: Position | None = None


class EventStore(Protocol):
    """Stored events, rejects and the ledger.

    The ledger row is the checkpoint: `commit` writes it last (or in the same transaction), so after a crash at any
    point `positions` resumes with nothing lost and nothing counted twice.

    Reads are safe from any thread, also during a commit, and see committed data.
    """

    def prepare(self, feeds: Mapping[str, Feed]) -> None:
        """Add the columns of the feeds' own fields that the store does not have yet. Call it before `commit`.

        Args:
            feeds: feeds by name, as configured.

        Raises:
            ConfigurationError: the store has a column of that name and another dtype.
            StoreError: the store cannot be written.
        """
        ...

    def columns(self, feed: str) -> dict[str, pl.DataType]:
        """The feed-specific columns of stored events with their dtypes, including own fields of any configuration."""
        ...

    def rebuilt_at(self) -> datetime | None:
        """When the store was rebuilt from the log; None if never. It does not know how it was before (`as_of`)."""
        ...

    def kept_since(self) -> datetime | None:
        """The time before which the store keeps nothing, see `drop_before`; None if it never dropped anything."""
        ...

    def positions(self) -> dict[Partition, int]:
        """The next offset to process, for every partition in the ledger."""
        ...

    def commit(self, outcome: Outcome) -> Counts:
        """Store the events that are not stored yet, all rejects, and the ledger row that accounts for both.

        A duplicate that conflicts with the stored event becomes a reject of kind `conflict` (see `conflicts`). An
        outcome without messages moves the ledger, too, past the offsets that are lost.

        Returns:
            The counts that this outcome added to the ledger.

        Raises:
            LedgerMoved: the ledger is not at the span's start, or a user was erased or `kept_since` moved after the
                outcome was created; nothing was counted.
            StoreError: the span belongs to a different log than the ledger; nothing was written.
            StoreError: the partition's ledger row is gone since this store last read or wrote it; nothing was written.
            StoreError: a part of the store was deleted or changed by something else; nothing was counted.
            StoreError: the write failed; either nothing was written, or the same commit can be retried.
        """
        ...

    def ledger(self) -> list[LedgerRow]:
        """One row per partition, ordered by topic and partition.

        A row carries the identity of the log that its spans come from: the first non-empty one that was committed. Its
        `append_id` is that of the last committed batch, even if that is empty.
        """
        ...

    def rejects(self, query: RejectQuery) -> pl.DataFrame:
        """All of `scan_rejects` as one frame: `STORED_REJECT_COLUMNS`, ordered by topic, partition, offset."""
        ...

    def scan_rejects(
        self, query: RejectQuery, columns: Sequence[str] = tuple(STORED_REJECT_COLUMNS)
    ) -> Iterator[pl.DataFrame]:
        """Rejects as frames of bounded size, in the order of `rejects`; without `payload`, no message is read.

        The frames are a snapshot taken when the first is requested; later commits and marks do not affect it.
        """
        ...

    def mark_replayed(self, replays: Mapping[Position, Position]) -> None:
        """Record on rejects the position of their replay, overwriting earlier ones; durable when this returns.

        Positions without a reject are ignored.

        Raises:
            StoreError: the write failed; some of the rejects may be marked.
        """
        ...

    def mark_resolved(self, resolutions: Mapping[Position, str | None]) -> None:
        """Record on rejects the id of their resolution, or None to reopen them; durable when this returns.

        Nothing is deleted and no count of the ledger changes. Positions without a reject are ignored.

        Raises:
            StoreError: the write failed; some of the rejects may be marked.
        """
        ...

    def reject_counts(self, query: RejectQuery) -> pl.DataFrame:
        """Count rejects by feed, kind, reason and hour of ingestion.

        Returns:
            feed, kind, reason, hour (Datetime µs, start of the hour), count (i64), ordered by these; `limit` is
            ignored.
        """
        ...

    def commits(self, since: datetime | None = None) -> pl.DataFrame:
        """The ledger history: what each commit added to the ledger, ordered by topic, partition and offset.

        Args:
            since: only commits at or after this time.

        Returns:
            `COMMIT_COLUMNS`. The sums over a partition's whole history equal its ledger row.
        """
        ...

    def settled(self) -> datetime | None:
        """Time of the last commit or import of the catalogue; None before the first.

        A query as of this time (`Range.as_of`) always returns the same result, because later commits have later
        times. Exceptions: with several writing processes, another one may still commit a batch that it started before;
        and retention removes old events for good.
        """
        ...

    def extent(self, feed: str, within: Range) -> Extent:
        """Number of events of a feed within a range, and their first and last event time."""
        ...

    def last_time(self, feed: str, within: Range) -> datetime | None:
        """The last event time of a feed within a range; None without events. Reads no earlier events than it must."""
        ...

    def scan(
        self,
        feed: str,
        columns: Sequence[str],
        within: Range,
        slices: range | None = None,
        among: pl.Series | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Stored events of a feed as frames of bounded size, in no particular order.

        Args:
            feed: name of the feed.
            columns: any of the feed's `columns`, `EVENT_COLUMNS`, processed_at, topic, partition.
            within: which events to read.
            slices: only events whose `user_slice` is in this range of consecutive numbers.
            among: only events with one of these values (String, not null) in the column that the series is named after,
                which must be an id of the feed (`FeedField.is_id`).
        """
        ...

    def count(self, feed: str, by: Sequence[str], within: Range, edges: Sequence[datetime] = ()) -> pl.DataFrame:
        """Count the events of a feed by the values of columns, and by interval of event time.

        Args:
            feed: name of the feed.
            by: one or more of the feed's `columns` that are texts, flags or counts.
            within: which events to count.
            edges: where the intervals begin; ascending, each later than the start of the range and before its end.

        Returns:
            The columns of `by` (null for events without a value), `_interval` (u32: number of edges at or before the
            events) and `_events` (i64): one row for each combination that occurs, in no particular order.
        """
        ...

    def import_catalogue(self, creatives: pl.DataFrame, campaigns: pl.DataFrame | None = None) -> datetime:
        """Replace the catalogue, both tables of it; earlier ones are kept for questions as of earlier times.

        Args:
            creatives: `CATALOGUE_COLUMNS`.
            campaigns: `CAMPAIGN_COLUMNS`; None: the new catalogue has no flights of campaigns.

        Returns:
            The commit time of the import, later than any before.

        Raises:
            StoreError: the write failed; the call can be repeated.
        """
        ...

    def catalogue(self, as_of: datetime | None = None) -> pl.DataFrame:
        """The creatives of the catalogue as of a time (inclusive), or now; empty before the first import.

        Returns:
            `CATALOGUE_COLUMNS`, ordered by creative and time.
        """
        ...

    def campaigns(self, as_of: datetime | None = None) -> pl.DataFrame:
        """The campaigns of the catalogue as of a time (inclusive), or now; empty before the first import.

        Returns:
            `CAMPAIGN_COLUMNS`, one row for each flight, ordered by campaign and start.
        """
        ...

    def catalogue_imports(self) -> list[datetime]:
        """The commit times of all imports of the catalogue, ascending."""
        ...

    def user_totals(self, within: Range, campaign: str | None) -> pl.DataFrame:
        """Clicks and conversions per user: user_id, clicks (i64), conversions (i64), ordered by user_id.

        Args:
            within: which events to count.
            campaign: only this campaign; None for all.
        """
        ...

    def notes(self, kind: str) -> dict[str, bytes]:
        """The notes of a kind, by key. Notes are small documents about the events, such as alert states."""
        ...

    def take_note(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        """Write notes of a kind, replacing those with the same keys; None deletes one. Durable when this returns.

        Raises:
            StoreError: the write failed; some of the notes may be written.
        """
        ...

    def suppress(self, key: str, document: bytes) -> dict[Partition, int]:
        """Write a note of the kind `ERASURES`. From then on, an outcome that was created without it is rejected.

        Returns:
            The next offset of each partition at that point.

        Raises:
            StoreError: the write failed; the call can be retried.
        """
        ...

    def remove(self, removal: Removal) -> pl.DataFrame:
        """Remove events and rejects, and count them as erased; calling it again after a crash completes it.

        No other process may use a store in a file meanwhile: the file is rewritten to drop the deleted bytes.

        Returns:
            `REMOVED_COLUMNS`: what this erasure removed, including earlier attempts, by feed and kind.

        Raises:
            StoreBusy: everything is removed, but another process has opened the file; the call can be retried.
            StoreError: the write failed; the call can be retried.
        """
        ...

    def period_start(self, time: datetime) -> datetime:
        """The start of the period of event time (day or month) that contains a time: a store drops whole periods."""
        ...

    def drop_before(self, floor: datetime) -> Counts:
        """Keep only events from a time on, and rejects that were ingested from that time on.

        The floor takes effect when it is recorded as `kept_since`: no answer contains an earlier event any more, and
        outcomes that were created with an earlier floor are rejected, so nothing below it is ever stored again. What is
        below it is then counted as removed and deleted. A floor never moves back: an earlier one only completes what an
        interrupted call has left. Several processes may call it at once.

        Args:
            floor: the start of a period (`period_start`), or `kept_since` of a store that this one replaces.

        Returns:
            What this call counted as removed.

        Raises:
            StoreError: the write failed; the call can be repeated.
        """
        ...

    @property
    def retries(self) -> int:
        """Number of requests to the server that were retried since the store was opened."""
        ...

    def inspect(self) -> list[Finding]:
        """Check the store: whether it responds, its version, and any problems."""
        ...

    def interrupt(self) -> None:
        """Make a commit that is waiting for its server fail with StoreError; one that makes progress continues.

        Safe from any thread and from a signal handler. Without it, a commit waits indefinitely for a server.
        """
        ...

    def close(self) -> None:
        """Release the store; safe to call twice."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

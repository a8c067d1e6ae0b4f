"""What an event store promises. Every store passes `tests/contracts/test_stores.py`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import polars as pl

from advertisex.batches import Counts, LedgerRow, Outcome, Partition
from advertisex.findings import Finding


@dataclass(frozen=True, slots=True)
class Range:
    """Which events: by their times, and by when they were stored. All UTC without a zone; None is unbounded.

    Attributes:
        since: event times from then on.
        until: event times before then.
        as_of: processed by then (inclusive): the store as it was at that time.
        ingested_since: appended to the log from then on.
        ingested_until: appended before then.
    """

    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    ingested_since: datetime | None = None
    ingested_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """How many events there are, and their first and last event time (None where there is none)."""

    events: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class RejectQuery:
    """Which rejected and filtered messages are asked for; None means any.

    Attributes:
        reason: a reason code.
        feed: a feed's name.
        since: ingested from then on, UTC without a zone.
        until: ingested before then.
        as_of: processed by then (inclusive).
        limit: at most so many rows; the oldest positions come first.
    """

    reason: str | None = None
    feed: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    limit: int | None = None


class EventStore(Protocol):
    """Stored events, rejects and the ledger.

    The ledger row is the checkpoint: `commit` writes it last (or together with the rest), so a crash at any moment
    leaves a store from which `positions` resumes, with nothing lost and nothing counted twice.

    Reading is safe from any thread, also while another commits: what it sees is committed.
    """

    def positions(self) -> dict[Partition, int]:
        """For every partition in the ledger, the offset at which processing goes on."""
        ...

    def commit(self, outcome: Outcome) -> Counts:
        """Store the events that are not stored yet, all rejects, and the ledger row that accounts for both.

        Returns:
            What this outcome added to the ledger.

        Raises:
            LedgerMoved: the ledger does not stand at the span's start; nothing was written.
            StoreError: the span is of another log than the ledger; nothing was written.
            StoreError: the partition's ledger row is gone, which this store has read or written; nothing was written.
            StoreError: the store cannot be written; nothing was written, or the same commit can be repeated.
        """
        ...

    def ledger(self) -> list[LedgerRow]:
        """One row for each partition, ordered by topic and partition.

        A row names the log of the spans that were committed; if they named none, the first that does is taken.
        """
        ...

    def rejects(self, query: RejectQuery) -> pl.DataFrame:
        """Rejects with topic, partition, feed and `REJECT_COLUMNS`, ordered by topic, partition, offset."""
        ...

    def reject_counts(self, query: RejectQuery) -> pl.DataFrame:
        """Rejects counted by feed, kind, reason and the hour of their ingestion.

        Returns:
            feed, kind, reason, hour (Datetime µs, its beginning), count (i64), ordered by these; `limit` is not
            applied.
        """
        ...

    def commits(self, since: datetime | None = None) -> pl.DataFrame:
        """The history of the ledger: what each commit added to it, in the order of topic, partition and offset.

        Args:
            since: only commits that were made from then on.

        Returns:
            `COMMIT_COLUMNS`. The sums over a partition's whole history are its ledger row.
        """
        ...

    def settled(self) -> datetime | None:
        """When the last commit was made; None before the first.

        Asked as of then (`Range.as_of`), the store gives the same for ever: what comes later bears a later time. Only
        where several processes are storing just now, a batch of another one that was begun before may still come.
        """
        ...

    def extent(self, feed: str, within: Range) -> Extent:
        """How many events of a feed lie within, and from when to when."""
        ...

    def scan(self, feed: str, columns: Sequence[str], within: Range) -> Iterator[pl.DataFrame]:
        """Stored events of a feed as frames of bounded size, in no particular order.

        Args:
            feed: its name.
            columns: any of the feed's columns, `EVENT_COLUMNS`, processed_at, topic, partition.
            within: which events.
        """
        ...

    def user_totals(self, within: Range, campaign: str | None) -> pl.DataFrame:
        """Clicks and conversions of each user: user_id, clicks (i64), conversions (i64), ordered by user_id.

        Args:
            within: which events.
            campaign: one campaign's rows, or None for all.
        """
        ...

    def notes(self, kind: str) -> dict[str, bytes]:
        """The notes of a kind, by key: small documents about the events, such as how alerts stand."""
        ...

    def take_note(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        """Write notes of a kind over those of the same keys; None removes one. They are durable when this returns.

        Raises:
            StoreError: the store cannot be written; some of the notes may be.
        """
        ...

    def inspect(self) -> list[Finding]:
        """What an engineer wants to know of the store: whether it answers, its version, what is wrong."""
        ...

    def interrupt(self) -> None:
        """Let a commit that waits for its server give up with StoreError; one that gets on goes on.

        Safe from any thread and from a signal handler. Without it, a commit waits for as long as the server is away.
        """
        ...

    def close(self) -> None:
        """Release the store; calling it twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

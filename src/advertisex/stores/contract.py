"""What an event store promises. Every store passes `tests/contracts/test_stores.py`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import polars as pl

from advertisex.batches import Counts, LedgerRow, Outcome, Partition, Position
from advertisex.findings import Finding

#: The kind of the notes that say which users were erased; they are never removed.
ERASURES = "erasures"


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
        kind: `rejected` or `filtered`.
        positions: only those of these messages.
        replayed: only those that were, or were not, replayed.
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


@dataclass(frozen=True, slots=True)
class Removal:
    """What an erasure takes away.

    Attributes:
        erasure: its id: what it has counted, it does not count again.
        users: the ids, as they are stored, whose events go.
        rejects: topic, partition, offset, feed and kind of the rejects that go.
        bounds: where each partition stood when the erasure began: what is stored from there on was never counted, but
            left by a commit that was broken off.
    """

    erasure: str
    users: Collection[str]
    rejects: pl.DataFrame
    bounds: Mapping[Partition, int]


#: How many rows of a feed and kind an erasure has removed; the kind is `event`, `filtered` or `rejected`.
REMOVED_COLUMNS: dict[str, pl.DataType] = {"feed": pl.String(), "kind": pl.String(), "count": pl.Int64()}
#: What the ledger counts each kind as, until it is erased.
COUNTED_AS = {"event": "stored", "filtered": "filtered", "rejected": "rejected"}


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
            LedgerMoved: the ledger does not stand at the span's start, or a user was erased since the outcome was made;
                nothing was written.
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
        """Rejects with `STORED_REJECT_COLUMNS`, ordered by topic, partition, offset: all of `scan_rejects` as one."""
        ...

    def scan_rejects(self, query: RejectQuery) -> Iterator[pl.DataFrame]:
        """Rejects as frames of bounded size, in the order and with the columns of `rejects`.

        They are as they were when the first was asked for, whatever is committed or marked meanwhile.
        """
        ...

    def mark_replayed(self, replays: Mapping[Position, Position]) -> None:
        """Note on rejects where their replays are in the log, over what was noted before; durable when this returns.

        A position that is no reject is passed over.

        Raises:
            StoreError: the store cannot be written; some of the rejects may be marked.
        """
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

    def suppress(self, key: str, document: bytes) -> dict[Partition, int]:
        """Write a note of the kind `ERASURES`. From then on, no outcome is committed that was made without it.

        Returns:
            Where each partition then stands.

        Raises:
            StoreError: the store cannot be written; the same can be repeated.
        """
        ...

    def remove(self, removal: Removal) -> pl.DataFrame:
        """Remove events and rejects, and count them as erased; repeating it after a crash completes it.

        Nobody else may use a store in a file meanwhile: it is written anew, so that the bytes are gone from it.

        Returns:
            `REMOVED_COLUMNS`: what was there and is removed, also before it broke off once, by feed and kind.

        Raises:
            StoreError: the store cannot be written; the same can be repeated.
        """
        ...

    @property
    def retries(self) -> int:
        """How often a request to its server was tried again since it was opened."""
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

"""The plain data that flows: batches of messages in, outcomes out, and a ledger that accounts for both.

Frames and their columns:
    messages   `Batch`: payloads, offsets and ingestion times, as columns of equal length
    events     `EVENT_COLUMNS` and the feed's own columns
    rejects    `REJECT_COLUMNS`
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import NamedTuple

import polars as pl

#: Decimal places of exact amounts: money and credits.
MONEY, CREDIT = 12, 9

#: A position as text. The digit limits keep both numbers within the stores' integer columns.
_POSITION = re.compile(r"(.+)/([0-9]{1,9})/([0-9]{1,18})", re.ASCII | re.DOTALL)

#: Number of user slices: a question can be computed slice by slice, because all events of a user are in one slice.
USER_SLICES = 4096

#: Columns of every stored event besides those of its feed: identity, slice of the user, provenance, ingestion time
#: (UTC, µs).
EVENT_COLUMNS: dict[str, pl.DataType] = {
    "event_id": pl.Binary(),
    "user_slice": pl.Int16(),
    "offset": pl.Int64(),
    "ingested_at": pl.Datetime("us"),
}

#: Prefix of the columns that tell whether a message carries a value, see `Outcome`.
CARRIED = "carried."

#: Columns of a reject: a message that is kept whole because it was rejected, filtered, or is a conflicting duplicate.
#: The outcome carries its topic, partition and feed.
REJECT_COLUMNS: dict[str, pl.DataType] = {
    "offset": pl.Int64(),
    "kind": pl.String(),
    "stage": pl.String(),
    "reason": pl.String(),
    "detail": pl.String(),
    "payload": pl.Binary(),
    "ingested_at": pl.Datetime("us"),
}

#: Columns of a stored reject; `replayed_to` is the position of its replay as text, null if it was never replayed;
#: `resolution` is the id of the resolution that marked it as dealt with, null if it is open.
STORED_REJECT_COLUMNS: dict[str, pl.DataType] = {
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
    "feed": pl.String(),
    **{name: dtype for name, dtype in REJECT_COLUMNS.items() if name != "offset"},
    "processed_at": pl.Datetime("us"),
    "replayed_to": pl.String(),
    "resolution": pl.String(),
}

#: Columns of marks on rejects: the position of the reject, and the mark; null takes it off.
MARK_COLUMNS: dict[str, pl.DataType] = {
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
    "mark": pl.String(),
}

#: Columns of the creatives of the catalogue. A row holds from `valid_from` (event time, naive UTC; null: always) until
#: the next row of its creative.
CATALOGUE_COLUMNS: dict[str, pl.DataType] = {
    "creative_id": pl.String(),
    "campaign_id": pl.String(),
    "advertiser_id": pl.String(),
    "valid_from": pl.Datetime("us"),
}

#: Columns of the campaigns of the catalogue, one row for each flight: what was booked from `start` (inclusive) to `end`
#: (exclusive), naive UTC. Flights of a campaign do not overlap, and have one currency. `rate_type` is one of
#: `RATE_TYPES`, null without a rate.
CAMPAIGN_COLUMNS: dict[str, pl.DataType] = {
    "campaign_id": pl.String(),
    "start": pl.Datetime("us"),
    "end": pl.Datetime("us"),
    "budget": pl.Decimal(38, MONEY),
    "impressions": pl.Int64(),
    "clicks": pl.Int64(),
    "conversions": pl.Int64(),
    "rate_type": pl.String(),
    "rate": pl.Decimal(38, MONEY),
    "currency": pl.String(),
}

#: What a rate pays for: 1,000 impressions, a click, a conversion, or the whole flight.
RATE_TYPES = ("cpm", "cpc", "cpa", "fixed")

#: Columns of a suppressed message of an erased user: its offset, and the id and time of the event it would have been.
SUPPRESSED_COLUMNS: dict[str, pl.DataType] = {
    "offset": pl.Int64(),
    "event_id": pl.Binary(),
    "event_time": pl.Datetime("us"),
}

#: Payload that replaces a message of an erased user in the log.
TOMBSTONE = b"\x00erased"


class Partition(NamedTuple):
    """One partition of a topic of the event log."""

    topic: str
    partition: int


class Position(NamedTuple):
    """The position of one message in the event log. Its text form, `topic/partition/offset`, is the id of a reject."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def read(cls, text: str) -> "Position":
        """Parse `topic/partition/offset`.

        Raises:
            ValueError: `text` is not a valid position.
        """
        match = _POSITION.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is not a valid position; expected topic/partition/offset")
        return cls(match[1], int(match[2]), int(match[3]))


@dataclass(frozen=True, slots=True)
class Span:
    """A range of offsets of one partition; gaps are allowed.

    Attributes:
        topic: topic of the partition.
        partition: partition number.
        start: first offset, inclusive.
        end: last offset, exclusive.
        epoch: assignment under which the reader read them. It changes when the reader loses the partition or seeks
            back; spans of an older epoch are void.
        log: identity of the log; empty if the log has none.
    """

    topic: str
    partition: int
    start: int
    end: int
    epoch: int = 0
    log: str = ""

    @property
    def of(self) -> Partition:
        """The partition of this span."""
        return Partition(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where consecutive messages of an append come from.

    Attributes:
        source: name of the source, without secrets.
        messages: number of messages.
        lines: the line of the source on which each of them starts, from 1; empty if unknown.
    """

    source: str
    messages: int
    lines: Sequence[int] = ()


class SourceLine(NamedTuple):
    """Where one message comes from: its source, and the line there, if it is known. Its text form is `source:line`."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive messages of one partition, as columns of equal length.

    Attributes:
        span: the offsets read; the next read starts at its end.
        offsets: offset of each message, ascending, all within `span`.
        payloads: complete message payloads.
        ingested_at: append time of each message, in microseconds since the epoch (UTC).
        lost: number of offsets in `span` that the log no longer gives; no gap of another kind counts.
        untimed: number of messages whose append time was missing or implausible; they have the time of reading.
        append_id: identifies the append of the last message; empty if the log has no such thing, see
            `EventLog.append_ids`.
    """

    span: Span
    offsets: Sequence[int]
    payloads: Sequence[bytes]
    ingested_at: Sequence[int]
    lost: int = field(default=0, kw_only=True)
    untimed: int = field(default=0, kw_only=True)
    append_id: str = field(default="", kw_only=True)

    def __len__(self) -> int:
        return len(self.payloads)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of processing a batch. Invariant: `read = events + repeated + rejects + suppressed`.

    The rows of `events` and `repeated` have the columns of the feed and `EVENT_COLUMNS`, and `carried.NAME` (Boolean)
    for columns that are computed if the message does not carry them (see `Feed.carried`).

    Attributes:
        span: span of the batch.
        feed: name of the feed.
        events: events that are unique within the batch, in offset order.
        rejects: rejected and filtered messages, `REJECT_COLUMNS`.
        repeated: events whose identity occurs earlier in the batch, in offset order: duplicates.
        read: number of messages in the batch.
        messages: the batch itself; if the store rejects an event or finds a conflict, the message is kept whole.
        suppressed: messages of erased users, `SUPPRESSED_COLUMNS`; event id and time are null if the message yields no
            event. None of them is stored, and whatever an aborted commit stored of them is removed.
        erasures: number of erasures known when the batch was processed.
        kept_since: the store's `kept_since` when the batch was processed: earlier events are among the filtered ones.
        lost: number of offsets of the span that the log no longer gives.
    """

    span: Span
    feed: str
    events: pl.DataFrame
    rejects: pl.DataFrame
    repeated: pl.DataFrame
    read: int
    messages: Batch
    suppressed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SUPPRESSED_COLUMNS))
    erasures: int = 0
    kept_since: datetime | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """The ledger's counts. Those from `conflict` on are outside the balance.

    `conflict` counts the duplicates that are kept as rejects because they differ from the stored event. `redelivered`
    counts positions that were processed again, and counted when first stored. `removed` counts the stored events that
    retention removed, and `removed_rejects` the rejects: they stay in the counts of the balance. `lost` counts the
    offsets that the log no longer gave: its retention removed the messages before they were read, or they were damaged
    and skipped.
    """

    read: int = 0
    stored: int = 0
    duplicate: int = 0
    filtered: int = 0
    rejected: int = 0
    erased: int = 0
    conflict: int = 0
    redelivered: int = 0
    removed: int = 0
    removed_rejects: int = 0
    lost: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def balanced(self) -> bool:
        """Whether every message read is accounted for."""
        return self.read == self.stored + self.duplicate + self.filtered + self.rejected + self.erased


#: The names of the ledger's counts, in display order.
COUNT_NAMES = tuple(count.name for count in fields(Counts))

#: Columns of the ledger history, one row per commit. `start` and `end` are offsets, as in `Span`.
COMMIT_COLUMNS: dict[str, pl.DataType] = {
    "topic": pl.String(),
    "partition": pl.Int32(),
    "feed": pl.String(),
    "start": pl.Int64(),
    "end": pl.Int64(),
    "committed_at": pl.Datetime("us"),
    **dict.fromkeys(COUNT_NAMES, pl.Int64()),
}


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """State of one partition.

    Attributes:
        topic: topic of the partition.
        partition: partition number.
        next_offset: the checkpoint.
        counts: the counts up to it.
        log: identity of the log; empty if the log has none.
        append_id: `Batch.append_id` of the last batch, which ends at the checkpoint.
    """

    topic: str
    partition: int
    next_offset: int
    counts: Counts
    log: str = ""
    append_id: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check of `advertisex doctor`.

    Attributes:
        what: name of what was checked, such as "broker".
        good: whether the check passed.
        detail: what the check found.
        hint: what to do if it failed.
    """

    what: str
    good: bool
    detail: str
    hint: str = ""

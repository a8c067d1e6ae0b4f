"""The plain data that flows: a batch of messages in, an outcome out, a ledger of both.

Frames and their columns:
    messages   `Batch`: payloads as bytes, offsets and ingestion times beside them
    events     `EVENT_COLUMNS` and the feed's own columns
    rejects    `REJECT_COLUMNS`
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import polars as pl

#: A position as text; neither number is larger than a store keeps.
_POSITION = re.compile(r"(.+)/([0-9]{1,9})/([0-9]{1,18})", re.ASCII | re.DOTALL)

#: Columns that every stored event has beside those of its feed: identity, provenance, times (UTC, µs).
EVENT_COLUMNS: dict[str, pl.DataType] = {
    "event_id": pl.Binary(),
    "offset": pl.Int64(),
    "ingested_at": pl.Datetime("us"),
}

#: Columns of a reject or filtered message; topic, partition and feed are those of its outcome.
REJECT_COLUMNS: dict[str, pl.DataType] = {
    "offset": pl.Int64(),
    "kind": pl.String(),
    "stage": pl.String(),
    "reason": pl.String(),
    "detail": pl.String(),
    "payload": pl.Binary(),
    "ingested_at": pl.Datetime("us"),
}

#: Columns of a reject in a store; `replayed_to` is the position of its replay as text, null where there was none.
STORED_REJECT_COLUMNS: dict[str, pl.DataType] = {
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
    "feed": pl.String(),
    **{name: dtype for name, dtype in REJECT_COLUMNS.items() if name != "offset"},
    "processed_at": pl.Datetime("us"),
    "replayed_to": pl.String(),
}

#: Columns of what is withheld of messages of erased users: where each was, and which event it would have been.
SUPPRESSED_COLUMNS: dict[str, pl.DataType] = {
    "offset": pl.Int64(),
    "event_id": pl.Binary(),
    "event_time": pl.Datetime("us"),
}

#: What stands in the log in the place of a message of an erased user.
TOMBSTONE = b"\x00erased"


class Partition(NamedTuple):
    """One ordered part of the event log."""

    topic: str
    partition: int


class Position(NamedTuple):
    """Where one message is in the event log. As text `topic/partition/offset`, the id of a reject."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def read(cls, text: str) -> "Position":
        """The position that a text names.

        Raises:
            ValueError: it names none.
        """
        match = _POSITION.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is no position")
        return cls(match[1], int(match[2]), int(match[3]))


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets from `start` (inclusive) to `end` (exclusive) of one partition; gaps are allowed.

    Attributes:
        topic: of the partition.
        partition: its number.
        start: see above.
        end: see above.
        epoch: the claim under which a reader read them: when it loses the partition, or goes back, what was read
            before no longer counts.
        log: the identity of the log that they are in; empty where the log has none.
    """

    topic: str
    partition: int
    start: int
    end: int
    epoch: int = 0
    log: str = ""

    @property
    def of(self) -> Partition:
        """The partition that this is a span of."""
        return Partition(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Batch:
    """A run of messages of one partition, as columns of equal length.

    Attributes:
        span: what was asked for and where to go on; every offset lies in it.
        offsets: rising.
        payloads: the messages, whole.
        ingested_at: when each was appended, in microseconds since the epoch.
    """

    span: Span
    offsets: Sequence[int]
    payloads: Sequence[bytes]
    ingested_at: Sequence[int]

    def __len__(self) -> int:
        return len(self.payloads)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: `read = events + repeated + rejects + withheld`, always.

    Attributes:
        span: of the batch.
        feed: name of the feed.
        events: unique within the batch, in the order of their offsets.
        rejects: rejected and filtered messages, `REJECT_COLUMNS`.
        repeated: events that were in the batch before, and so are dropped.
        read: messages in the batch.
        messages: the batch itself: a store that refuses an event keeps its message whole, as a reject.
        withheld: of the messages of erased users, `WITHHELD_COLUMNS`, null where there is no event: nothing of them is
            stored, and what a broken-off commit has stored of them is removed.
        erasures: how many erasures were known when it was made.
    """

    span: Span
    feed: str
    events: pl.DataFrame
    rejects: pl.DataFrame
    repeated: int
    read: int
    messages: Batch
    suppressed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SUPPRESSED_COLUMNS))
    erasures: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """The ledger's counts. `redelivered` lies outside the balance: those positions were counted when first stored."""

    read: int = 0
    stored: int = 0
    duplicate: int = 0
    filtered: int = 0
    rejected: int = 0
    erased: int = 0
    redelivered: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def balanced(self) -> bool:
        """Whether every message that was read is accounted for."""
        return self.read == self.stored + self.duplicate + self.filtered + self.rejected + self.erased


#: The names of the ledger's counts, in the order in which every table shows them.
COUNT_NAMES = tuple(count.name for count in fields(Counts))

#: Columns of the ledger's history, one row for each commit. `start` and `end` are offsets, as of a span.
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
    """Where a partition stands: the checkpoint, the counts behind it, and the identity of the log that it is of."""

    topic: str
    partition: int
    next_offset: int
    counts: Counts
    log: str = ""

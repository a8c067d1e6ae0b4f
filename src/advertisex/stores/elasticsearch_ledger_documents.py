"""What the ledger in Elasticsearch and its history hold, as documents."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from advertisex.batches import COUNT_NAMES, Counts, LedgerRow


class CommitDocument(msgspec.Struct):
    """What a commit added to the ledger; its fields are `COMMIT_COLUMNS`."""

    topic: str
    partition: int
    feed: str
    start: int
    end: int
    committed_at: str
    read: int
    stored: int
    duplicate: int
    filtered: int
    rejected: int
    redelivered: int = msgspec.field(name="replayed")
    erased: int = 0
    erasure: str = ""


class LedgerDocument(msgspec.Struct, kw_only=True):
    """A document of the ledger; before the first commit of its partition, one without `next_offset`.

    `erasures` says how many users were erased: who commits must know of as many.
    """

    topic: str
    partition: int
    next_offset: int | None = None
    read: int = 0
    stored: int = 0
    duplicate: int = 0
    filtered: int = 0
    rejected: int = 0
    erased: int = 0
    redelivered: int = msgspec.field(name="replayed", default=0)
    log: str = ""
    commit: str = ""
    committed_at: str | None = None
    last: CommitDocument | None = None
    erasures: int = 0

    def row(self) -> LedgerRow | None:
        """The ledger row; None before the first commit."""
        if self.next_offset is None:
            return None
        counts = Counts(*(getattr(self, name) for name in COUNT_NAMES))
        return LedgerRow(self.topic, self.partition, self.next_offset, counts, self.log)


class Read(msgspec.Struct):
    """The answer to a reading of a document of the ledger."""

    found: bool = False
    seq_no: int = msgspec.field(name="_seq_no", default=0)
    primary_term: int = msgspec.field(name="_primary_term", default=0)
    source: LedgerDocument | None = msgspec.field(name="_source", default=None)


class ReadCommit(msgspec.Struct):
    """The answer to a reading of a document of its history."""

    source: CommitDocument | None = msgspec.field(name="_source", default=None)


class Wrote(msgspec.Struct):
    """The answer to a writing of one."""

    seq_no: int = msgspec.field(name="_seq_no", default=0)
    primary_term: int = msgspec.field(name="_primary_term", default=0)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """Where a partition stands, as of one reading.

    Attributes:
        row: the ledger row, or None where the partition has none yet.
        seq_no: with `primary_term`, which writing of the document it was.
        primary_term: see `seq_no`.
        source: the document.
    """

    row: LedgerRow | None
    seq_no: int = 0
    primary_term: int = 0
    source: LedgerDocument | None = None

    @property
    def commit(self) -> str:
        """Which commit wrote it."""
        return "" if self.source is None else self.source.commit

    @property
    def last(self) -> CommitDocument | None:
        """What the last commit added, or the last erasure moved."""
        return None if self.source is None else self.source.last

    @property
    def erasures(self) -> int:
        """How many users had been erased."""
        return 0 if self.source is None else self.source.erasures

    @property
    def committed_at(self) -> datetime | None:
        """When that commit was made (UTC, without a zone)."""
        return None if self.last is None else moment(self.last.committed_at)


def name_of(one: CommitDocument) -> str:
    """What a commit is called in the history."""
    if one.erasure:
        return name_of_erasure(one.topic, one.partition, one.erasure)
    return f"{one.topic}/{one.partition}/{one.start}"


def name_of_erasure(topic: str, partition: int, erasure: str) -> str:
    """What an erasure is called there."""
    return f"{topic}/{partition}/erasure/{erasure}"


def iso(when: datetime) -> str:
    """A time (UTC, without a zone) as documents hold it."""
    return when.isoformat(timespec="microseconds") + "Z"


def moment(text: str) -> datetime:
    """The time that a document holds (UTC, without a zone)."""
    return datetime.fromisoformat(text).replace(tzinfo=None)

"""The documents of the ledger and of its history in Elasticsearch."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from advertisex.model import COUNT_NAMES, Counts, LedgerRow
from advertisex.stores.elasticsearch.times import parse_time


class _Counted(msgspec.Struct, kw_only=True):
    """The ledger's counts."""

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


class CommitDocument(_Counted):
    """What a commit added to the ledger; the fields are `COMMIT_COLUMNS`.

    `change` is the id of the erasure or the retention that moved the counts; empty for a commit of a batch.
    """

    topic: str
    partition: int
    feed: str
    start: int
    end: int
    committed_at: str
    change: str = ""


class LedgerDocument(_Counted, kw_only=True):
    """A document of the ledger; `next_offset` is None before the first commit of the partition.

    `erasures` is the number of erased users; an outcome must take at least as many into account. `kept_since` is the
    floor of retention, likewise; `kept_from` is the offset from which on no event below it has been counted.
    """

    topic: str
    partition: int
    next_offset: int | None = None
    log: str = ""
    append_id: str = ""
    commit: str = ""
    committed_at: str | None = None
    last: CommitDocument | None = None
    erasures: int = 0
    kept_since: str | None = None
    kept_from: int = 0

    def row(self) -> LedgerRow | None:
        """The ledger row; None before the first commit."""
        if self.next_offset is None:
            return None
        counts = Counts(*(getattr(self, name) for name in COUNT_NAMES))
        return LedgerRow(self.topic, self.partition, self.next_offset, counts, self.log, self.append_id)


class Read(msgspec.Struct):
    """Response to reading a ledger document."""

    found: bool = False
    seq_no: int = msgspec.field(name="_seq_no", default=0)
    primary_term: int = msgspec.field(name="_primary_term", default=0)
    source: LedgerDocument | None = msgspec.field(name="_source", default=None)


class ReadCommit(msgspec.Struct):
    """Response to reading a document of the ledger history."""

    source: CommitDocument | None = msgspec.field(name="_source", default=None)


class Wrote(msgspec.Struct):
    """Response to writing a ledger document."""

    seq_no: int = msgspec.field(name="_seq_no", default=0)
    primary_term: int = msgspec.field(name="_primary_term", default=0)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """The ledger state of a partition, as of one read.

    Attributes:
        row: the ledger row; None before the first commit.
        seq_no: with `primary_term`, the version of the document.
        primary_term: see `seq_no`.
        source: the document; None if it does not exist.
    """

    row: LedgerRow | None
    seq_no: int = 0
    primary_term: int = 0
    source: LedgerDocument | None = None

    @property
    def commit(self) -> str:
        """Id of the commit that wrote the document."""
        return "" if self.source is None else self.source.commit

    @property
    def last(self) -> CommitDocument | None:
        """What the last commit added, or the last change moved."""
        return None if self.source is None else self.source.last

    @property
    def erasures(self) -> int:
        """Number of erased users."""
        return 0 if self.source is None else self.source.erasures

    @property
    def kept_since(self) -> datetime | None:
        """The floor of retention, naive UTC."""
        kept_since = None if self.source is None else self.source.kept_since
        return None if kept_since is None else parse_time(kept_since)

    @property
    def committed_at(self) -> datetime | None:
        """Time of the last commit or change, naive UTC."""
        return None if self.last is None else parse_time(self.last.committed_at)


def name_of(one: CommitDocument) -> str:
    """Document id of a commit in the history."""
    if one.change:
        return name_of_change(one.topic, one.partition, one.change)
    return f"{one.topic}/{one.partition}/{one.start}"


def name_of_change(topic: str, partition: int, change: str) -> str:
    """Document id of an erasure or a retention in the history."""
    return f"{topic}/{partition}/change/{change}"

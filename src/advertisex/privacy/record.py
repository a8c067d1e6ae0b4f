"""The record of an erasure, kept as a note in the store: what was done and when, without revealing the user.

It serves as the audit trail, and to suppress the user's messages: see `Suppression`.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from advertisex.model import Partition
from advertisex.processing.suppression import erased_user, hash_of

_KEY_BYTES = 32


class Removed(msgspec.Struct, frozen=True):
    """What was removed of a feed: events and rejects of each kind from the store, and messages from the log."""

    feed: str
    events: int = 0
    filtered: int = 0
    rejected: int = 0
    conflicts: int = 0
    messages: int = 0

    @property
    def anything(self) -> bool:
        """Whether anything was removed."""
        return bool(self.events or self.filtered or self.rejected or self.conflicts or self.messages)


class Overwritten(msgspec.Struct):
    """Messages of a partition that a run has overwritten or is about to: all before offset `end` are counted."""

    feed: str
    partition: int
    messages: int = 0
    end: int = 0


class ErasureRun(msgspec.Struct):
    """One run of a user's erasure.

    Attributes:
        id: id of the run.
        asked_at: when it started (UTC).
        done_at: when it finished (UTC); None while it is running, or if it was interrupted.
        log: whether messages of the log are overwritten; not possible in Kafka.
        removed: what was removed, by feed.
        overwritten: messages overwritten in the log so far, by partition.
    """

    id: str
    asked_at: datetime
    done_at: datetime | None = None
    log: bool = False
    removed: list[Removed] = []
    overwritten: list[Overwritten] = []


class Record(msgspec.Struct):
    """Everything that is kept of an erased user.

    Attributes:
        key: random key of the hashes, as in `Erased`.
        words: hashes of the user id, as in `Erased`.
        bounds: topic, partition and next offset of every partition when the first run started.
        runs: all runs in order; the last is the current one.
    """

    key: bytes
    words: tuple[bytes, ...]
    bounds: list[tuple[str, int, int]] | None = None
    runs: list[ErasureRun] = []

    @property
    def positions(self) -> dict[Partition, int]:
        """`bounds` as next offsets by partition."""
        return {Partition(topic, number): offset for topic, number, offset in self.bounds or ()}


def record_for(user: str, notes: Mapping[str, bytes]) -> tuple[str, Record]:
    """Find or create the record of a user, with an unfinished run; returns the note's name and the record.

    An interrupted run is resumed.
    """
    records = {name: msgspec.json.decode(document, type=Record) for name, document in notes.items()}
    keys = {record.key for record in records.values()} or {secrets.token_bytes(_KEY_BYTES)}
    names = {hash_of(user.encode(), key).hex(): key for key in sorted(keys)}
    name = next((name for name in names if name in records), next(iter(names)))
    record = records.get(name)
    if record is None:
        erased = erased_user(user, names[name])
        record = Record(erased.key, erased.words)
    if not record.runs or record.runs[-1].done_at is not None:
        record.runs.append(ErasureRun(uuid4().hex, now()))
    return name, record


def runs_in(notes: Mapping[str, bytes]) -> list[ErasureRun]:
    """All runs of all erasures, by start time."""
    records = (msgspec.json.decode(document, type=Record) for document in notes.values())
    return sorted((run for record in records for run in record.runs), key=lambda run: (run.asked_at, run.id))


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)

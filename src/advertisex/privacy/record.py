"""The record of an erasure, a note in the store: what was done and when, and nothing that tells of whom.

It is the audit, and it is what keeps the user out: see `Suppression`.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from advertisex.batches import Partition
from advertisex.processing.suppression import erased_user, hash_of

_KEY_BYTES = 32


class Removed(msgspec.Struct, frozen=True):
    """How much of a feed was removed: events, filtered and rejected messages of the store, messages of the log."""

    feed: str
    events: int = 0
    filtered: int = 0
    rejected: int = 0
    messages: int = 0

    @property
    def anything(self) -> bool:
        """Whether it was anything."""
        return bool(self.events or self.filtered or self.rejected or self.messages)


class Overwritten(msgspec.Struct):
    """How many messages of a partition a run has overwritten, or is about to: all before `end` are counted."""

    feed: str
    partition: int
    messages: int = 0
    end: int = 0


class Run(msgspec.Struct):
    """One time that a user's erasure was asked for.

    Attributes:
        id: of this run.
        asked_at: when it began (UTC).
        done_at: when it was done; None while it is under way, and where it was broken off.
        log: whether the log's messages were overwritten; Kafka's cannot be.
        removed: what was removed, by feed.
        overwritten: the log's part of it, by partition, as the run goes.
    """

    id: str
    asked_at: datetime
    done_at: datetime | None = None
    log: bool = False
    removed: list[Removed] = []
    overwritten: list[Overwritten] = []


class Record(msgspec.Struct):
    """All that is kept of an erased user; `key` and `words` are those of `Erased`.

    Attributes:
        key: see `Erased`.
        words: see `Erased`.
        bounds: topic, partition and next offset of every partition when the first run began.
        runs: in their order; the last is the current one.
    """

    key: bytes
    words: tuple[bytes, ...]
    bounds: list[tuple[str, int, int]] | None = None
    runs: list[Run] = []

    @property
    def stood(self) -> dict[Partition, int]:
        """`bounds`, by partition."""
        return {Partition(topic, number): offset for topic, number, offset in self.bounds or ()}


def record_for(user: str, notes: Mapping[str, bytes]) -> tuple[str, Record]:
    """The record of a user among those that there are, or a new one, with a run that is under way; and its key.

    A run that was broken off is taken up again.
    """
    records = {name: msgspec.json.decode(document, type=Record) for name, document in notes.items()}
    keys = {record.key for record in records.values()} or {secrets.token_bytes(_KEY_BYTES)}
    names = {hash_of(user.encode(), key).hex(): key for key in sorted(keys)}
    name = next((name for name in names if name in records), next(iter(names)))
    record = records.get(name)
    if record is None:
        made = erased_user(user, names[name])
        record = Record(made.key, made.words)
    if not record.runs or record.runs[-1].done_at is not None:
        record.runs.append(Run(uuid4().hex, now()))
    return name, record


def runs_in(notes: Mapping[str, bytes]) -> list[Run]:
    """Every run of every erasure, in the order in which they were asked for."""
    records = (msgspec.json.decode(document, type=Record) for document in notes.values())
    return sorted((run for record in records for run in record.runs), key=lambda run: (run.asked_at, run.id))


def now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)

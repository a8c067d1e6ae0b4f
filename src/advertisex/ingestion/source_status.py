"""What is known about a source that is read incrementally, kept in the log: shown by `advertisex sources`."""

from collections.abc import Mapping
from typing import Literal

import msgspec
import xxhash

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.logs.contract import EventLog

Kind = Literal["api", "files", "objects"]

_PREFIX = "sources/1/"


class SourceStatus(msgspec.Struct, frozen=True):
    """The status of a source.

    Attributes:
        id: identifies the source in the keys of the log's state; see `source_id`.
        name: its name: that in the settings, else its address without secrets.
        feed: feed of its records.
        kind: what it is.
        address: its address without secrets.
        position: how far it has been read, in words: a cursor, a page, a number of files.
        succeeded_at: end of the last poll that left nothing unread after a failure, in microseconds since the epoch
            (UTC); 0 for never.
        appended_at: end of the last poll that appended messages, likewise.
        polled_at: start of the last poll, likewise.
        next_at: when it is polled next, likewise; 0 if it is not followed.
        pages: number of responses or objects that were read to their end so far; 0 for files.
        messages: number of messages appended so far.
        seen: number of records that were left out because they had been appended before.
        failed_at: when a poll failed last, likewise.
        last_error: why it failed, also if a later one succeeded; empty if none has failed.
    """

    id: str
    name: str
    feed: str
    kind: Kind
    address: str
    position: str = ""
    succeeded_at: int = 0
    appended_at: int = 0
    polled_at: int = 0
    next_at: int = 0
    pages: int = 0
    messages: int = 0
    seen: int = 0
    failed_at: int = 0
    last_error: str = ""

    @property
    def is_failing(self) -> bool:
        """Whether the last poll failed."""
        return self.failed_at > self.succeeded_at

    @property
    def has_nothing_new(self) -> bool:
        """Whether the last poll succeeded and appended nothing."""
        return not self.is_failing and self.appended_at < self.polled_at <= self.succeeded_at

    @property
    def key(self) -> str:
        """The key of the status in the log's state."""
        return f"{_PREFIX}{self.id}"

    @property
    def prefix(self) -> str:
        """The prefix of the keys of the source's own state."""
        return state_prefix(self.kind, self.id)


def believed(status: SourceStatus, now: int) -> SourceStatus:
    """Return a status without times in the future, stored while the clock was fast: they would hide a new failure.

    Args:
        status: the status.
        now: current time, in microseconds since the epoch (UTC).
    """
    times = {name: min(getattr(status, name), now - 1) for name in ("succeeded_at", "appended_at", "failed_at")}
    return msgspec.structs.replace(status, **times)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SourceStatus).decode


def source_id(feed: Feed, address: str, options: IngestOptions) -> str:
    """Return the id of a source, 32 hexadecimal digits. With another name, or read in another way, it is another one.

    Args:
        feed: feed of its records.
        address: its address without secrets, so that a new password does not make another source of it; for an API,
            with all else that says what is asked for.
        options: its name, and how it is read.
    """
    reading = (options.format, options.records, options.columns, options.inherit, options.dialect, options.mapping)
    named = msgspec.json.encode((feed.name, options.name, address, reading), order="deterministic")
    return xxhash.xxh3_128_hexdigest(named)


def state_prefix(kind: Kind, id_: str) -> str:
    """Return the prefix of the keys of a source's own state; the first process to lock it reads the source."""
    return f"{kind}/1/{id_}/"


def lock_source(log: EventLog, prefix: str, name: str, *, follow: bool) -> None:
    """Lock a source, by the prefix of its state, until the log is closed.

    Args:
        log: the log.
        prefix: the prefix.
        name: name of the source.
        follow: whether the caller tries again; otherwise the user has to.

    Raises:
        SourceError: another process, or another thread of the service, holds the lock.
    """
    if not log.lock(prefix):
        raise SourceError(
            "the source is being read already, by another process or for another entry of the settings",
            where=name,
            hint="nothing to do: this process reads it once the other one has ended"
            if follow
            else "nothing to do if that is a process that follows it; otherwise try again once it has ended",
        )


def statuses(state: Mapping[str, bytes]) -> list[SourceStatus]:
    """Return the statuses in a log's state, by name."""
    found = (_decode(value) for key, value in state.items() if key.startswith(_PREFIX))
    return sorted(found, key=lambda status: (status.name, status.feed, status.id))


def dump_status(status: SourceStatus) -> dict[str, bytes]:
    """Return a status as a change of the log's state."""
    return {status.key: _encode(status)}


def load_status(log: EventLog, id_: str) -> SourceStatus | None:
    """Return the status of a source; None if it has none.

    Raises:
        LogError: the state cannot be read.
    """
    return next((status for status in statuses(log.state(f"{_PREFIX}{id_}")) if status.id == id_), None)


def load_statuses(log: EventLog) -> list[SourceStatus]:
    """Return the statuses of all sources of a log.

    Raises:
        LogError: the state cannot be read.
    """
    return statuses(log.state(_PREFIX))

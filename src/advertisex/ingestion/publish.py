"""Append the records of sources to the event log, with exact counts."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.input_report import InputReport
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.numbers import NumberStyle
from advertisex.ingestion.records import MESSAGE_BYTES, Bookmark, Chunk, too_long
from advertisex.ingestion.unexpected import at_the_cost_of
from advertisex.logs.contract import EventLog
from advertisex.model import Origin

Progress = Callable[[int, int], None]

_BUFFER_MESSAGES = 10_000
_BUFFER_BYTES = 4 * 2**20
_BUFFER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Counted:
    """Number and size in bytes of the messages appended from one source."""

    messages: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Published:
    """What was appended; exact, however the run ended.

    Attributes:
        messages: number of messages appended to the log.
        bytes: their total size.
        sources: the same per source (file, URL, stdin), in the order of first read.
        interrupted: whether SIGINT or SIGTERM ended the run; everything read before is appended.
        failures: errors of the sources that could not be read completely.
        unmatched: mapped columns that no record had; empty if nothing was appended.
        inputs: what was found in each source, by the names in `sources`.
        new_types: conversion types that were new to the log.
    """

    messages: int = 0
    bytes: int = 0
    sources: dict[str, Counted] = field(default_factory=dict)
    interrupted: bool = False
    failures: tuple[SourceError, ...] = ()
    unmatched: tuple[str, ...] = ()
    inputs: dict[str, InputReport] = field(default_factory=dict)
    new_types: tuple[str, ...] = ()


class Publisher:
    """Appends records to the topic of a feed in batches of bounded size.

    Args:
        feed: feed of the records.
        log: event log to append to.
        mapping: how columns map to fields.
        on_progress: called after each append with the total messages and bytes so far.
        numbers: how numbers are written, if not plainly.
        message_bytes: maximum size of a message, if the log takes it; the beginning of a larger one is appended as
            unreadable.
        clock: returns the time of a monotonic clock, in seconds.

    Raises:
        ConfigurationError: the mapping names an unknown field.
    """

    def __init__(
        self,
        feed: Feed,
        log: EventLog,
        mapping: FieldMapping = FieldMapping(),
        on_progress: Progress | None = None,
        *,
        numbers: NumberStyle | None = None,
        message_bytes: int = MESSAGE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = feed.topic
        self._log = log
        self._encoder = Encoder(feed, mapping, numbers)
        self._on_progress = on_progress
        self._message_bytes = message_bytes
        self._clock = clock
        self._buffer: list[bytes] = []
        self._buffer_bytes = 0
        self._origins: list[Origin] = []
        self._flushed_at = clock()
        self._messages = 0
        self._bytes = 0
        self._sources: dict[str, Counted] = {}

    def drain(self, name: str, chunks: Iterable[Chunk], bookmark: Bookmark | None = None) -> None:
        """Append everything that a source yields, including what it yields before a failure or an interrupt.

        Args:
            name: name of the source, for the counts, origins and error messages.
            chunks: records of the source.
            bookmark: keeps how far the source has been read; written with the messages.

        Raises:
            SourceError: the source failed.
            LogError: the log could not be written.
        """
        self._sources.setdefault(name, Counted())
        try:
            for chunk in chunks:
                with at_the_cost_of(name):
                    messages = self._encoder.messages(chunk.records) if chunk.records else []
                messages = fitting(messages, self._log, self._topic, name, most=self._message_bytes)
                with _signals_deferred():  # the bookmark never differs from the buffer
                    new, lines = bookmark.advance(chunk, messages) if bookmark else (messages, chunk.lines)
                    self._add(name, new, lines)
                if not chunk.records or self._due():
                    self._flush(name, bookmark)
        finally:
            self._flush(name, bookmark)

    def published(self, *, interrupted: bool = False, failures: Sequence[SourceError] = ()) -> Published:
        """Return what was appended so far."""
        unmatched = self._encoder.unmatched if self._messages else ()
        return Published(self._messages, self._bytes, dict(self._sources), interrupted, tuple(failures), unmatched)

    @property
    def messages(self) -> int:
        """Number of messages that were appended so far."""
        return self._messages

    def _add(self, name: str, messages: list[bytes], lines: Sequence[int]) -> None:
        """Add messages to the buffer."""
        self._buffer += messages
        self._buffer_bytes += sum(map(len, messages))
        self._origins.append(Origin(name, len(messages), lines))

    def _due(self) -> bool:
        late = self._clock() - self._flushed_at >= _BUFFER_SECONDS
        return late or len(self._buffer) >= _BUFFER_MESSAGES or self._buffer_bytes >= _BUFFER_BYTES

    def _flush(self, name: str, bookmark: Bookmark | None) -> None:
        self._flushed_at = self._clock()
        with _signals_deferred():
            state = bookmark.changes() if bookmark else {}
            if not self._buffer and not state:
                return
            messages, size, origins = self._buffer, self._buffer_bytes, self._origins
            # clear the buffer first: if the append fails, a later flush must not append the messages again
            self._buffer, self._buffer_bytes, self._origins = [], 0, []
            self._log.append(self._topic, messages, origins=origins, state=state)
            self._messages += len(messages)
            self._bytes += size
            before = self._sources[name]
            self._sources[name] = Counted(before.messages + len(messages), before.bytes + size)
        if messages and self._on_progress is not None:
            self._on_progress(self._messages, self._bytes)


def fitting(messages: list[bytes], log: EventLog, topic: str, name: str, *, most: int = MESSAGE_BYTES) -> list[bytes]:
    """Return the messages, with an unreadable one in place of each that the log does not take.

    Args:
        messages: the messages.
        log: the log that they are for.
        topic: their topic.
        name: name of their source.
        most: maximum size of a message, if the log takes it.

    Raises:
        LogError: the topic is missing and cannot be created.
    """
    if not messages:
        return messages
    taken = log.message_bytes(topic)
    limit = most if taken is None else min(most, taken - len(name.encode()))
    if max(map(len, messages)) <= limit:
        return messages
    return [m if len(m) <= limit else too_long(m, len(m), most=limit) for m in messages]


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Defer SIGINT and SIGTERM until the end of the block, so that appended messages are also counted."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    received: list[tuple[int, FrameType | None]] = []
    handlers = {
        number: signal.signal(number, lambda *seen: received.append(seen)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for signalled, _ in received[:1]:
            signal.raise_signal(signalled)

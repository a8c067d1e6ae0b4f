"""The loop that appends what sources yield to the event log, and counts it exactly."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.encode import encoder
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import MESSAGE_BYTES, Chunk
from advertisex.logs.contract import EventLog

Progress = Callable[[int, int], None]

_HELD_MESSAGES = 10_000
_HELD_BYTES = 4 * 2**20
_HELD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Counted:
    """What was appended from one source."""

    messages: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Published:
    """What was appended: exactly this, whatever ended the run.

    Attributes:
        messages: appended to the log.
        bytes: their weight.
        sources: the same for each source (file, URL, stdin), in the order in which they were first read.
        interrupted: the run was ended by SIGINT or SIGTERM; what had been read until then is appended.
        failures: of the sources that could not be read whole; empty when every one of them was.
        unmatched: the sources of the mapping that no record had; empty when nothing was appended.
    """

    messages: int = 0
    bytes: int = 0
    sources: dict[str, Counted] = field(default_factory=dict)
    interrupted: bool = False
    failures: tuple[SourceError, ...] = ()
    unmatched: tuple[str, ...] = ()


class Publisher:
    """Appends records to the topic of a feed in batches of bounded weight.

    Raises:
        ConfigurationError: the mapping names no field of the feed.
    """

    def __init__(
        self, feed: Feed, log: EventLog, mapping: FieldMapping = FieldMapping(), on_progress: Progress | None = None
    ) -> None:
        self._topic = feed.topic
        self._log = log
        self._sought = tuple(mapping.rename)
        self._unmatched = set(self._sought)
        self._encode = encoder(feed, mapping, self._unmatched)
        self._on_progress = on_progress
        self._held: list[bytes] = []
        self._weight = 0
        self._flushed_at = time.monotonic()
        self._messages = 0
        self._bytes = 0
        self._sources: dict[str, Counted] = {}

    def drain(self, name: str, chunks: Iterable[Chunk]) -> None:
        """Append everything that a source yields. What came before a failure or an interruption is appended too.

        Args:
            name: of the source, for the counts and in errors.
            chunks: its records.

        Raises:
            SourceError: the source fails, or yields a message that is too large for the log.
            LogError: the log cannot be written.
        """
        self._sources.setdefault(name, Counted())
        try:
            for chunk in chunks:
                if chunk:
                    self._hold(name, self._encode(chunk))
                else:
                    self._flush(name)
        finally:
            self._flush(name)

    def published(self, *, interrupted: bool = False, failures: Sequence[SourceError] = ()) -> Published:
        """What was appended so far."""
        unmatched = tuple(source for source in self._sought if self._messages and source in self._unmatched)
        return Published(self._messages, self._bytes, dict(self._sources), interrupted, tuple(failures), unmatched)

    def _hold(self, name: str, messages: list[bytes]) -> None:
        for start in range(0, len(messages), _HELD_MESSAGES):
            part = messages[start : start + _HELD_MESSAGES]
            weight = sum(map(len, part))
            if weight > MESSAGE_BYTES:
                _refuse_giants(name, part)
            self._held += part
            self._weight += weight
            late = time.monotonic() - self._flushed_at >= _HELD_SECONDS
            if late or len(self._held) >= _HELD_MESSAGES or self._weight >= _HELD_BYTES:
                self._flush(name)

    def _flush(self, name: str) -> None:
        self._flushed_at = time.monotonic()
        if not self._held:
            return
        with _undisturbed():
            messages, weight = self._held, self._weight
            # let go of them first: after an append that failed, another flush must not append them a second time
            self._held, self._weight = [], 0
            self._log.append(self._topic, messages)
            self._messages += len(messages)
            self._bytes += weight
            before = self._sources[name]
            self._sources[name] = Counted(before.messages + len(messages), before.bytes + weight)
        if self._on_progress is not None:
            self._on_progress(self._messages, self._bytes)


def _refuse_giants(name: str, messages: list[bytes]) -> None:
    giant = max(map(len, messages))
    if giant > MESSAGE_BYTES:
        raise SourceError(
            f"a message of {giant >> 20} MiB is larger than the {MESSAGE_BYTES >> 20} MiB that the log accepts",
            where=name,
            hint="split it at the source; --records KEY names the array in a document",
        )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block is done, so that what is appended is also counted."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    came: list[tuple[int, FrameType | None]] = []
    handlers = {
        number: signal.signal(number, lambda *seen: came.append(seen)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for signalled, _ in came[:1]:
            signal.raise_signal(signalled)

"""Poll one source: publish what is new in it, and keep its status in the log."""

import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import takewhile
from threading import Event

from msgspec.structs import replace

from advertisex.errors import LogError, SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.input_report import Inspection
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.polled import PolledSource
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.read import or_failing
from advertisex.ingestion.source_status import SourceStatus, believed, dump_status, load_status, state_prefix
from advertisex.ingestion.stream import OnRead
from advertisex.logs.contract import EventLog

#: Called with the error of a source.
OnFailure = Callable[[SourceError], None]
#: Called with the status of a source after each poll.
OnPoll = Callable[[SourceStatus], None]

#: How often a status is written in which only times have changed, in seconds.
_QUIET_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Run:
    """What the sources of a run have in common.

    Attributes:
        feed: feed of their records.
        options: how they are read.
        log: the log.
        publisher: appends the messages to the log.
        inspection: collects what is found in the inputs.
        on_failure: called with each failure, but not again while a source keeps failing in the same way.
        on_poll: called with the status of a source after each poll, if it has one.
        on_read: called with how far each file has been read that is read as a whole.
    """

    feed: Feed
    options: IngestOptions
    log: EventLog
    publisher: Publisher
    inspection: Inspection
    on_failure: OnFailure
    on_poll: OnPoll | None = None
    on_read: OnRead | None = None


@dataclass(slots=True)
class _Poll:
    """One poll of a source.

    Attributes:
        begun_at: when it began, in microseconds since the epoch.
        pages: pages of the source before it.
        messages: messages of the publisher before it.
        seen: records that were left out because they had been appended before.
        error: the last failure.
        ended: whether it was not interrupted.
    """

    begun_at: int
    pages: int
    messages: int
    seen: int = 0
    error: str = ""
    ended: bool = False


class Poller:
    """Polls a source. Its status is in the log, if it has an id, and no other process has locked it.

    Args:
        source: the source.
        run: the run that it is part of.
    """

    def __init__(self, source: PolledSource, run: Run) -> None:
        self.source, self._run = source, run
        self._failures: set[str] = set()  # since the last success
        self._status: SourceStatus | None = None
        self._written: SourceStatus | None = None
        self._write_at = 0.0

    def poll(self, stop: Event) -> None:
        """Poll the source once; it stops early when `stop` is set.

        Raises:
            LogError: the log could not be written.
            ConfigurationError: an option is invalid.
        """
        poll = _Poll(_now(), self.source.pages, self._run.publisher.messages)
        try:
            self._publish(poll, stop)
        finally:
            self._record(poll)
        if self._status is not None:
            self._write(self._status)
            if self._run.on_poll is not None:
                self._run.on_poll(self._status)

    def close(self) -> None:
        """Close the source, and write what its status does not say yet."""
        self.source.close()
        if self._status is not None:
            with suppress(LogError):  # messages that could not be appended have been reported
                self._write(replace(self._status, next_at=0), at_once=True)

    def _publish(self, poll: _Poll, stop: Event) -> None:
        for one in or_failing(self.source.poll(), self.source.name):
            if stop.is_set():
                return
            try:
                with closing(self._run.inspection.chunks(one)) as chunks:
                    going_on = takewhile(lambda _: not stop.is_set(), chunks)
                    self._run.publisher.drain(one.name, going_on, one.bookmark)
            except SourceError as error:
                poll.error = str(error)
                self.source.failed(error)
                if poll.error not in self._failures:
                    self._failures.add(poll.error)
                    self._run.on_failure(error)
            finally:
                poll.seen += one.reader.reading.skipped["seen"]
        poll.ended = not stop.is_set()
        if self._has_succeeded(poll):
            self._failures.clear()

    def _has_succeeded(self, poll: _Poll) -> bool:
        return poll.ended and not poll.error and not self.source.has_put_off

    def _record(self, poll: _Poll) -> None:
        source, log = self.source, self._run.log
        if not source.id or not log.lock(state_prefix(source.kind, source.id)):
            return  # the process that holds the lock keeps the status
        if self._status is None:
            self._status = load_status(log, source.id)
        name = self._run.options.name or source.address
        unread = SourceStatus(source.id, name, self._run.feed.name, source.kind, source.address)
        now = _now()
        before = believed(self._status or unread, now)
        messages = self._run.publisher.messages - poll.messages
        self._status = replace(
            unread,
            position=source.position,
            polled_at=poll.begun_at,
            succeeded_at=now if self._has_succeeded(poll) else before.succeeded_at,
            appended_at=now if messages else before.appended_at,
            failed_at=now if poll.error else before.failed_at,
            next_at=self._next_at(),
            pages=before.pages + source.pages - poll.pages,
            messages=before.messages + messages,
            seen=before.seen + poll.seen,
            last_error=poll.error or before.last_error,
        )

    def _next_at(self) -> int:
        if not self._run.options.follow or self.source.due is None:
            return 0
        return _now() + round((self.source.due - time.monotonic()) * 1_000_000)

    def _write(self, status: SourceStatus, *, at_once: bool = False) -> None:
        """Write a status, unless little has changed since it was last written."""
        if status == self._written:
            return
        is_quiet = self._written is not None and _untimed(status) == _untimed(self._written)
        if at_once or not is_quiet or time.monotonic() >= self._write_at:
            self._run.log.append(self._run.feed.topic, (), state=dump_status(status))
            self._written, self._write_at = status, time.monotonic() + _QUIET_SECONDS


def _untimed(status: SourceStatus) -> tuple[object, ...]:
    """Return what is known about a source, without the times of its polls."""
    timeless = replace(status, polled_at=0, succeeded_at=0, appended_at=0, failed_at=0, next_at=0)
    return timeless, status.is_failing


def _now() -> int:
    return time.time_ns() // 1000

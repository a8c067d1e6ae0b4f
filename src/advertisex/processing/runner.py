"""The processing loop: reads from the log, processes, and commits to the store, starting at the ledger."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from threading import Event

import structlog

from advertisex.errors import LedgerMoved
from advertisex.feeds import Feed, default_feeds
from advertisex.logs.contract import EventLog, LogReader
from advertisex.model import Batch, Counts, Outcome
from advertisex.processing.clock_check import note_clock
from advertisex.processing.identity_note import note_identities
from advertisex.processing.log_check import check_log
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.prefetch import prefetch
from advertisex.processing.pseudonym_key import note_pseudonym_key
from advertisex.processing.retention_time import retention_time
from advertisex.processing.store_retention import OnRemoved, StoreRetention
from advertisex.processing.suppression import NOBODY, suppression_in
from advertisex.processing.untimed import reporting_untimed
from advertisex.processing.waiting import when_available
from advertisex.settings.model import BATCH_SIZE
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.contract import ERASURES, EventStore

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Processing:
    """Configuration of processing.

    Attributes:
        feeds: feeds by name; the three built-in ones if not given.
        policy: which valid events are filtered.
        batch_size: maximum messages per batch.
        follow: whether to wait for new messages at the end of the log, until `stop` is set.
        waits: whether to wait for a log that does not respond at the start, until `stop` is set.
        pseudonym_key: secret key for pseudonyms; empty stores user ids unchanged.
        skip_damaged: whether damaged messages of the log are lost; otherwise they end the run.
        keep_days: how many days of event time the store keeps, rounded up to whole periods; None drops nothing.
    """

    feeds: Mapping[str, Feed] = field(default_factory=default_feeds)
    policy: Policy = Policy()
    batch_size: int = BATCH_SIZE
    follow: bool = False
    waits: bool = False
    pseudonym_key: bytes = field(default=b"", repr=False)
    skip_damaged: bool = False
    keep_days: int | None = None

    @property
    def topics(self) -> set[str]:
        """The topics of the feeds."""
        return {feed.topic for feed in self.feeds.values()}


@dataclass(frozen=True, slots=True)
class Seconds:
    """Duration of each step for one batch, in seconds. Reading includes waiting for messages."""

    read: float
    process: float
    commit: float


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed batch.

    Attributes:
        outcome: its outcome.
        counts: what it added to the ledger.
        seconds: duration of each step.
    """

    outcome: Outcome
    counts: Counts
    seconds: Seconds


@dataclass(frozen=True, slots=True)
class _Read:
    batch: Batch
    seconds: float


@dataclass(frozen=True, slots=True)
class _Processed:
    outcome: Outcome
    read_seconds: float
    seconds: float


OnCommit = Callable[[Committed], None]


def process_log(
    log: EventLog,
    store: EventStore,
    processing: Processing = Processing(),
    *,
    stop: Event | None = None,
    on_commit: OnCommit = lambda committed: None,
    on_removed: OnRemoved = lambda removed: None,
    clock: Clock = utc_now,
) -> Counts:
    """Process the messages of the log after the ledger's positions, and commit them batch by batch.

    Reading, processing and committing run concurrently. Memory is bounded: one batch in each step, and one between two
    steps.

    Args:
        log: the event log to read.
        store: the store to commit to; its ledger gives the start positions.
        processing: the configuration.
        stop: when set, the run ends after the current commit.
        on_commit: called after each commit.
        on_removed: called when retention has removed old events or rejects.
        clock: returns the time that the age of events is counted from.

    Returns:
        What this run added to the ledger.

    Raises:
        StoreError: the ledger belongs to another log or to one that was emptied, the store cannot be written, or it
            keeps nothing before a time in the future.
        LogDamaged: messages are damaged, and `skip_damaged` is not set.
        LogError: the log cannot be read.
        ConfigurationError: the store has another pseudonym key, identity, or kind of an own field.
    """
    stop = stop or Event()
    total = Counts()
    feeds = {feed.topic: feed for feed in processing.feeds.values()}

    def begin() -> tuple[_Conditions, LogReader]:
        check_log(log, store, feeds)
        note_pseudonym_key(store, processing.pseudonym_key)
        note_identities(store, processing.feeds)
        store.prepare(processing.feeds)
        note_clock(store, clock())
        counted_from = partial(retention_time, store=store, log=log, topics=list(feeds))
        conditions = _Conditions(store, StoreRetention(store, processing.keep_days, clock, counted_from, on_removed))
        skip = processing.skip_damaged
        return conditions, log.reader(list(feeds), store.positions, processing.batch_size, skip_damaged=skip)

    begun = when_available(begin, stop, partial(log.identities, list(feeds))) if processing.waits else begin()
    if begun is None:
        return total
    conditions, first_reader = begun
    with first_reader as reader, reporting_untimed() as untimed:
        again = True
        while again and not stop.is_set():
            again = False
            batches = prefetch(_batches(reader, stop, follow=processing.follow))
            with closing(prefetch(_outcomes(batches, feeds, processing, conditions))) as outcomes:
                for processed in outcomes:
                    conditions.retention.drop_if_due(idle=processed is None)
                    if processed is not None and reader.is_current(processed.outcome.span):
                        untimed.add(processed.outcome.messages)
                        counts = _commit(processed, store, reader, conditions, on_commit)
                        total += counts or Counts()
                        again |= counts is None  # after a rewind, the log must be read to the end again
                    if stop.is_set():
                        break
    return total


class _Conditions:
    """What decides about messages besides the settings, as of the last read of the store: erased users, retention."""

    def __init__(self, store: EventStore, retention: StoreRetention) -> None:
        self._store, self.retention = store, retention
        self.suppression = NOBODY
        self.retention.drop_if_due()
        self.refresh()

    def refresh(self) -> None:
        self.suppression = suppression_in(self._store.notes(ERASURES))
        self.retention.refresh()


def _commit(
    processed: _Processed, store: EventStore, reader: LogReader, conditions: _Conditions, on_commit: OnCommit
) -> Counts | None:
    """Commit an outcome; or rewind to the ledger and return None, if another process has moved it."""
    outcome, started = processed.outcome, time.perf_counter()
    try:
        counts = store.commit(outcome)
    except LedgerMoved as moved:  # another process committed this partition, or a user or a period was removed
        _LOG.warning("a batch is processed again from the ledger's position", why=moved.what, where=moved.where)
        conditions.refresh()
        reader.rewind(outcome.span.of)
        return None
    seconds = Seconds(processed.read_seconds, processed.seconds, time.perf_counter() - started)
    reader.acknowledge(outcome.span)
    on_commit(Committed(outcome, counts, seconds))
    return counts


def _outcomes(
    batches: Generator[_Read | None, None, None],
    feeds: Mapping[str, Feed],
    processing: Processing,
    conditions: _Conditions,
) -> Generator[_Processed | None, None, None]:
    with closing(batches):
        for read in batches:
            if read is None:
                yield None
                continue
            started = time.perf_counter()
            feed = feeds[read.batch.span.topic]
            policy = conditions.retention.applied(processing.policy)
            outcome = process(read.batch, feed, policy, conditions.suppression, processing.pseudonym_key)
            yield _Processed(outcome, read.seconds, time.perf_counter() - started)


def _batches(reader: LogReader, stop: Event, *, follow: bool) -> Generator[_Read | None, None, None]:
    """Batches of all assigned partitions, from the ledger's positions on; None if there was nothing to read."""
    while not stop.is_set():
        started = time.perf_counter()
        polled = reader.poll()
        each = (time.perf_counter() - started) / max(1, len(polled))
        for batch in polled:
            yield _Read(batch, each)
        if not polled:
            yield None
        if not follow and reader.caught_up:
            return

"""The loop of processing: read from the log, process, commit to the store, and go on from the ledger."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event

import structlog

from advertisex.batches import Batch, Counts, Outcome
from advertisex.errors import LedgerMoved
from advertisex.feeds import Feed
from advertisex.logs.contract import EventLog, LogReader
from advertisex.processing.ahead import prefetch
from advertisex.processing.enrich import Catalogue
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.pseudonym_key import note_pseudonym_key
from advertisex.processing.suppression import NOBODY, suppression_in
from advertisex.stores.contract import ERASURES, EventStore
from advertisex.stores.same_log import check_same_logs

_LOG = structlog.get_logger(__name__)

#: Messages in a batch: as many rows as DuckDB stores in one group, so that a commit writes whole groups;
#: small enough for a bounded memory.
BATCH_SIZE = 122_880


@dataclass(frozen=True, slots=True)
class Processing:
    """How to process.

    Attributes:
        feeds: by name.
        policy: what is filtered out.
        catalogue: campaign and advertiser of each creative.
        batch_size: messages in a batch, at most.
        follow: whether to wait for more at the end of the log, until `stop` is set.
        pseudonym_key: the secret under which pseudonyms are stored in the place of user ids; empty stores the ids.
    """

    feeds: Mapping[str, Feed]
    policy: Policy = Policy()
    catalogue: Catalogue = Catalogue()
    batch_size: int = BATCH_SIZE
    follow: bool = False
    pseudonym_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long each part of the work on a batch took. Reading includes the wait for a message to come."""

    read: float
    process: float
    commit: float


@dataclass(frozen=True, slots=True)
class Committed:
    """A batch that is stored.

    Attributes:
        outcome: what became of it.
        counts: what it added to the ledger.
        seconds: how long it took.
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
    processing: Processing,
    stop: Event,
    on_commit: OnCommit = lambda committed: None,
) -> Counts:
    """Process what the log holds beyond the ledger, and commit it batch by batch.

    Reading, processing and committing go on at the same time, each one batch ahead of the next: with one batch in
    each and one waiting between them, memory is bounded.

    Args:
        log: where messages are read.
        store: where outcomes are committed; its ledger says where to start.
        processing: how.
        stop: when set, the run ends after the batch that is being committed.
        on_commit: called after each commit.

    Returns:
        What this run added to the ledger.

    Raises:
        StoreError: the ledger is that of another log, or the store cannot be written.
        LogError: the log cannot be read.
        ConfigurationError: users are stored under pseudonyms of another key.
    """
    total = Counts()
    erased = _Erased(store)
    feeds = {feed.topic: feed for feed in processing.feeds.values()}
    check_same_logs(store.ledger(), log.identities(list(feeds)))
    note_pseudonym_key(store, processing.pseudonym_key)
    with log.reader(list(feeds), store.positions, processing.batch_size) as reader:
        again = True
        while again and not stop.is_set():
            again = False
            batches = prefetch(_batches(reader, stop, follow=processing.follow))
            with closing(prefetch(_outcomes(batches, feeds, processing, erased))) as outcomes:
                for processed in outcomes:
                    if reader.is_current(processed.outcome.span):
                        counts = _commit(processed, store, reader, erased, on_commit)
                        total += counts or Counts()
                        again |= counts is None  # the end of the log may have been read before it was gone back from
                    if stop.is_set():
                        break
    return total


class _Erased:
    """Whose messages are withheld, as of the last look at the store."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.suppression = NOBODY
        self.look_again()

    def look_again(self) -> None:
        self.suppression = suppression_in(self._store.notes(ERASURES))


def _commit(
    processed: _Processed, store: EventStore, reader: LogReader, erased: _Erased, on_commit: OnCommit
) -> Counts | None:
    """Commit an outcome, or go back to where the ledger stands: then there is nothing to count."""
    outcome, began = processed.outcome, time.perf_counter()
    try:
        counts = store.commit(outcome)
    except LedgerMoved as moved:  # another process has this partition, or had it: what it did is not done again
        _LOG.warning("another process was quicker: going on from the ledger", where=moved.where)
        erased.look_again()  # or it has erased a user
        reader.rewind(outcome.span.of)
        return None
    seconds = Seconds(processed.read_seconds, processed.seconds, time.perf_counter() - began)
    reader.acknowledge(outcome.span)
    on_commit(Committed(outcome, counts, seconds))
    return counts


def _outcomes(
    batches: Generator[_Read, None, None], feeds: Mapping[str, Feed], how: Processing, erased: _Erased
) -> Generator[_Processed, None, None]:
    with closing(batches):
        for read in batches:
            began = time.perf_counter()
            feed = feeds[read.batch.span.topic]
            outcome = process(read.batch, feed, how.policy, how.catalogue, erased.suppression, how.pseudonym_key)
            yield _Processed(outcome, read.seconds, time.perf_counter() - began)


def _batches(reader: LogReader, stop: Event, *, follow: bool) -> Generator[_Read, None, None]:
    """Batches of every partition in turn, from where the ledger stands on."""
    while not stop.is_set():
        began = time.perf_counter()
        polled = reader.poll()
        each = (time.perf_counter() - began) / max(1, len(polled))
        for batch in polled:
            yield _Read(batch, each)
        if not follow and reader.caught_up:
            return

"""The loop of processing: read from the log, process, commit to the store, and go on from the ledger."""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Event

from advertisex.batches import Batch, Counts, Outcome, Partition
from advertisex.feeds import Feed
from advertisex.logs.contract import EventLog
from advertisex.processing.ahead import ahead
from advertisex.processing.enrich import Catalogue
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore

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
        poll_seconds: how long to wait then.
    """

    feeds: Mapping[str, Feed]
    policy: Policy = Policy()
    catalogue: Catalogue = Catalogue()
    batch_size: int = BATCH_SIZE
    follow: bool = False
    poll_seconds: float = 0.5


def run(
    log: EventLog,
    store: EventStore,
    processing: Processing,
    stop: Event,
    on_commit: Callable[[Outcome, Counts], None] = lambda outcome, counts: None,
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
    """
    total = Counts()
    batches = ahead(_batches(log, store.positions(), processing, stop))
    with closing(ahead(_outcomes(batches, processing))) as outcomes:
        for outcome in outcomes:
            counts = store.commit(outcome)
            log.acknowledge(outcome.span.of, outcome.span.end)
            on_commit(outcome, counts)
            total += counts
            if stop.is_set():
                break
    return total


def _outcomes(
    batches: Generator[tuple[Feed, Batch], None, None], processing: Processing
) -> Generator[Outcome, None, None]:
    with closing(batches):
        for feed, batch in batches:
            yield process(batch, feed, processing.policy, processing.catalogue)


def _batches(
    log: EventLog, positions: dict[Partition, int], processing: Processing, stop: Event
) -> Generator[tuple[Feed, Batch], None, None]:
    """Batches of every partition in turn, from where the ledger stands on."""
    while not stop.is_set():
        progressed = False
        topics = {feed.topic: feed for feed in processing.feeds.values()}
        for partition in log.end_offsets():
            feed = topics.get(partition.topic)
            if feed is None or stop.is_set():
                continue
            batch = log.read(*partition, positions.get(partition, 0), processing.batch_size)
            if batch.span.end > batch.span.start:
                positions[partition] = batch.span.end
                progressed = True
                yield feed, batch
        if not progressed:
            if not processing.follow:
                return
            stop.wait(processing.poll_seconds)

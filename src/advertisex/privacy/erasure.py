"""Erase a user: find what is theirs, keep more of it from coming, remove it from the store and from the log.

The order makes it safe. First the store remembers whom it must not take again, so that nothing new of theirs is stored
while the old is removed; last the record says that it is done. After a crash anywhere between, the same again completes
it.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import polars as pl

from advertisex.batches import Batch, Span
from advertisex.feeds import Feed
from advertisex.logs.contract import EventLog
from advertisex.privacy.record import Overwritten, Removed, Run, now, record_for
from advertisex.processing.pseudonymise import pseudonym
from advertisex.processing.suppression import Erased, Suppression, suppression_of
from advertisex.processing.withhold import rows_of_users
from advertisex.stores.contract import ERASURES, EventStore, RejectQuery, Removal

_READ = 50_000
_FOUND = {
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
    "feed": pl.String(),
    "kind": pl.String(),
}


def erase(user: str, log: EventLog, store: EventStore, feeds: Mapping[str, Feed], pseudonym_key: bytes = b"") -> Run:
    """Remove a user from events, rejects and the log, and withhold for ever what comes of them.

    Args:
        user: their id, as messages have it.
        log: its messages are overwritten, where it can.
        store: its rows are removed; nobody else may use one in a file meanwhile.
        feeds: by name, as messages are processed.
        pseudonym_key: as messages are processed.

    Returns:
        What was done, as it is recorded.

    Raises:
        StoreError: the store cannot be read or written; the same can be repeated.
        LogError: the log cannot be read or written; the same can be repeated.
    """
    name, record = record_for(user, store.notes(ERASURES))
    stood = store.suppress(name, msgspec.json.encode(record))
    if record.bounds is None:
        record.bounds = [(*partition, offset) for partition, offset in stood.items()]
        store.take_note(ERASURES, {name: msgspec.json.encode(record)})
    run, theirs = record.runs[-1], suppression_of([Erased(record.key, record.words)])
    ids = [user, pseudonym(user, pseudonym_key)] if pseudonym_key else [user]
    removed = store.remove(Removal(run.id, ids, _rejects_of(theirs, store, feeds), record.stood))
    run.log = log.erasable
    if run.log:
        for _ in _erase_from_log(theirs, log, feeds, run):
            store.take_note(ERASURES, {name: msgspec.json.encode(record)})
    run.removed = _by_feed(feeds, removed, run)
    run.done_at = now()
    store.take_note(ERASURES, {name: msgspec.json.encode(record)})
    return run


def _rejects_of(users: Suppression, store: EventStore, feeds: Mapping[str, Feed]) -> pl.DataFrame:
    """Where the users' rejects are: topic, partition, offset, feed, kind."""
    found = [pl.DataFrame(schema=_FOUND)]
    for frame in store.scan_rejects(RejectQuery()):
        for (name,), rejects in frame.partition_by("feed", as_dict=True).items():
            span = Span("", 0, 0, rejects.height)
            batch = Batch(span, range(rejects.height), rejects["payload"].to_list(), [0] * rejects.height)
            rows = rows_of_users(batch, feeds[name], users)
            found.append(rejects[rows].select(pl.col(column).cast(dtype) for column, dtype in _FOUND.items()))
    return pl.concat(found)


def _erase_from_log(users: Suppression, log: EventLog, feeds: Mapping[str, Feed], run: Run) -> Iterator[None]:
    """Overwrite the users' messages; yields when the run has to be noted, before those that it counts are overwritten.

    After a crash in between, those that are left of them are overwritten, and not counted again.
    """
    for feed in feeds.values():
        for partition in log.partitions(feed.topic):
            offsets = [
                batch.offsets[row]
                for batch in _batches(log, feed.topic, partition)
                for row in rows_of_users(batch, feed, users)
            ]
            if _counts_more(run, feed.name, partition, offsets):
                yield
            # also without any: bytes may stay of what a run that was broken off has overwritten
            log.erase(feed.topic, partition, offsets)


def _counts_more(run: Run, feed: str, partition: int, offsets: Sequence[int]) -> bool:
    """Count messages of a partition, at these offsets in their order, unless that was done; whether there were any."""
    counted = next((one for one in run.overwritten if (one.feed, one.partition) == (feed, partition)), None)
    more = [offset for offset in offsets if counted is None or offset >= counted.end]
    if not more:
        return False
    if counted is None:
        counted = Overwritten(feed, partition)
        run.overwritten.append(counted)
    counted.messages += len(more)
    counted.end = more[-1] + 1
    return True


def _batches(log: EventLog, topic: str, partition: int) -> Iterator[Batch]:
    offset = 0
    while len(batch := log.read(topic, partition, offset, _READ)):
        yield batch
        offset = batch.span.end


def _by_feed(feeds: Mapping[str, Feed], removed: pl.DataFrame, run: Run) -> list[Removed]:
    counts = {(feed, kind): count for feed, kind, count in removed.iter_rows()}
    return [
        Removed(
            feed=feed,
            events=counts.get((feed, "event"), 0),
            filtered=counts.get((feed, "filtered"), 0),
            rejected=counts.get((feed, "rejected"), 0),
            messages=sum(one.messages for one in run.overwritten if one.feed == feed),
        )
        for feed in feeds
    ]

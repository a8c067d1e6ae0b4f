"""Erases a user: suppresses new messages, then removes stored rows and overwrites messages in the log.

The order makes it safe. The store is the first to record the suppression, so that nothing new is stored during the
removal; the record is marked as done last. After a crash, running the same erasure again completes it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import polars as pl

from advertisex.errors import ConfigurationError, LogDamaged, LogError
from advertisex.feeds import FEEDS, Feed
from advertisex.logs.contract import EventLog
from advertisex.model import Batch
from advertisex.privacy.record import ErasureRun, Overwritten, Removed, now, record_for
from advertisex.processing.log_check import check_log
from advertisex.processing.pseudonym_key import check_pseudonym_key
from advertisex.processing.pseudonymise import pseudonym
from advertisex.processing.suppression import Erased, Suppression, rows_of_users, suppression_of
from advertisex.stores.contract import ERASURES, EventStore, RejectQuery
from advertisex.stores.removal import Removal
from advertisex.stores.resolutions import erase_notes

OnRead = Callable[[int], None]

_BATCH_SIZE = 50_000
_COLUMNS = {
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
    "feed": pl.String(),
    "kind": pl.String(),
}


def check_user(user: str) -> None:
    """Reject a text that cannot be a user id: an empty one would erase every message without a user.

    Raises:
        ConfigurationError: it is empty, or contains characters that cannot be printed.
    """
    if not user.strip() or not user.isprintable():
        raise ConfigurationError("invalid user id", hint="give the id as it appears in messages")


def erase(
    user: str,
    log: EventLog,
    store: EventStore,
    feeds: Mapping[str, Feed] = FEEDS,
    *,
    pseudonym_key: bytes = b"",
    on_read: OnRead = lambda messages: None,
) -> ErasureRun:
    """Remove a user from events, rejects and the log, and permanently suppress their future messages.

    The note of a resolution is removed if it names the user, or if all of its remaining rejects are the user's.

    Args:
        user: the user id, as in messages.
        log: the log; messages are overwritten if it is `erasable`.
        store: the store; an embedded one must not be in use by another process.
        feeds: feeds by name, as used in processing; the built-in ones if not given.
        pseudonym_key: as used in processing.
        on_read: called with the number of messages of the log that were read, part by part.

    Returns:
        The run, as recorded.

    Raises:
        ConfigurationError: the user id is invalid, or the store has another pseudonym key.
        StoreError: the store cannot be read or written, or the log to be overwritten is not the one that was processed:
            then only the store is erased. Safe to repeat.
        LogError: the log cannot be read or written, or has damaged messages: only they are not erased. Safe to repeat.
    """
    user = user.strip()  # as ids are decoded
    check_user(user)
    check_pseudonym_key(store, pseudonym_key)
    name, record = record_for(user, store.notes(ERASURES))

    def save() -> None:
        store.take_note(ERASURES, {name: msgspec.json.encode(record)})

    positions = store.suppress(name, msgspec.json.encode(record))
    if record.bounds is None:
        record.bounds = [(*partition, offset) for partition, offset in positions.items()]
        save()
    run, theirs = record.runs[-1], suppression_of([Erased(record.key, record.words)])
    ids = [user, pseudonym(user, pseudonym_key)] if pseudonym_key else [user]
    rejects, resolutions = _rejects_of(theirs, store, feeds)
    erase_notes(store, ids, resolutions)  # before the store rewrites its files
    removed = store.remove(Removal(run.id, ids, rejects, record.positions))
    run.log = log.erasable
    if run.log:
        check_log(log, store, [feed.topic for feed in feeds.values()])
        _erase_from_log(theirs, log, feeds, run, save, on_read)
    run.removed = _by_feed(feeds, removed, run)
    run.done_at = now()
    save()
    return run


def _rejects_of(
    users: Suppression, store: EventStore, feeds: Mapping[str, Feed]
) -> tuple[pl.DataFrame, frozenset[str]]:
    """The users' rejects (topic, partition, offset, feed, kind), and the ids of resolutions of no other rejects."""
    found, theirs, others = [pl.DataFrame(schema=_COLUMNS)], set[str](), set[str]()
    for frame in store.scan_rejects(RejectQuery()):
        for (name,), rejects in frame.partition_by("feed", as_dict=True).items():
            rows = rows_of_users(rejects["payload"].to_list(), feeds[name], users)
            found.append(rejects[rows].select(pl.col(column).cast(dtype) for column, dtype in _COLUMNS.items()))
            is_theirs = pl.int_range(rejects.height, eager=True).is_in(rows)
            theirs.update(rejects["resolution"].filter(is_theirs).drop_nulls())
            others.update(rejects["resolution"].filter(~is_theirs).drop_nulls())
    return pl.concat(found), frozenset(theirs - others)


def _erase_from_log(
    users: Suppression,
    log: EventLog,
    feeds: Mapping[str, Feed],
    run: ErasureRun,
    save: Callable[[], None],
    on_read: OnRead,
) -> None:
    """Overwrite the users' messages; the run is saved with their number before they are overwritten.

    After a crash in between, the remaining messages are overwritten, but not counted again.
    """
    damages = list[LogDamaged]()
    for feed in feeds.values():
        for partition in log.partitions(feed.topic):
            offsets = [
                batch.offsets[row]
                for batch in _batches(log, feed.topic, partition, damages, on_read)
                for row in rows_of_users(batch.payloads, feed, users)
            ]
            if _count_new(run, feed.name, partition, offsets):
                save()
            # even without offsets: an interrupted run may have left bytes of overwritten messages
            log.erase(feed.topic, partition, offsets)
    if damages:
        raise LogError(
            "the erasure is not complete: damaged messages of the log may be of the user",
            where=", ".join(one.where for one in damages[:3]) + (", ..." if len(damages) > 3 else ""),
            hint="all others are erased; restore the log from a backup, then run this again",
        )


def _count_new(run: ErasureRun, feed: str, partition: int, offsets: Sequence[int]) -> bool:
    """Count messages of a partition, at sorted offsets, unless already counted; returns whether any were new."""
    counted = next((one for one in run.overwritten if (one.feed, one.partition) == (feed, partition)), None)
    new = [offset for offset in offsets if counted is None or offset >= counted.end]
    if not new:
        return False
    if counted is None:
        counted = Overwritten(feed, partition)
        run.overwritten.append(counted)
    counted.messages += len(new)
    counted.end = new[-1] + 1
    return True


def _batches(log: EventLog, topic: str, partition: int, damages: list[LogDamaged], on_read: OnRead) -> Iterator[Batch]:
    """The messages of a partition; damaged ones are added to `damages`."""
    offset = 0
    while True:
        try:
            batch = log.read(topic, partition, offset, _BATCH_SIZE)
        except LogDamaged as error:
            damages.append(error)
            offset = error.end
            continue
        if not len(batch):
            return
        yield batch
        on_read(len(batch))
        offset = batch.span.end


def _by_feed(feeds: Mapping[str, Feed], removed: pl.DataFrame, run: ErasureRun) -> list[Removed]:
    counts = {(feed, kind): count for feed, kind, count in removed.iter_rows()}
    return [
        Removed(
            feed=feed,
            events=counts.get((feed, "event"), 0),
            filtered=counts.get((feed, "filtered"), 0),
            rejected=counts.get((feed, "rejected"), 0),
            conflicts=counts.get((feed, "conflict"), 0),
            messages=sum(one.messages for one in run.overwritten if one.feed == feed),
        )
        for feed in feeds
    ]

"""Rebuilds a store from the log, after a change of the format of stores or of settings that decide what an event is.

The new store grows beside the old one, like any store that is processed from the start of the log, and then takes its
place. What only the old store knows is carried over: erasures, marks on rejects, notes (alert states, for example), the
imports of the catalogue, and the time before which nothing is kept (`advertisex.stores.retention`). After a crash or an
interrupt, the next rebuild continues where this one stopped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from threading import Event
from typing import Any

import msgspec

from advertisex.errors import LogDamaged, StoreError
from advertisex.logs.contract import EventLog
from advertisex.model import Counts, LedgerRow, Partition
from advertisex.processing.identity_note import IDENTITIES
from advertisex.processing.runner import OnCommit, Processing, process_log
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import ERASURES, EventStore
from advertisex.stores.log_identity import is_same_append
from advertisex.stores.replacement import NOTES, Progress, Replacement
from advertisex.stores.retention import FLOOR, RETENTION, floor_in

_REBUILD, _OF = "rebuild", "of"
#: Kinds and fields of notes that had other names in format 1.
_KINDS = {"alerts-judged": "alerts-evaluated"}
_FIELDS = {"told": "notified", "told_at": "notified_at"}
_ALERTS = "alerts"


@dataclass(frozen=True, slots=True)
class Missing:
    """Messages that the old store has read and the log no longer gives.

    Attributes:
        topic: topic of the partition.
        partition: partition number.
        messages: how many, at least.
        read: how many messages of the partition the old store has read.
        reason: why they are missing, as a clause.
    """

    topic: str
    partition: int
    messages: int
    read: int
    reason: str


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Result of a rebuild.

    Attributes:
        ledger: ledger of the new store.
        kept: where the old store is kept; empty if the rebuild was interrupted and the old store is still in place.
    """

    ledger: Sequence[LedgerRow]
    kept: str


def missing_messages(replacement: Replacement, log: EventLog, processing: Processing) -> list[Missing]:
    """What a rebuild would lose, by partition; empty if the log holds everything that the old store has read.

    Raises:
        LogError: the log cannot be read.
    """
    progress = replacement.progress()
    topics = sorted({feed.topic for feed in processing.feeds.values()})
    ends, starts, identities = log.end_offsets(topics), log.start_offsets(topics), log.identities(topics)
    appends = log.append_ids({of: done.next_offset for of, done in progress.items()})
    found = []
    for of, done in sorted(progress.items()):
        same = is_same_append(done.append_id, appends.get(of, ""))
        held, reason = _held(done, starts.get(of, 0), ends.get(of, 0), identities.get(of.topic, ""), same=same)
        if of.topic not in topics:
            held, reason = 0, "no feed reads this topic"
        if done.read > held:
            found.append(Missing(*of, done.read - held, done.read, reason))
    return found


def rebuild_store(
    replacement: Replacement,
    log: EventLog,
    processing: Processing,
    *,
    missing: Sequence[Missing] = (),
    without_erasures: bool = False,
    stop: Event | None = None,
    on_commit: OnCommit = lambda committed: None,
) -> Rebuilt:
    """Process the whole log into the new store, and put it in the place of the old one.

    Args:
        replacement: the old and the new store.
        log: the log.
        processing: the configuration of processing.
        missing: what the new store may lack, from `missing_messages`; by default nothing.
        without_erasures: whether to continue if the erasures of the old store cannot be read.
        stop: when set, the rebuild stops after the current commit; the old store stays in place.
        on_commit: called after each commit.

    Raises:
        StoreError: a store cannot be read or written, messages or erasures are missing, or a user was erased meanwhile;
            the old store stays in place.
        LogDamaged: messages are damaged, and `skip_damaged` is not set.
        LogError: the log cannot be read.
        ConfigurationError: the store has another pseudonym key.
    """
    stop = stop or Event()
    if not without_erasures:
        check_erasures(replacement)
    before = replacement.progress()
    _prepare(replacement, _fingerprint(processing, log))
    keeping = replace(processing, keep_days=None)  # only what the old store has dropped
    try:
        process_log(log, replacement.new, keeping, stop=stop, on_commit=on_commit)
    except LogDamaged as damage:
        raise damage.skippable_by("rebuild") from damage
    if stop.is_set():
        return Rebuilt(replacement.new.ledger(), "")
    _check_complete(replacement.new, before, missing, skip_damaged=processing.skip_damaged)
    replacement.freeze()
    if replacement.notes().get(ERASURES, {}) != replacement.new.notes(ERASURES):
        raise StoreError("a user was erased during the rebuild", hint="run `advertisex rebuild` again")
    _carry_notes(replacement)
    _carry_floor(replacement)
    replacement.carry_catalogue()
    for marks in replacement.replay_marks():
        replacement.new.mark_replayed(marks)
    for resolutions in replacement.resolution_marks():
        replacement.new.mark_resolved(resolutions)
    kept = replacement.swap()
    replacement.new.take_note(_REBUILD, {_OF: None})
    return Rebuilt(replacement.new.ledger(), kept)


def check_erasures(replacement: Replacement) -> None:
    """Check that the old store still knows who was erased, and before what time nothing is kept.

    Raises:
        StoreError: it does not.
    """
    if NOTES in replacement.unreadable:
        raise StoreError(
            "the notes about erased users and removed periods cannot be read; a new store would have them again",
            hint="restore the store from a backup; or run `advertisex rebuild --yes --without-erasures`, and erase the "
            "users again",
        )


def _check_complete(
    new: EventStore, before: Mapping[Partition, Progress], missing: Sequence[Missing], *, skip_damaged: bool
) -> None:
    """Check that the new store got at least as far as the old one was, and has read no fewer messages.

    With `skip_damaged`, it may lack what it has lost.

    Raises:
        StoreError: it has not: retention deleted messages meanwhile, or a partition could not be read to its end.
    """
    lacking = {Partition(one.topic, one.partition): one.messages for one in missing}
    rows = {Partition(row.topic, row.partition): row for row in new.ledger()}
    for of, done in before.items():
        row = rows.get(of, LedgerRow(*of, 0, Counts()))
        is_behind = row.next_offset < done.next_offset and of not in lacking
        absent = max(lacking.get(of, 0), row.counts.lost if skip_damaged else 0)
        if is_behind or row.counts.read + absent < done.read:
            raise StoreError(
                f"the new store has read {row.counts.read:,} messages up to offset {row.next_offset:,}, "
                f"but the old one {done.read:,} up to {done.next_offset:,}",
                where=f"{of.topic}/{of.partition}",
                hint="run `advertisex rebuild` again; it reports what the log no longer has",
            )


def _held(done: Progress, start: int, end: int, identity: str, *, same: bool) -> tuple[int, str]:
    """How many of the messages read the log still gives, at most (`same`: the last of them, too), and why not all."""
    held = max(0, min(end, done.next_offset) - start)
    if done.log and identity and done.log != identity:
        return 0, "the topic was recreated"
    if not end:
        return 0, "the log has no messages of it"
    if end < done.next_offset:
        return held, f"the log ends at offset {end:,}, before {done.next_offset:,}"
    if not same:
        return min(held, done.read - 1), "an older copy of the log was restored and then appended to"
    return held, f"the log starts at offset {start:,}"


def _prepare(replacement: Replacement, fingerprint: bytes) -> None:
    """Carry over what processing depends on; a new store that was begun under other conditions is begun again."""
    new, erasures = replacement.new, replacement.notes().get(ERASURES, {})
    begun = new.notes(_REBUILD).get(_OF)
    if begun != fingerprint or new.notes(ERASURES) != erasures:
        if begun is not None or new.ledger():
            replacement.start_over()
        _carry_notes(replacement)
        replacement.new.take_note(_REBUILD, {_OF: fingerprint})
    _carry_floor(replacement)
    replacement.carry_catalogue()


def _carry_floor(replacement: Replacement) -> None:
    """Let the new store drop what the old one has dropped, unless its floor is in the future: the clock was fast."""
    floor = floor_in(replacement.notes().get(RETENTION, {}).get(FLOOR))
    if floor is not None and floor.since <= utc_now():
        replacement.new.drop_before(floor.since)


def _carry_notes(replacement: Replacement) -> None:
    notes: Mapping[str, Mapping[str, bytes]] = replacement.notes()
    if replacement.format == 1:
        notes = _translated(notes)
    for kind, documents in notes.items():
        if kind not in {_REBUILD, IDENTITIES, RETENTION}:
            gone = dict.fromkeys(replacement.new.notes(kind).keys() - documents.keys())
            replacement.new.take_note(kind, {**documents, **gone})


def _translated(notes: Mapping[str, Mapping[str, bytes]]) -> dict[str, Mapping[str, bytes]]:
    """Notes of format 1 under the names of this format."""
    renamed = {_KINDS.get(kind, kind): documents for kind, documents in notes.items()}
    alerts = renamed.get(_ALERTS, {})
    states = {key: msgspec.json.encode(_renamed(msgspec.json.decode(state))) for key, state in alerts.items()}
    return renamed | ({_ALERTS: states} if states else {})


def _renamed(state: dict[str, Any]) -> dict[str, Any]:
    """The state of an alert, with its previous incidents, under the names of this format."""
    return {_FIELDS.get(k, k): _renamed(v) if k == "last" and v is not None else v for k, v in state.items()}


def _fingerprint(processing: Processing, log: EventLog) -> bytes:
    """A hash of the log's identity, and of everything that decides what processing makes of a message."""
    identities = log.identities(sorted(feed.topic for feed in processing.feeds.values()))
    parts = [
        repr(sorted(identities.items())),
        str(processing.policy.negative_users),
        str(processing.policy.test_requests),
    ]  # the pseudonym key cannot change: its note is carried over
    parts += [repr(sorted(names)) for names in (processing.policy.blocked_users, processing.policy.blocked_sites)]
    for feed in processing.feeds.values():
        parts += [feed.topic, repr(feed.fields), repr(feed.identity), repr(feed.times), repr(feed.confluent_schemas)]
        parts += [f"{rule.code} {rule.field} {rule.broken}" for rule in feed.rules]
        parts += [f"{computed.column} {computed.value}" for computed in feed.computed]
    return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest().encode()

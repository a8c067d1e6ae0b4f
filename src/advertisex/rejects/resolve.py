"""Resolves rejects: marks them as dealt with, and keeps a record of who did so, when and why.

Nothing is deleted, and the ledger does not change. The record is a note of the store, written before the marks, so that
each mark has one. A resolution can be taken back: that is a record, too.
"""

import getpass
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

import msgspec

from advertisex.errors import ConfigurationError
from advertisex.limits import Limit
from advertisex.processing.suppression import mentions, suppression_in
from advertisex.rejects.selection import check_found, positions_of
from advertisex.stores.contract import ERASURES, EventStore, RejectQuery
from advertisex.stores.resolutions import Resolution, keep_resolution

LONGEST_NOTE = Limit(1_000, "characters", of="the note of a resolution", beyond="rejected")


def resolvable(query: RejectQuery, *, reopen: bool) -> RejectQuery:
    """The query for those of the rejects that can be resolved, because they are open; or reopened."""
    return replace(query, resolved=reopen, limit=None)


def resolve(
    store: EventStore,
    query: RejectQuery,
    note: str = "",
    *,
    reopen: bool = False,
    by: str | None = None,
    stop: Event | None = None,
    on_progress: Callable[[int], None] = lambda rejects: None,
) -> Resolution:
    """Mark rejects as dealt with, or take such marks back.

    Args:
        store: the event store.
        query: selects the rejects; `resolved` and `limit` are ignored.
        note: why.
        reopen: whether to reopen resolved rejects.
        by: who does it; by default the user of the operating system.
        stop: stops after the current part when set.
        on_progress: called after each part with the number of rejects marked so far.

    Returns:
        The record; it is kept only if a reject was marked.

    Raises:
        ConfigurationError: a position has no reject, or the note is too long or names an erased user.
        StoreError: the store cannot be read or written; some of the rejects may be marked. Safe to repeat.
    """
    note = checked_note(store, note)
    if query.positions is not None:
        found = store.scan_rejects(replace(query, resolved=None), ["topic", "partition", "offset"])
        check_found(query, (position for part in found for position in positions_of(part)))
    record = Resolution(secrets.token_hex(6), datetime.now(UTC), by or _user(), note, reopened=reopen)
    chosen, stopped = resolvable(query, reopen=reopen), False
    for part in store.scan_rejects(chosen, ["topic", "partition", "offset"]):
        if stopped := stop is not None and stop.is_set():
            break
        record = msgspec.structs.replace(record, rejects=record.rejects + part.height)
        keep_resolution(store, record)
        store.mark_resolved(dict.fromkeys(positions_of(part), None if reopen else record.id))
        on_progress(record.rejects)
    record = msgspec.structs.replace(record, interrupted=stopped)
    if record.rejects:
        keep_resolution(store, record)
    return record


def checked_note(store: EventStore, note: str) -> str:
    """A note without surrounding white space.

    Raises:
        ConfigurationError: it is too long, or names an erased user.
    """
    note = note.strip()
    if len(note) > LONGEST_NOTE:
        raise ConfigurationError(
            f"the note has {len(note):,} characters, more than {LONGEST_NOTE:,}", where="--note", hint="shorten it"
        )
    if mentions(note, suppression_in(store.notes(ERASURES))):
        raise ConfigurationError("the note names an erased user", where="--note", hint="describe it without the id")
    return note


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in some containers
        return "unknown"

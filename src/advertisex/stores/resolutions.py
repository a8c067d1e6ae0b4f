"""The records of resolutions of rejects, as notes of a store: who marked rejects as dealt with, when and why."""

import re
from collections.abc import Collection
from datetime import datetime

import msgspec

from advertisex.stores.contract import RESOLUTIONS, EventStore

#: What replaces a note that an erasure removes.
ERASED_NOTE = "(removed by an erasure)"


class Resolution(msgspec.Struct, frozen=True):
    """The record of a resolution.

    Attributes:
        id: its id, which its rejects carry.
        at: when it was made (UTC).
        by: name of the user of the operating system who made it.
        note: why; empty if nothing was said.
        rejects: number of rejects that were marked.
        reopened: whether the rejects were reopened rather than resolved.
        interrupted: whether it ended, or may have ended, before all selected rejects were marked.
    """

    id: str
    at: datetime
    by: str
    note: str = ""
    rejects: int = 0
    reopened: bool = False
    interrupted: bool = True


def resolutions_of(store: EventStore) -> list[Resolution]:
    """All records of a store, in the order in which they were made."""
    records = (msgspec.json.decode(document, type=Resolution) for document in store.notes(RESOLUTIONS).values())
    return sorted(records, key=lambda record: (record.at, record.id))


def keep_resolution(store: EventStore, record: Resolution) -> None:
    """Write a record, replacing that of the same id."""
    store.take_note(RESOLUTIONS, {record.id: msgspec.json.encode(record)})


def erase_notes(store: EventStore, users: Collection[str], resolutions: Collection[str]) -> None:
    """Remove the notes of records that name one of these users as a word, and those of these resolutions."""
    named = re.compile("|".join(rf"(?<!\w){re.escape(user)}(?!\w)" for user in users))
    for record in resolutions_of(store):
        if record.note not in {"", ERASED_NOTE} and (record.id in resolutions or named.search(record.note)):
            keep_resolution(store, msgspec.structs.replace(record, note=ERASED_NOTE))

"""Persists alert states as notes in the store, so a restart neither repeats nor loses a notification."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import msgspec

from advertisex.model import Partition
from advertisex.monitoring.rules import Key
from advertisex.monitoring.states import State, States
from advertisex.stores.contract import EventStore

ALERTS, _EVALUATED = "alerts", "alerts-evaluated"
#: Stores may limit the length of keys.
_MAX_KEY_BYTES = 100


def load_states(store: EventStore) -> dict[Key, State]:
    """Load the states of all alerts."""
    states = (msgspec.json.decode(document, type=State) for document in store.notes(ALERTS).values())
    return {state.key: state for state in states}


def save_states(store: EventStore, before: States, after: States) -> None:
    """Save the states that have changed.

    Args:
        store: the event store.
        before: the states as last saved.
        after: the new states.

    Raises:
        StoreError: the store cannot be written.
    """
    changed: dict[str, bytes | None] = {_name(key): None for key in before if key not in after}
    changed |= {_name(key): msgspec.json.encode(state) for key, state in after.items() if before.get(key) != state}
    if changed:
        store.take_note(ALERTS, changed)


class Evaluated(NamedTuple):
    """How far the store is evaluated.

    Attributes:
        until: end of the last evaluated bucket.
        counted: positions up to which commits are counted; see `series.History`.
    """

    until: datetime
    counted: Mapping[Partition, int] = {}


def load_evaluated(store: EventStore) -> Evaluated | None:
    """Load how far the store is evaluated; None before the first evaluation."""
    notes: Mapping[str, bytes] = store.notes(_EVALUATED)
    if "until" not in notes:
        return None
    positions = msgspec.json.decode(notes.get("counted", b"[]"), type=list[tuple[str, int, int]])
    counted = {Partition(topic, number): end for topic, number, end in positions}
    return Evaluated(msgspec.json.decode(notes["until"], type=datetime), counted)


def save_evaluated(store: EventStore, evaluated: Evaluated) -> None:
    """Save how far the store is evaluated. Save the states first, so that a crash skips no bucket.

    Raises:
        StoreError: the store cannot be written.
    """
    counted = [(*of, end) for of, end in evaluated.counted.items()]
    notes = {"until": msgspec.json.encode(evaluated.until), "counted": msgspec.json.encode(counted)}
    store.take_note(_EVALUATED, notes)


def _name(key: Key) -> str:
    campaign = key.campaign or ""
    if len(campaign.encode()) > _MAX_KEY_BYTES:
        campaign = sha256(campaign.encode()).hexdigest()
    return f"{key.rule}/{key.feed}/{campaign}"

"""Persists alert states as notes in the store, so a restart neither repeats nor loses a notification."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

import msgspec

from advertisex.monitoring.rules import Key
from advertisex.monitoring.states import State, States
from advertisex.stores.contract import EventStore

_ALERTS, _EVALUATED = "alerts", "alerts-evaluated"
#: Stores may limit the length of keys.
_MAX_KEY_BYTES = 100


def load_states(store: EventStore) -> dict[Key, State]:
    """Load the states of all alerts."""
    states = (msgspec.json.decode(document, type=State) for document in store.notes(_ALERTS).values())
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
        store.take_note(_ALERTS, changed)


def load_evaluated_until(store: EventStore) -> datetime | None:
    """Load the end of the last evaluated bucket; None before the first evaluation."""
    notes: Mapping[str, bytes] = store.notes(_EVALUATED)
    return msgspec.json.decode(notes["until"], type=datetime) if "until" in notes else None


def save_evaluated_until(store: EventStore, until: datetime) -> None:
    """Save the end of the last evaluated bucket. Save the states first, so that a crash skips no bucket.

    Raises:
        StoreError: the store cannot be written.
    """
    store.take_note(_EVALUATED, {"until": msgspec.json.encode(until)})


def _name(key: Key) -> str:
    campaign = key.campaign or ""
    if len(campaign.encode()) > _MAX_KEY_BYTES:
        campaign = sha256(campaign.encode()).hexdigest()
    return f"{key.rule}/{key.feed}/{campaign}"

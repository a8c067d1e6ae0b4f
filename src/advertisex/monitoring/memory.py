"""How alerts stand, kept in the store, so that a restart neither repeats nor forgets."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

import msgspec

from advertisex.monitoring.rules import Key
from advertisex.monitoring.states import State, States
from advertisex.stores.contract import EventStore

_ALERTS, _EVALUATED = "alerts", "alerts-judged"
#: A store may limit the length of keys.
_LONGEST = 100


def remembered(store: EventStore) -> dict[Key, State]:
    """The states of all alerts."""
    states = (msgspec.json.decode(document, type=State) for document in store.notes(_ALERTS).values())
    return {state.key: state for state in states}


def remember(store: EventStore, before: States, after: States) -> None:
    """Write what has changed.

    Raises:
        StoreError: the store cannot be written.
    """
    changed: dict[str, bytes | None] = {_name(key): None for key in before if key not in after}
    changed |= {_name(key): msgspec.json.encode(state) for key, state in after.items() if before.get(key) != state}
    if changed:
        store.take_note(_ALERTS, changed)


def evaluated_until(store: EventStore) -> datetime | None:
    """Up to when buckets were judged."""
    notes: Mapping[str, bytes] = store.notes(_EVALUATED)
    return msgspec.json.decode(notes["until"], type=datetime) if "until" in notes else None


def evaluate_until(store: EventStore, until: datetime) -> None:
    """Write up to when buckets were judged; after the states, so that none is passed over.

    Raises:
        StoreError: the store cannot be written.
    """
    store.take_note(_EVALUATED, {"until": msgspec.json.encode(until)})


def _name(key: Key) -> str:
    campaign = key.campaign or ""
    if len(campaign.encode()) > _LONGEST:
        campaign = sha256(campaign.encode()).hexdigest()
    return f"{key.rule}/{key.feed}/{campaign}"

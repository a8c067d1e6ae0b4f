"""Checks that a store is always used with the same identities: otherwise a repeated event would count twice."""

from collections.abc import Mapping

import msgspec

from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.stores.contract import EventStore

#: Kind of the notes with the identity of each feed; a rebuild does not carry them over.
IDENTITIES = "identities"


def check_identities(store: EventStore, feeds: Mapping[str, Feed]) -> None:
    """Check the identity of each feed; one that the store does not have yet is accepted.

    Raises:
        ConfigurationError: the events of a feed were stored with another identity.
    """
    for name, document in store.notes(IDENTITIES).items():
        known = msgspec.json.decode(document, type=list[str])
        if name in feeds and sorted(known) != sorted(feeds[name].identity):
            fields = ", ".join("timestamp" if column == "event_time" else column for column in known)
            raise ConfigurationError(
                f"setting feeds.{name}.identity: the store's events are identified by {fields}",
                hint="restore the setting, or run `advertisex rebuild` to make a new store from the log",
                setting=("feeds", name, "identity"),
            )


def note_identities(store: EventStore, feeds: Mapping[str, Feed]) -> None:
    """Check the identity of each feed, and record those that the store does not have yet.

    Raises:
        ConfigurationError: the events of a feed were stored with another identity.
        StoreError: the store cannot be written.
    """
    check_identities(store, feeds)
    known = store.notes(IDENTITIES)
    new = {name: msgspec.json.encode(feed.identity) for name, feed in feeds.items() if name not in known}
    if new:
        store.take_note(IDENTITIES, new)

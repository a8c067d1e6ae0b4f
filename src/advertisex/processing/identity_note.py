"""Checks that a store is always used with the same identities: otherwise a repeated event would count twice."""

from collections.abc import Mapping

import msgspec

from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.stores.contract import EventStore

#: Kind of the notes with the identity of each feed; a rebuild does not carry them over.
IDENTITIES = "identities"


def note_identities(store: EventStore, feeds: Mapping[str, Feed]) -> None:
    """Check the identity of each feed, and record those that the store does not have yet.

    Raises:
        ConfigurationError: the events of a feed were stored with another identity.
        StoreError: the store cannot be written.
    """
    known = {name: msgspec.json.decode(document, type=list[str]) for name, document in store.notes(IDENTITIES).items()}
    for name, feed in feeds.items():
        if name in known and sorted(known[name]) != sorted(feed.identity):
            raise ConfigurationError(
                f"setting feeds.{name}.identity: the store's events are identified by {', '.join(known[name])}",
                hint="restore the setting, or run `advertisex rebuild` to make a new store from the log",
            )
    new = {name: msgspec.json.encode(feed.identity) for name, feed in feeds.items() if name not in known}
    if new:
        store.take_note(IDENTITIES, new)

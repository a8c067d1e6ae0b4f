"""The list of the indices of events: one note for each feed.

An index is listed before it is created, and no event is written to it before the list says that it was created. So
whatever is deleted between any two requests of any process: an index that may have held events is known. One that is
listed as created and is gone is never created again.

    creating    about to be created, or a crash came before: it may not exist, and holds no events
    created     it exists; if it does not, it was deleted
    dropping    retention is deleting it

Each index has an id, which is also in its mapping (`_meta`). An index of the same name with another id is not ours. A
snapshot keeps the id.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Literal
from uuid import uuid4

import msgspec

from advertisex.stores.elasticsearch.notes import Notes

#: Kind of the notes; a rebuild makes a new list.
INDICES = "indices"

State = Literal["creating", "created", "dropping"]


class Listed(msgspec.Struct, frozen=True):
    """An index in the list."""

    id: str
    state: State = "creating"


Indexed = Mapping[str, Listed]
_decode = msgspec.json.Decoder(dict[str, Listed]).decode


class IndexList:
    """The list of one generation, by name of the index."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def read(self, feed: str, *, forever: bool = False) -> Indexed:
        """All listed indices of a feed; with `forever`, wait for an unreachable cluster."""
        document = self._notes.current(INDICES, feed, forever=forever).document
        return {} if document is None else _decode(document)

    def add(self, feed: str, name: str) -> Listed:
        """List an index that is about to be created, unless it is listed."""
        new = Listed(uuid4().hex)
        return self._change(feed, lambda listed: {name: new, **listed})[name]

    def mark(self, feed: str, names: Collection[str], state: State) -> None:
        """Set the state of listed indices."""
        self._change(
            feed,
            lambda listed: {
                name: msgspec.structs.replace(one, state=state) if name in names else one
                for name, one in listed.items()
            },
        )

    def forget(self, feed: str, names: Collection[str]) -> None:
        """Remove indices that retention has deleted."""
        self._change(feed, lambda listed: {name: one for name, one in listed.items() if name not in names})

    def _change(self, feed: str, change: Callable[[Indexed], Indexed]) -> Indexed:
        while True:
            noted = self._notes.current(INDICES, feed)
            before = {} if noted.document is None else _decode(noted.document)
            after = change(before)
            if after == before:
                return after
            self._notes.replace(INDICES, feed, noted, msgspec.json.encode(after))

"""The contract of a rebuild: a new store that grows beside the old one, and then takes its place."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from advertisex.model import Partition, Position
from advertisex.stores.contract import EventStore

#: What only the old store knows: how far it got, its notes (with the erasures), marks on rejects, and its catalogue.
LEDGER, NOTES, MARKS, CATALOGUE = "ledger", "notes", "marks on rejects", "catalogue"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a store got in one partition, whatever its format.

    Attributes:
        next_offset: the checkpoint.
        read: number of messages read.
        stored: number of events stored, without those that retention removed.
        log: identity of the log; empty if the log has none.
        append_id: identifies the append of the last message read; empty if unknown.
    """

    next_offset: int
    read: int
    stored: int
    log: str
    append_id: str = ""


class Replacement(Protocol):
    """A store of any format, open for reading what the log cannot give, and the new store beside it.

    The old store cannot be written by anyone else, or not without being noticed, until this is closed. The new store
    survives a crash: the next rebuild continues with it.

    Attributes:
        format: format of the old store.
        unreadable: what only the old store knows and cannot be read, because it is damaged or gone.
    """

    format: int
    unreadable: Collection[str] = ()

    @property
    def new(self) -> EventStore:
        """The new store; empty, or as far as an earlier rebuild got. It is made when it is first used.

        Raises:
            StoreError: it cannot be made or opened.
        """
        ...

    def progress(self) -> dict[Partition, Progress]:
        """How far the old store got in each partition of its ledger."""
        ...

    def notes(self) -> dict[str, dict[str, bytes]]:
        """All notes of the old store, by kind and key."""
        ...

    def replay_marks(self) -> Iterator[Mapping[Position, Position]]:
        """The replayed rejects of the old store with the positions of their replays, in parts of bounded size."""
        ...

    def resolution_marks(self) -> Iterator[Mapping[Position, str]]:
        """The resolved rejects of the old store with the ids of their resolutions, in parts of bounded size."""
        ...

    def carry_catalogue(self) -> None:
        """Copy all imports of the catalogue to the new store with their commit times; idempotent."""
        ...

    def start_over(self) -> None:
        """Delete the new store and begin with an empty one."""
        ...

    def freeze(self) -> None:
        """From now on nobody can write to the old store, until this is closed without a swap."""
        ...

    def swap(self) -> str:
        """Put the new store in the place of the old one, which is frozen.

        The time of the last commit becomes the new store's `rebuilt_at`. A crash leaves either the old store or the new
        one in place, never none. The old one is kept until it is dropped.

        Returns:
            Where the old store is kept, for messages.
        """
        ...

    def close(self) -> None:
        """Close both stores; safe to call twice."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

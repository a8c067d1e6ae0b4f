"""Which rejects are to be replayed, and what each becomes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from advertisex.batches import Position
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.mapping import FieldMapping
from advertisex.rejects.mending import Repair, repairer
from advertisex.stores.contract import EventStore, RejectQuery

#: Messages that are appended, and then marked, at once; their weight is bounded likewise.
_MESSAGES = 10_000
_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rejects are replayed, and how.

    Attributes:
        query: which; its `replayed` and `limit` do not count.
        feeds: by name, as the settings have them.
        mapping: how each message is mended.
        force: whether those that were replayed before are replayed again.
    """

    query: RejectQuery
    feeds: Mapping[str, Feed]
    mapping: FieldMapping = FieldMapping()
    force: bool = False


@dataclass(slots=True)
class Part:
    """Some rejects of one feed, each as it would be sent.

    Attributes:
        feed: its name.
        messages: by the position of the reject.
        unmendable: how many more there were, which are no record that a field could be set in.
    """

    feed: str
    messages: dict[Position, bytes] = field(default_factory=dict)
    unrepairable: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a selection comes to.

    Attributes:
        query: finds the rejects that are to be replayed.
        menders: for each feed that they are of.
        rejects: how many they are.
        left: how many more were selected, but were replayed before.
        mapping: how each message is mended.
        missing: the columns of the mapping that no message had until now.
    """

    query: RejectQuery
    repairers: dict[str, Repair]
    rejects: int
    left: int
    mapping: FieldMapping
    missing: set[str]

    def parts(self, store: EventStore) -> Iterator[Part]:
        """The rejects in the order of their positions, a bounded number and weight at a time."""
        for frame in store.scan_rejects(self.query):
            for (feed,), rejects in frame.partition_by("feed", as_dict=True, maintain_order=True).items():
                if hint := self.repairers.get(feed):  # another feed had none when they were counted
                    yield from _parts(feed, rejects, hint)

    def unmatched(self) -> tuple[str, ...]:
        """The columns of the mapping that no message had, once all have been seen."""
        return tuple(column for column in self.mapping.rename if column in self.missing)


def choose(store: EventStore, selection: Selection) -> Chosen:
    """Find out what a selection comes to; nothing is written.

    Raises:
        ConfigurationError: a position is no reject; one that is named was replayed before, and it is not forced; the
            mapping names no field of a feed.
    """
    query = replace(selection.query, replayed=None, limit=None)
    if query.positions is not None:
        _check_known(store, query)
    total = int(store.reject_counts(query)["count"].sum())
    before = int(store.reject_counts(replace(query, replayed=True))["count"].sum())
    if before and query.positions is not None and not selection.force:
        raise ConfigurationError(
            f"{before:,} of {total:,} were replayed before, and nothing was sent",
            hint="`advertisex rejects show` tells where they went; --force sends them again",
        )
    if not selection.force:
        query = replace(query, replayed=False)
    left = 0 if selection.force else before
    missing = set(selection.mapping.rename)
    feeds = sorted(set(store.reject_counts(query)["feed"]))
    repairers = {name: repairer(selection.feeds[name], selection.mapping, missing) for name in feeds}
    return Chosen(query, repairers, total - left, left, selection.mapping, missing)


def _check_known(store: EventStore, query: RejectQuery) -> None:
    found = {position for part in store.scan_rejects(query) for position in positions_of(part)}
    if unknown := sorted(set(query.positions or ()) - found):
        more = f", nor at {len(unknown) - 1:,} more of these positions" if len(unknown) > 1 else ""
        raise ConfigurationError(
            f"there is no reject at {unknown[0]}{more}", hint="`advertisex rejects list` shows where they are"
        )


def positions_of(rejects: pl.DataFrame) -> list[Position]:
    """The position of each row."""
    return [Position(*row) for row in rejects.select("topic", "partition", "offset").iter_rows()]


def _parts(feed: str, rejects: pl.DataFrame, hint: Repair) -> Iterator[Part]:
    part, weight = Part(feed), 0
    for position, payload in zip(positions_of(rejects), rejects["payload"], strict=True):
        repaired = hint(payload)
        if repaired is None:
            part.unrepairable += 1
        else:
            part.messages[position] = repaired
            weight += len(repaired)
        if len(part.messages) == _MESSAGES or weight >= _BYTES:
            yield part
            part, weight = Part(feed), 0
    yield part

"""Selects the rejects to replay, and repairs them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.mapping import FieldMapping
from advertisex.model import Position
from advertisex.rejects.repair import Repair, repairer
from advertisex.stores.contract import EventStore, RejectQuery

#: Limits on the number and total size of the messages that are appended and marked together.
_MESSAGES = 10_000
_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Selection:
    """The rejects to replay, and how to repair them.

    Attributes:
        query: selects the rejects; `replayed` and `limit` are ignored.
        feeds: the configured feeds, by name.
        mapping: the repair of each message.
        force: whether to include rejects that were already replayed.
    """

    query: RejectQuery
    feeds: Mapping[str, Feed]
    mapping: FieldMapping = FieldMapping()
    force: bool = False


@dataclass(slots=True)
class Part:
    """Repaired messages of one feed.

    Attributes:
        feed: name of the feed.
        messages: messages by the position of their reject.
        unrepairable: number of further rejects, which cannot be decoded as a record.
    """

    feed: str
    messages: dict[Position, bytes] = field(default_factory=dict)
    unrepairable: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """A resolved selection.

    Attributes:
        query: selects the rejects to replay.
        repairers: the repair function of each feed.
        rejects: number of rejects to replay.
        left: number of further selected rejects that were already replayed.
        mapping: the repair of each message.
        encoders: encode the repaired messages, one for each feed.
    """

    query: RejectQuery
    repairers: dict[str, Repair]
    rejects: int
    left: int
    mapping: FieldMapping
    encoders: list[Encoder]

    def parts(self, store: EventStore) -> Iterator[Part]:
        """Repair the rejects in the order of their positions, in parts of bounded number and size."""
        for frame in store.scan_rejects(self.query):
            for (feed,), rejects in frame.partition_by("feed", as_dict=True, maintain_order=True).items():
                if repair := self.repairers.get(feed):  # skip feeds that had no rejects when counted
                    yield from _parts(feed, rejects, repair)

    def unmatched(self) -> tuple[str, ...]:
        """The columns of the mapping that no message had; complete after all parts have been read."""
        return tuple(column for column in self.mapping.rename if all(column in one.unmatched for one in self.encoders))


def choose(store: EventStore, selection: Selection) -> Chosen:
    """Resolve a selection. Writes nothing.

    Raises:
        ConfigurationError: a position has no reject, a reject selected by position was already replayed (without
            `force`), or the mapping contains an unknown field.
    """
    query = replace(selection.query, replayed=None, limit=None)
    if query.positions is not None:
        _check_known(store, query)
    total = int(store.reject_counts(query)["count"].sum())
    before = int(store.reject_counts(replace(query, replayed=True))["count"].sum())
    if before and query.positions is not None and not selection.force:
        raise ConfigurationError(
            f"{before:,} of {total:,} were already replayed; nothing was sent",
            hint="`advertisex rejects show` shows where they went; --force resends them",
        )
    if not selection.force:
        query = replace(query, replayed=False)
    left = 0 if selection.force else before
    feeds = [selection.feeds[name] for name in sorted(set(store.reject_counts(query)["feed"]))]
    encoders = [Encoder(feed, selection.mapping) for feed in feeds]
    repairers = {
        feed.name: repairer(feed, selection.mapping, encoder) for feed, encoder in zip(feeds, encoders, strict=True)
    }
    return Chosen(query, repairers, total - left, left, selection.mapping, encoders)


def _check_known(store: EventStore, query: RejectQuery) -> None:
    found = {position for part in store.scan_rejects(query) for position in positions_of(part)}
    if unknown := sorted(set(query.positions or ()) - found):
        others = f" or at {len(unknown) - 1:,} more of these positions" if len(unknown) > 1 else ""
        raise ConfigurationError(
            f"no reject at {unknown[0]}{others}", hint="`advertisex rejects list` lists their positions"
        )


def positions_of(rejects: pl.DataFrame) -> list[Position]:
    """The position of each row."""
    return [Position(*row) for row in rejects.select("topic", "partition", "offset").iter_rows()]


def _parts(feed: str, rejects: pl.DataFrame, repair: Repair) -> Iterator[Part]:
    part, size = Part(feed), 0
    for position, payload in zip(positions_of(rejects), rejects["payload"], strict=True):
        repaired = repair(payload)
        if repaired is None:
            part.unrepairable += 1
        else:
            part.messages[position] = repaired
            size += len(repaired)
        if len(part.messages) == _MESSAGES or size >= _BYTES:
            yield part
            part, size = Part(feed), 0
    yield part

"""Selects the rejects to replay.

Conflicts are left out unless they are selected by kind, reason or position: sent again unchanged, each would be a
conflict again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from advertisex.errors import ConfigurationError, RejectMissing
from advertisex.feeds import Feed, default_feeds
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.numbers import NumberStyle
from advertisex.model import Position
from advertisex.stores.contract import EventStore, RejectQuery

#: Limits on the number and total size of the rejects that are repaired, appended and marked together.
_MESSAGES = 10_000
_BYTES = 16 * 2**20

#: The kinds of rejects.
KINDS = frozenset({"rejected", "filtered", "conflict"})


@dataclass(frozen=True, slots=True)
class Selection:
    """The rejects to replay, and how to repair them.

    Attributes:
        query: selects the rejects; `replayed`, `resolved` and `limit` are ignored. Without a kind, a reason or
            positions, it selects no conflicts.
        feeds: the feeds by name, as configured.
        mapping: the repair of each message.
        numbers: how numbers in text are written; None if plainly.
        encoding: the encoding of messages that are not UTF-8; None leaves them unchanged.
        force: whether to include rejects that were already replayed or are resolved.
    """

    query: RejectQuery
    feeds: Mapping[str, Feed] = field(default_factory=default_feeds)
    mapping: FieldMapping = FieldMapping()
    numbers: NumberStyle | None = None
    encoding: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """A resolved selection.

    Attributes:
        query: selects the rejects to replay.
        kinds: kinds of the rejects to replay.
        feeds: names of the feeds that have any.
        messages: their number.
        left: number of further selected rejects that were already replayed.
        resolved: number of further selected rejects that are resolved.
        conflicts: number of further rejects that are left out because they are conflicts.
    """

    query: RejectQuery
    kinds: frozenset[str]
    feeds: frozenset[str]
    messages: int
    left: int
    resolved: int
    conflicts: int

    def parts(self, store: EventStore) -> Iterator[tuple[str, pl.DataFrame]]:
        """The feed and the rejects of each part, in the order of their positions; bounded in number and size."""
        for frame in store.scan_rejects(self.query):
            kept = frame.filter(pl.col("kind").is_in(self.kinds))
            for (feed,), rejects in kept.partition_by("feed", as_dict=True, maintain_order=True).items():
                if feed in self.feeds:  # other feeds may have got rejects since
                    yield from ((feed, part) for part in _bounded(rejects))


def choose(store: EventStore, selection: Selection) -> Chosen:
    """Resolve a selection. Writes nothing.

    Raises:
        ConfigurationError: a position has no reject, or a reject selected by position was already replayed or is
            resolved (without `force`).
    """
    query = replace(selection.query, replayed=None, resolved=None, limit=None)
    if query.positions is not None:
        parts = store.scan_rejects(query, ["topic", "partition", "offset"])
        check_found(query, (position for part in parts for position in positions_of(part)))
    is_explicit = any(part is not None for part in (query.kind, query.reason, query.positions))
    kinds = KINDS if is_explicit else KINDS - {"conflict"}
    replayed = resolved = 0
    if not selection.force:
        replayed = _count(store, replace(query, replayed=True), kinds)
        resolved = _count(store, replace(query, replayed=False, resolved=True), kinds)
        if query.positions is not None:
            _check_open(_count(store, query, kinds), replayed, resolved)
        query = replace(query, replayed=False, resolved=False)
    counts = store.reject_counts(query)
    found = counts.filter(pl.col("kind").is_in(kinds))
    feeds, messages = frozenset(found["feed"]), int(found["count"].sum())
    left_out = _count(store, query, KINDS - kinds)
    return Chosen(query, kinds, feeds, messages, replayed, resolved, left_out)


def _check_open(total: int, replayed: int, resolved: int) -> None:
    if replayed:
        raise ConfigurationError(
            f"{replayed:,} of {total:,} were already replayed; nothing was sent",
            hint="`advertisex rejects show` shows where they went; --force resends them",
        )
    if resolved:
        raise ConfigurationError(
            f"{resolved:,} of {total:,} are resolved; nothing was sent",
            hint="`advertisex rejects show` shows by whom; --force sends them",
        )


def _count(store: EventStore, query: RejectQuery, kinds: Collection[str]) -> int:
    return int(store.reject_counts(query).filter(pl.col("kind").is_in(kinds))["count"].sum())


def check_found(query: RejectQuery, found: Iterable[Position]) -> None:
    """Check that every position of a query has a reject.

    Raises:
        RejectMissing: a position has no reject.
    """
    if unknown := sorted(set(query.positions or ()) - set(found)):
        others = f" or at {len(unknown) - 1:,} more of these positions" if len(unknown) > 1 else ""
        raise RejectMissing(
            f"no reject at {unknown[0]}{others}", hint="`advertisex rejects list` lists their positions"
        )


def positions_of(rejects: pl.DataFrame) -> list[Position]:
    """The position of each row."""
    return [Position(*row) for row in rejects.select("topic", "partition", "offset").iter_rows()]


def _bounded(rejects: pl.DataFrame) -> Iterator[pl.DataFrame]:
    start = size = 0
    for end, length in enumerate(rejects["payload"].bin.size(), start=1):
        size += length
        if end - start == _MESSAGES or size >= _BYTES:
            yield rejects[start:end]
            start, size = end, 0
    if start < rejects.height:
        yield rejects[start:]

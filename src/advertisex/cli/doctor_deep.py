"""What `advertisex doctor --deep` does more: read and verify everything in the log and the store."""

from collections.abc import Mapping, Sequence

import polars as pl

from advertisex.cli.progress import progress
from advertisex.errors import AdvertiseXError
from advertisex.feeds import Feed
from advertisex.logs.contract import EventLog
from advertisex.model import Counts, Finding, Span
from advertisex.processing.store_check import check_store
from advertisex.stores.contract import EventStore


class Deep:
    """The deep checks, with progress bars."""

    def of_log(self, log: EventLog, topics: Sequence[str], store: EventStore | None) -> list[Finding]:
        """Read everything that the log holds."""
        total = sum(log.end_offsets(topics).values()) - sum(log.start_offsets(topics).values())
        with progress("verifying the log", total) as bar:
            return log.verify(topics, bar.advance, [] if store is None else lost_spans(store))

    def of_store(self, store: EventStore, feeds: Mapping[str, Feed], *, identities: bool) -> list[Finding]:
        """Read everything that the store holds."""
        counts = sum((row.counts for row in store.ledger()), Counts())
        total = counts.stored + counts.filtered + counts.rejected + counts.conflict
        with progress("verifying the store", total) as bar:
            return check_store(store, feeds, bar.advance, identities=identities)


def lost_spans(store: EventStore) -> list[Span]:
    """What the ledger counts as lost; nothing if the store cannot be read, which is reported later."""
    try:
        found = store.commits().filter(pl.col("lost") == pl.col("end") - pl.col("start"), pl.col("lost") > 0)
    except AdvertiseXError:
        return []
    return [Span(*row) for row in found.select("topic", "partition", "start", "end").iter_rows()]

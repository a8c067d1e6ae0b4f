"""The messages that we left out, and a partner may have counted: filtered, rejected, and duplicates."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from advertisex.analysis.money import NET, units
from advertisex.analysis.reconciliation.our_rows import REPEATED, ROW, as_rows, is_late
from advertisex.analysis.scope import Scope
from advertisex.catalogue.join import catalogue_of
from advertisex.feeds import Feed
from advertisex.logs.contract import EventLog
from advertisex.model import Batch
from advertisex.processing.decode import decode
from advertisex.processing.pipeline import process
from advertisex.processing.runner import Processing
from advertisex.processing.standardise import standardise
from advertisex.processing.suppression import suppression_in
from advertisex.stores.contract import ERASURES, EventStore, RejectQuery

FEEDS = ("impressions", "clicks")
_BATCH = 10_000
_READ = ("topic", "partition", "offset", "feed", "kind", "reason", "payload", "processed_at", "replayed_to")
_EVENT = pl.col("event_id").bin.reinterpret(dtype=pl.UInt128, endianness="big")


@dataclass
class LeftOut:
    """What was found of the messages that are not stored.

    Attributes:
        others: `ROW`, of the filtered and the rejected messages whose campaign and time can be read.
        repeated: `REPEATED`, of messages of the log that may be duplicates.
        unreadable: number of rejected messages without a readable campaign or time, at any time, by feed.
        unknown: number of duplicates that the log no longer has, or that were not looked up, at any time, by feed.
    """

    others: pl.DataFrame
    repeated: pl.DataFrame
    unreadable: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)


def left_out_of(
    store: EventStore, scope: Scope, report_time: datetime | None, log: EventLog | None, processing: Processing
) -> LeftOut:
    """Find the messages of a scope that are not stored.

    Args:
        store: the event store.
        scope: the range and the campaign.
        report_time: what was processed later is late.
        log: the log, to look up duplicates; None leaves them unknown.
        processing: how the messages were processed.
    """
    found = LeftOut(pl.DataFrame(schema=ROW), pl.DataFrame(schema=REPEATED))
    found.others = pl.concat(
        [found.others, *_rejects(store, scope, report_time, processing.feeds, found.unreadable)], rechunk=True
    )
    if log is None:
        for feed, number in _duplicates(store, scope).group_by("feed").agg(pl.col("duplicate").sum()).iter_rows():
            found.unknown[feed] += number
    else:
        found.repeated = pl.concat([found.repeated, *_repeated(store, scope, log, processing, found.unknown)])
    return found


def _rejects(
    store: EventStore, scope: Scope, report_time: datetime | None, feeds: Mapping[str, Feed], unreadable: Counter[str]
) -> Iterator[pl.DataFrame]:
    """The readable messages that were filtered or rejected, and have not been replayed."""
    catalogue = catalogue_of(store, scope.as_of)
    for feed in FEEDS:
        for kind in ("filtered", "rejected"):
            for frame in store.scan_rejects(RejectQuery(feed=feed, kind=kind, as_of=scope.as_of), _READ):
                pending = frame.filter(pl.col("replayed_to").is_null())
                decoded, _ = decode(pending["payload"].to_list(), feeds[feed])
                events = standardise(decoded, feeds[feed])
                if feed == "impressions":
                    events = catalogue.join(events, ["campaign_id"]).with_columns(
                        impressions=pl.lit(1), cost=units("cost").cast(pl.Int128) * 1000, cost_currency="currency"
                    )
                else:
                    counts = pl.col("clicks", "conversions").fill_null(0).clip(lower_bound=0)
                    events = events.with_columns(counts).with_columns(NET)
                    events = events.with_columns(revenue=units("value"), revenue_currency="currency")
                usable = events.drop_nulls(["campaign_id", "event_time"])
                if kind == "rejected":
                    unreadable[feed] += pending.height - usable.height
                places = pending.with_row_index("row").drop("payload", "feed")
                rows = usable.join(places, on="row", how="left").filter(_within(scope))
                reason = pl.concat_str("kind", pl.lit(":"), "reason")
                yield as_rows(rows.with_columns(late=is_late(report_time)), feed, reason)


def _within(scope: Scope) -> pl.Expr:
    """Whether a message is in the range and the campaign of a scope."""
    time, conditions = pl.col("event_time"), [pl.lit(value=True)]
    if scope.since is not None:
        conditions.append(time >= scope.since)
    if scope.until is not None:
        conditions.append(time < scope.until)
    if scope.campaign is not None:
        conditions.append(pl.col("campaign_id") == scope.campaign)
    return pl.all_horizontal(conditions)


def _duplicates(store: EventStore, scope: Scope) -> pl.DataFrame:
    """The commits of the ledger that have duplicates, as of the time of the scope."""
    commits = store.commits().filter((pl.col("duplicate") > 0) & pl.col("feed").is_in(FEEDS))
    return commits if scope.as_of is None else commits.filter(pl.col("committed_at") <= scope.as_of)


def _repeated(
    store: EventStore, scope: Scope, log: EventLog, processing: Processing, unknown: Counter[str]
) -> Iterator[pl.DataFrame]:
    """Process again the messages of the commits that have duplicates, and yield those that are not stored events.

    The message of a stored event is at its position; so one with the same event at another position is a duplicate.
    """
    commits = _duplicates(store, scope)
    feeds = {feed.topic: feed for feed in processing.feeds.values()}
    place_dtypes = {name: REPEATED[name] for name in ("topic", "partition", "offset")}
    stored = {
        feed: pl.concat([pl.DataFrame(schema=place_dtypes), *store.scan(feed, list(place_dtypes), scope.within)])
        for feed in commits["feed"].unique()
    }
    erased = suppression_in(store.notes(ERASURES))
    same = _same_logs(store, log, commits)
    for commit in commits.iter_rows(named=True):
        feed = feeds.get(commit["topic"])
        if feed is None or (commit["topic"], commit["partition"]) not in same:
            unknown[commit["feed"]] += commit["duplicate"]
            continue
        lost, reached = 0, commit["start"]
        for batch in _messages(log, commit["topic"], commit["partition"], commit["start"], commit["end"]):
            lost, reached = lost + batch.lost, batch.span.end
            outcome = process(batch, feed, processing.policy, erased, processing.pseudonym_key)
            events = pl.concat([outcome.events, outcome.repeated]).filter(_within_time(scope))
            place = {"topic": pl.lit(commit["topic"]), "partition": pl.lit(commit["partition"], pl.Int32)}
            rows = events.select(_EVENT, "offset").with_columns(
                **place, processed_at=pl.lit(commit["committed_at"]).cast(pl.Datetime("us"))
            )
            yield rows.join(stored[feed.name], on=["topic", "partition", "offset"], how="anti").select(*REPEATED)
        unread = lost + max(0, commit["end"] - reached)
        if unread:
            unknown[feed.name] += min(unread, commit["duplicate"])


def _same_logs(store: EventStore, log: EventLog, commits: pl.DataFrame) -> set[tuple[str, int]]:
    """The partitions of which the log is the one that was processed: offsets mean nothing in another."""
    actual = log.identities(commits["topic"].unique().to_list())
    return {
        (row.topic, row.partition) for row in store.ledger() if not row.log or row.log == actual.get(row.topic, row.log)
    }


def _within_time(scope: Scope) -> pl.Expr:
    return _within(Scope(scope.since, scope.until))


def _messages(log: EventLog, topic: str, partition: int, start: int, end: int) -> Iterator[Batch]:
    """Read the messages of a partition from `start` to `end`."""
    while start < end:
        batch = log.read(topic, partition, start, min(_BATCH, end - start))
        if batch.span.end <= start:
            return
        keep = [index for index, offset in enumerate(batch.offsets) if offset < end]
        yield _selected(batch, keep)
        start = batch.span.end


def _selected(batch: Batch, keep: Sequence[int]) -> Batch:
    if len(keep) == len(batch):
        return batch
    offsets, times = ([column[index] for index in keep] for column in (batch.offsets, batch.ingested_at))
    return Batch(batch.span, offsets, [batch.payloads[index] for index in keep], times, lost=batch.lost)

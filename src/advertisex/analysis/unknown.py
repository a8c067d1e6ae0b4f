"""Counts the events that the catalogue does not know.

    impressions, bids   the creative is not in the catalogue, or not yet at the event's time: they have no campaign
    clicks              the catalogue has no creative of their campaign

Before the first import of a catalogue, no campaign of clicks counts as unknown: clicks alone do not need one.
"""

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from advertisex.analysis.scan import scan_events
from advertisex.analysis.scope import Scope
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

#: What adds the unknown ids to the catalogue.
HINT = "run `advertisex catalogue import FILE`"

_EXAMPLES = 5


def unknown_id(store: EventStore, feed: str, as_of: datetime | None) -> pl.Expr:
    """The id of an event that the catalogue does not know, as `unknown` (String), or null: its creative or campaign.

    The expression is over the `readable` columns of the feed.
    """
    if "creative_id" in FEEDS[feed].columns:
        return pl.when(pl.col("campaign_id").is_null()).then("creative_id").alias("unknown")
    known = store.catalogue(as_of)["campaign_id"].unique()
    is_unknown = ~pl.col("campaign_id").is_in(known.implode()) if len(known) else pl.lit(value=False)
    return pl.when(is_unknown).then("campaign_id").alias("unknown")


def counted(feed: str, ids: pl.Series) -> pl.DataFrame:
    """Count the events of each unknown id.

    Args:
        feed: name of the feed.
        ids: `unknown_id` of its events, as text or categorical.

    Returns:
        kind (`creative` or `campaign`), feed, id (String), events (i64).
    """
    kind = "creative" if "creative_id" in FEEDS[feed].columns else "campaign"
    counts = ids.drop_nulls().alias("id").to_frame().group_by("id").agg(events=pl.len().cast(pl.Int64))
    return counts.select(kind=pl.lit(kind), feed=pl.lit(feed), id=pl.col("id").cast(pl.String), events="events")


def unknown_ids(store: EventStore, scope: Scope, feeds: Iterable[str] = FEEDS) -> pl.DataFrame:
    """Count the events within a scope by unknown id.

    Returns:
        The columns of `counted`: creatives, then campaigns, each with most events first.
    """
    found = (
        counted(feed, scan_events(store, feed, scope, unknown_id(store, feed, scope.as_of)).to_series())
        for feed in feeds
    )
    return by_events(pl.concat(found))


def by_events(found: pl.DataFrame) -> pl.DataFrame:
    """Sort results of `counted`: creatives, then campaigns, each with most events first."""
    return found.sort("kind", "events", "id", "feed", descending=[True, True, False, False])


def unknown_facts(found: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Facts of an answer: `unknown_creatives` and `unknown_campaigns` with ids and events; without those of none."""
    kinds = found.group_by("kind").agg(pl.col("id").n_unique().alias("ids"), pl.col("events").sum())
    return {
        f"unknown_{kind}s": {"ids": ids, "events": events}
        for kind, ids, events in kinds.sort("kind", descending=True).iter_rows()
    }


def unknown_notes(store: EventStore, found: pl.DataFrame, as_of: datetime | None) -> list[str]:
    """Notes of an answer: how many ids the catalogue does not know, with examples and a hint."""
    if found.height and not any(as_of is None or time <= as_of for time in store.catalogue_imports()):
        return [f"No catalogue has been imported, so impressions and bids have no campaign; {HINT}."]
    groups = found.group_by("kind", maintain_order=True)
    return [_note(str(kind), group["id"].unique(maintain_order=True), group["events"]) for (kind,), group in groups]


def _note(kind: str, ids: pl.Series, events: pl.Series) -> str:
    examples = ", ".join(ids.head(_EXAMPLES)) + (", …" if len(ids) > _EXAMPLES else "")
    number, within = _number(len(ids), kind), _number(int(events.sum()), "event")
    return f"{number} unknown to the catalogue, in {within} ({examples}); {HINT}."


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

"""Unknown names: creatives and campaigns that the catalogue does not have, and currencies that ISO 4217 does not have.

See `analysis.unknown` for when the catalogue does not know an event.
"""

from dataclasses import dataclass

import polars as pl

from advertisex.analysis.scan import categorical, scan_events
from advertisex.analysis.scope import Scope
from advertisex.analysis.unknown import unknown_id
from advertisex.feeds import FEEDS
from advertisex.feeds.words import ISO_4217
from advertisex.stores.contract import EventStore


@dataclass(frozen=True, slots=True)
class UnknownNames:
    """The unknown names in the events of a scope, those with most events first.

    Attributes:
        creatives: creative_id, impressions, bids (i64).
        campaigns: campaign_id, clicks (i64: rows of the clicks feed).
        currencies: feed, currency, events (i64).
        checked: number of all creatives and all campaigns, by name of the frame.
    """

    creatives: pl.DataFrame
    campaigns: pl.DataFrame
    currencies: pl.DataFrame
    checked: dict[str, int]

    @property
    def ids(self) -> pl.DataFrame:
        """The creatives and campaigns, with the columns of `unknown.counted`."""
        parts = [("creative", "impressions", self.creatives), ("creative", "bids", self.creatives)]
        parts += [("campaign", "clicks", self.campaigns)]
        ids = [
            rows.select(kind=pl.lit(kind), feed=pl.lit(feed), id=f"{kind}_id", events=feed)
            for kind, feed, rows in parts
        ]
        return pl.concat(ids).filter(pl.col("events") > 0)


def unknown_names(store: EventStore, scope: Scope) -> UnknownNames:
    """Find the unknown names in the events of a scope."""
    creatives, of_creatives = _creatives(store, scope)
    campaigns, of_campaigns = _campaigns(store, scope)
    checked = {"creatives": of_creatives, "campaigns": of_campaigns}
    return UnknownNames(creatives, campaigns, _currencies(store, scope), checked)


def _creatives(store: EventStore, scope: Scope) -> tuple[pl.DataFrame, int]:
    """Return the unknown creatives, and the number of all creatives."""
    creative = categorical("creative_id", pl.Categories.random())
    counted = [
        scan_events(
            store,
            feed,
            scope,
            creative,
            unknown_id(store, feed, scope.as_of).is_not_null(),
            keep=pl.col("creative_id").is_not_null(),
        )
        .group_by("creative_id")
        .agg(pl.col("unknown").sum().cast(pl.Int64).alias(feed))
        for feed in ("impressions", "bids")
    ]
    both = pl.concat(counted, how="diagonal").group_by("creative_id").agg(pl.col("impressions", "bids").sum())
    events = pl.col("impressions") + pl.col("bids")
    unknown = both.filter(events > 0).with_columns(pl.col("creative_id").cast(pl.String))
    return unknown.sort([events, pl.col("creative_id")], descending=[True, False]), both.height


def _campaigns(store: EventStore, scope: Scope) -> tuple[pl.DataFrame, int]:
    """Return the unknown campaigns of clicks, and the number of all their campaigns."""
    campaigns = (
        scan_events(store, "clicks", scope, categorical("campaign_id", pl.Categories.random()))
        .group_by("campaign_id")
        .agg(clicks=pl.len().cast(pl.Int64))
        .with_columns(pl.col("campaign_id").cast(pl.String))
    )
    unknown = campaigns.filter(unknown_id(store, "clicks", scope.as_of).is_not_null())
    return unknown.sort("clicks", "campaign_id", descending=[True, False]), campaigns.height


def _currencies(store: EventStore, scope: Scope) -> pl.DataFrame:
    currency = pl.col("currency")
    found = [
        scan_events(
            store,
            feed,
            scope,
            categorical("currency", pl.Categories.random()),
            keep=currency.is_not_null() & ~currency.is_in(list(ISO_4217)),
        )
        .group_by("currency")
        .agg(events=pl.len().cast(pl.Int64))
        .select(pl.lit(feed).alias("feed"), currency.cast(pl.String), "events")
        for feed in FEEDS
    ]
    return pl.concat(found).sort("events", "feed", "currency", descending=[True, False, False])

"""Counts the events of a run whose creative or campaign is unknown to the catalogue, or whose currency to ISO 4217."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from advertisex.catalogue.join import catalogue_of
from advertisex.feeds import Feed
from advertisex.feeds.words import ISO_4217
from advertisex.limits import Limit
from advertisex.model import Outcome
from advertisex.stores.contract import EventStore

MOST_IDS = Limit(
    100_000,
    "ids",
    of="the unknown ids that are remembered for each feed and kind",
    beyond="their number becomes a lower bound",
)

_CURRENCIES = pl.Series([sorted(ISO_4217)], dtype=pl.List(pl.String))


@dataclass(slots=True)
class Unknown:
    """Unknown ids of one kind in the events of one feed.

    Attributes:
        feed: name of the feed.
        kind: `creative`, `campaign` or `currency`.
        ids: the distinct ids, at most `MOST_IDS`.
        events: number of events with an unknown id.
        at_least: whether there were more ids than are remembered.
    """

    feed: str
    kind: str
    ids: set[str] = field(default_factory=set)
    events: int = 0
    at_least: bool = False

    def add(self, found: pl.Series) -> None:
        """Count the events of these ids."""
        self.events += len(found)
        new = set(found.unique()) - self.ids
        room = MOST_IDS - len(self.ids)
        self.at_least |= len(new) > room
        self.ids.update(sorted(new)[:room])


class UnknownIds:
    """Counts, batch by batch, the unknown ids in what a run commits; duplicates of stored events are included.

    Args:
        store: its catalogue is read once.
        feeds: feeds by name.

    Attributes:
        has_catalogue: whether a catalogue was ever imported. Without one, only currencies are counted.
        needs_catalogue: whether there were events with a creative but without a campaign of their own.
    """

    def __init__(self, store: EventStore, feeds: Mapping[str, Feed]) -> None:
        self._feeds = feeds
        self._found: dict[tuple[str, str], Unknown] = {}
        self._store = store
        self.has_catalogue = self.needs_catalogue = False
        self.refresh()

    def refresh(self) -> None:
        """Read the catalogue again, after an import."""
        self.has_catalogue = bool(self._store.catalogue_imports())
        self._catalogue = catalogue_of(self._store)
        self._campaigns = self._catalogue.rows["campaign_id"].unique().implode()

    @property
    def found(self) -> list[Unknown]:
        """What was unknown, in the order of kinds and feeds."""
        order = ("creative", "campaign", "currency")
        return sorted(self._found.values(), key=lambda one: (order.index(one.kind), list(self._feeds).index(one.feed)))

    def add(self, outcome: Outcome) -> None:
        """Count the unknown ids of a committed outcome."""
        events = outcome.events
        if "campaign_id" in events.columns:
            if self.has_catalogue:
                self._add(outcome.feed, "campaign", _outside(events["campaign_id"], self._campaigns))
        elif "creative_id" in events.columns:
            with_creative = events.select("creative_id", "event_time").drop_nulls("creative_id")
            self.needs_catalogue |= not with_creative.is_empty()
            if self.has_catalogue:
                joined = self._catalogue.join(with_creative, ["campaign_id"])
                self._add(outcome.feed, "creative", joined.filter(pl.col("campaign_id").is_null())["creative_id"])
        for one in self._feeds[outcome.feed].fields:
            if one.kind == "currency":
                self._add(outcome.feed, "currency", _outside(events[one.name], _CURRENCIES))

    def _add(self, feed: str, kind: str, ids: pl.Series) -> None:
        if len(ids):
            self._found.setdefault((feed, kind), Unknown(feed, kind)).add(ids)


def _outside(values: pl.Series, known: pl.Series) -> pl.Series:
    values = values.drop_nulls()
    return values.filter(~values.is_in(known))

"""The feeds: fields, rules and identity of their events. Pure data: no I/O, no stages, no stores."""

from advertisex.feeds.bids import bids
from advertisex.feeds.clicks import clicks
from advertisex.feeds.feed import Computed, Feed, Field, Rule, TimeReading, Wire
from advertisex.feeds.impressions import impressions

__all__ = ["FEEDS", "Computed", "Feed", "Field", "Rule", "TimeReading", "Wire", "default_feeds"]


def default_feeds(times: TimeReading = TimeReading()) -> dict[str, Feed]:
    """The three feeds by name, with the given timestamp settings."""
    return {feed.name: feed for feed in (impressions(times), clicks(times), bids(times))}


#: The three feeds with default settings.
FEEDS: dict[str, Feed] = default_feeds()

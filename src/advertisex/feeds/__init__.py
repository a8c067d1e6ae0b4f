"""What an event of each feed is. Pure data: no I/O, no stage, no store."""

from advertisex.feeds.bids import bids
from advertisex.feeds.clicks import clicks
from advertisex.feeds.feed import Feed, Field, Rule, TimeReading
from advertisex.feeds.impressions import impressions

__all__ = ["FEEDS", "Feed", "Field", "Rule", "TimeReading", "default_feeds"]


def default_feeds(times: TimeReading = TimeReading()) -> dict[str, Feed]:
    """The three feeds by name, reading timestamps as `times` says."""
    return {feed.name: feed for feed in (impressions(times), clicks(times), bids(times))}


#: The three feeds as they are without any setting.
FEEDS: dict[str, Feed] = default_feeds()

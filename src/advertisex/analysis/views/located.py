"""Adds to events whether their IP address is in a list of networks, such as those of data centres."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from advertisex.analysis.networks import IP_KIND, Networks
from advertisex.analysis.views.view import View, counted
from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore, Range


class Located(View):
    """A store whose events have an additional field, `IP_KIND`, in the feeds with an address.

    Args:
        store: the store.
        networks: the networks.
        field: the field with the address, an own field of one or more feeds.

    Raises:
        ConfigurationError: no feed has the field, it is not a text, or a feed has another field `IP_KIND`.
    """

    def __init__(self, store: EventStore, networks: Networks, field: str) -> None:
        super().__init__(store)
        self._networks, self._field = networks, field
        columns = {feed: store.columns(feed) for feed in FEEDS}
        self._feeds = [feed for feed, known in columns.items() if known.get(field) == pl.String()]
        setting = ("analysis", "ip_field")
        if not self._feeds:
            raise ConfigurationError(
                f"no feed has a text field {field!r}",
                hint=f'add `{field} = "text"` to feeds.impressions.extra and feeds.clicks.extra and process events, '
                "or set another field",
                setting=setting,
            )
        for feed, known in columns.items():
            if field in known and feed not in self._feeds:
                raise ConfigurationError(f"{field!r} of {feed} is not a text", hint="use a text field", setting=setting)
            if IP_KIND in known:
                raise ConfigurationError(f"{feed} have a field {IP_KIND!r} of their own", hint="give it another name")

    def columns(self, feed: str) -> dict[str, pl.DataType]:
        """The feed-specific columns, see `EventStore.columns`."""
        known = self._store.columns(feed)
        return known | {IP_KIND: pl.String()} if feed in self._feeds else known

    def scan(
        self,
        feed: str,
        columns: Sequence[str],
        within: Range,
        slices: range | None = None,
        among: pl.Series | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Stored events of a feed, with what is known of their address."""
        if IP_KIND not in columns or feed not in self._feeds:
            yield from self._store.scan(feed, columns, within, slices, among)
            return
        read = list(dict.fromkeys([*(name for name in columns if name != IP_KIND), self._field]))
        for frame in self._store.scan(feed, read, within, slices, among):
            yield frame.with_columns(self._networks.kinds(frame[self._field]).alias(IP_KIND)).select(columns)

    def count(self, feed: str, by: Sequence[str], within: Range, edges: Sequence[datetime] = ()) -> pl.DataFrame:
        """Count the events of a feed by the values of columns, see `EventStore.count`."""
        if IP_KIND in by:
            return counted(self, feed, by, within, edges)
        return self._store.count(feed, by, within, edges)

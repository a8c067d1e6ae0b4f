"""Create the indices of one generation of the store, their templates, mappings and aliases."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote

import polars as pl

from advertisex.errors import ConfigurationError, StoreError
from advertisex.feeds import FEEDS, Feed
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.failures import problem_in
from advertisex.stores.elasticsearch.generation import INTERNAL, Names, ledgers
from advertisex.stores.elasticsearch.mappings import MAPPINGS, event_mapping, own_fields, own_mapping
from advertisex.stores.elasticsearch.retry import Backoff
from advertisex.stores.format import FORMAT, field_changed

#: The period in the name of an index: its format for Polars, and its pattern.
PERIODS: dict[Literal["month", "day"], tuple[str, re.Pattern[str]]] = {
    "month": ("%Y-%m", re.compile(r"\d{4,}-\d\d")),
    "day": ("%Y-%m-%d", re.compile(r"\d{4,}-\d\d-\d\d")),
}

_LAST_YEAR = 2262
#: A request line has at most 4,096 bytes.
_DELETED_AT_ONCE = 20
#: Above that of format 1, whose patterns match these indices, too.
_PRIORITY = 600
_EXISTS = "resource_already_exists_exception"
_WHAT = "set up the event store"


class Indices:
    """The indices of one generation.

    Args:
        connection: connection to the cluster.
        settings: period, shards and replicas.
        names: their names.
        live: whether the generation is the store, so that its indices have aliases.
    """

    def __init__(
        self, connection: Connection, settings: ElasticsearchSettings, names: Names, *, live: bool = True
    ) -> None:
        self._connection, self._settings, self._live = connection, settings, live
        self._period_format, self._period_pattern = PERIODS[settings.period]
        self._known: set[str] = set()
        self._mappings = {feed.name: event_mapping(feed) for feed in FEEDS.values()}
        self.names = names
        self.rejects, self.commits, self.notes, self.catalogue, self.ledger = map(names.search, INTERNAL)

    def events(self, feed: str) -> str:
        """What to search for the events of a feed."""
        return self.names.search(feed)

    def period_of(self, time: pl.Expr) -> pl.Expr:
        """The period of an event time: the suffix of the index name."""
        return time.dt.to_string(self._period_format)

    def period_start(self, time: datetime) -> datetime:
        """The start of the period that contains an event time."""
        start = time.replace(hour=0, minute=0, second=0, microsecond=0)
        return start.replace(day=1) if self._settings.period == "month" else start

    def delete_events_before(self, floor: datetime) -> None:
        """Delete the indices of all periods that end at or before a time; those that are gone already are ignored."""
        old = [
            name
            for feed in FEEDS
            for name in self._present(self.names.search(feed))
            if _period_end(name.removeprefix(f"{self.names.template(feed)}-")) <= floor
        ]
        for start in range(0, len(old), _DELETED_AT_ONCE):
            backoff = self._connection.backoff("remove old events", None)
            path = f"/{','.join(map(quote, old[start : start + _DELETED_AT_ONCE]))}?ignore_unavailable=true"
            self._connection.request("DELETE", path, what="remove old events", backoff=backoff)
            backoff.done()

    def prepare(self) -> None:
        """Create or update the templates, and all indices except those of events.

        Idempotent; several workers may call it at once.

        Raises:
            ConfigurationError: the cluster has indices of another period.
            StoreError: the cluster rejected a request, or has indices with another mapping.
        """
        for what in INTERNAL:
            self._put_template(what, self.names.template(what), MAPPINGS[what])
            self._create_internal(what)
        for feed, own in self.own().items():
            self._mappings[feed] |= own_mapping(own)
        for feed in FEEDS:
            self._put_event_mapping(feed)

    def own(self) -> Mapping[str, Mapping[str, pl.DataType]]:
        """The own fields of each feed, with their dtypes."""
        found = ledgers(self._connection, [self.ledger])
        return found[0].own if found else {}

    def add_own(self, feeds: Iterable[Feed]) -> None:
        """Add the own fields of feeds to the mappings.

        Raises:
            ConfigurationError: the store has an own field of that name and another kind.
        """
        known = self.own()
        for feed in feeds:
            own = {name: dtype for name, dtype in feed.columns.items() if name not in FEEDS[feed.name].columns}
            for name, dtype in own.items():
                if known.get(feed.name, {}).get(name, dtype) != dtype:
                    raise field_changed(feed.name, name)
            if own:
                self._put_mapping(self.ledger, own_fields(feed.name, own))
                self._mappings[feed.name] |= own_mapping(own)
                self._put_event_mapping(feed.name)

    def create_events(self, feed: str, period: str) -> str:
        """Create the index of a feed and a period if it does not exist, and return its name.

        Waits for the cluster, as part of a commit. The alias is added only as long as this generation is the store.
        """
        name = self.names.events(feed, period)
        if name in self._known:
            return name
        backoff = self._connection.backoff(_WHAT, None)
        body = {"mappings": {"dynamic": "strict", "properties": self._mappings[feed]}}
        if not self._send("PUT", f"/{quote(name)}", body, unless=_EXISTS, backoff=backoff):
            self._put_mapping(name, self._mappings[feed], backoff=backoff)
        if self._live:
            ledger = {"index": self.names.template("ledger"), "alias": self.names.alias("ledger")}
            actions = [
                {"remove": ledger | {"must_exist": True}},
                {"add": ledger},
                {"add": {"index": name, "alias": self.names.alias(feed)}},
            ]
            self._send("POST", "/_aliases", {"actions": actions}, backoff=backoff)
        backoff.done()
        self._known.add(name)
        return name

    def _create_internal(self, what: str) -> None:
        name = self.names.template(what)
        body: dict[str, Any] = {"aliases": {self.names.alias(what): {}} if self._live else {}}
        if what == "ledger":
            body["mappings"] = {"_meta": {"format": FORMAT}}
        if not self._send("PUT", f"/{quote(name)}", body, unless=_EXISTS):
            self._put_mapping(name, MAPPINGS[what])

    def _put_event_mapping(self, feed: str) -> None:
        """Write the template of a feed, check the period of existing indices, and update their mappings."""
        pattern = self.names.search(feed)
        self._put_template(feed, pattern, self._mappings[feed])
        present = self._present(pattern)
        for name, index in present.items():
            if not self._period_pattern.fullmatch(name.removeprefix(f"{self.names.template(feed)}-")):
                raise ConfigurationError(
                    f"index {name} does not have the period {self._settings.period!r}, and duplicates would not be "
                    "found across periods",
                    where=str(self._connection.address),
                    hint="restore the previous elasticsearch.period, or set elasticsearch.prefix to start a new store",
                )
            if self.names.alias(feed) in index["aliases"] or not self._live:
                self._known.add(name)
        if present:
            self._put_mapping(pattern, self._mappings[feed])

    def _present(self, pattern: str) -> dict[str, Any]:
        """The indices that match a pattern, with their aliases."""
        answer = self._connection.request("GET", f"/{quote(pattern)}/_alias", accept={HTTPStatus.NOT_FOUND})
        found: dict[str, Any] = answer.json() if answer.status < HTTPStatus.MULTIPLE_CHOICES else {}
        return found

    def _put_template(self, what: str, pattern: str, mapping: Mapping[str, Any]) -> None:
        template: dict[str, Any] = {
            "settings": {
                "number_of_shards": self._settings.shards if what in FEEDS else 1,
                "number_of_replicas": self._settings.replicas,
                # an erasure purges deleted documents from the files, even if they are few in a segment
                "merge.policy.expunge_deletes_allowed": 0,
            },
            "mappings": {"dynamic": "strict", "properties": mapping},
        }
        body = {
            "index_patterns": [pattern],
            "priority": _PRIORITY,
            # an index that was deleted is not created again by a write
            "allow_auto_create": False,
            "_meta": {"managed_by": "advertisex"},
            "template": template,
        }
        self._send("PUT", f"/_index_template/{quote(self.names.template(what))}", body)

    def _put_mapping(self, name: str, mapping: Mapping[str, Any], backoff: Backoff | None = None) -> None:
        body = {"dynamic": "strict", "properties": mapping}
        self._send("PUT", f"/{quote(name)}/_mapping", body, backoff=backoff)

    def _send(
        self, method: str, path: str, body: object | None = None, *, unless: str = "", backoff: Backoff | None = None
    ) -> bool:
        """Send a change; False if it failed with an error of the type `unless`."""
        answer = self._connection.request(
            method, path, body, what=_WHAT, accept={HTTPStatus.BAD_REQUEST}, backoff=backoff
        )
        if answer.status < HTTPStatus.BAD_REQUEST:
            return True
        problem = problem_in(answer.data, answer.status)
        if unless and problem.type == unless:
            return False
        if "invalid alias name" in str(problem).lower():
            raise StoreError(
                f"the name of an alias is taken by an index: {problem}",
                where=str(self._connection.address),
                hint="clone it under another name and delete it, or set elasticsearch.prefix",
            )
        raise self._connection.failure(_WHAT, answer.status, problem)


def _period_end(period: str) -> datetime:
    """The end of a period in the name of an index."""
    year, month, *day = map(int, period.split("-"))
    if year > _LAST_YEAR:  # Elasticsearch rejected its events
        return datetime.max  # noqa: DTZ901 - naive UTC
    if day:
        return datetime(year, month, day[0]) + timedelta(days=1)  # noqa: DTZ001 - naive UTC
    return datetime(year + month // 12, month % 12 + 1, 1)  # noqa: DTZ001 - naive UTC

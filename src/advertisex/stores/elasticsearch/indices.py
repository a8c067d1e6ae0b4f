"""The indices of one generation of the store: create them, read back what they are, and name those to search.

Whatever is found under one of our names is compared with what this version creates (`verify`), before the first event
is written to it and again before each commit. What was deleted is reported, and never created again (`index_list`).
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import polars as pl

from advertisex.errors import ConfigurationError, StoreError
from advertisex.feeds import FEEDS, Feed
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.contract import Range
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.failures import problem_in
from advertisex.stores.elasticsearch.generation import INTERNAL, Names, ledgers
from advertisex.stores.elasticsearch.index_list import IndexList, Listed
from advertisex.stores.elasticsearch.mappings import MAPPINGS, event_mapping, own_fields, own_mapping, unstorable
from advertisex.stores.elasticsearch.notes import Notes
from advertisex.stores.elasticsearch.periods import PERIODS, joined, overlaps, part_of, period_end
from advertisex.stores.elasticsearch.retry import Backoff
from advertisex.stores.elasticsearch.templates import check_templates, put_template
from advertisex.stores.elasticsearch.verify import UNDO, Expected, flaws, gone, id_of, replaced
from advertisex.stores.format import FORMAT, field_changed

#: All events, whatever their times.
EVERYTHING = Range()
_EXISTS = "resource_already_exists_exception"
_FOREIGN = "another tool created it: rename or delete it, or set elasticsearch.prefix"
_WHAT = "set up the event store"
_CHECK = "check the indices of the event store"


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
        self._ids: dict[str, str] = {}
        self._mappings = {feed.name: event_mapping(feed) for feed in FEEDS.values()}
        self.names = names
        self.rejects, self.commits, self.notes, self.catalogue, self.ledger = map(names.search, INTERNAL)
        self._list = IndexList(Notes(connection, self.notes))

    # -- names ---------------------------------------------------------------------------------------------------

    def listed(self, feed: str) -> Mapping[str, Listed]:
        """The list of a feed's indices."""
        return self._list.read(feed)

    def created(self) -> dict[str, Expected]:
        """The indices of events that were created, and what they must be, without own fields that may be missing."""
        return {
            name: Expected(event_mapping(FEEDS[feed]), one.id, self._alias(feed))
            for feed in FEEDS
            for name, one in self._list.read(feed).items()
            if one.state == "created"
        }

    def internal(self) -> dict[str, Expected]:
        """The internal indices, and what they must be."""
        return {self.names.template(what): Expected(MAPPINGS[what], alias=self._alias(what)) for what in INTERNAL}

    def searched(self, feed: str, within: Range = EVERYTHING) -> list[str]:
        """What to search for a feed's events within a range: names joined by commas, in parts that fit into a request.

        Raises:
            IndexGone: one of these indices was deleted.
            StoreError: the list cannot be read.
        """
        listed = {name: one.id for name, one in self._list.read(feed).items() if one.state == "created"}
        needed = [name for name in listed if overlaps(name, within)]
        self._check_ids({name: listed[name] for name in needed})
        return list(joined(needed))

    def newest_first(self, feed: str, within: Range) -> list[Range]:
        """The parts of a range that are in one index each, the latest first."""
        names = [name for name, one in self._list.read(feed).items() if one.state == "created"]
        return [part_of(name, within) for name in sorted(names, key=period_end, reverse=True) if overlaps(name, within)]

    def period_of(self, time: pl.Expr) -> pl.Expr:
        """The period of an event time: the suffix of the index name."""
        return time.dt.to_string(self._period_format)

    def period_start(self, time: datetime) -> datetime:
        """The start of the period that contains an event time."""
        start = time.replace(hour=0, minute=0, second=0, microsecond=0)
        return start.replace(day=1) if self._settings.period == "month" else start

    def unstorable(self, feed: str, events: pl.DataFrame) -> frozenset[int]:
        """The rows of events that Elasticsearch rejects for their content."""
        return unstorable(events, self._mappings[feed])

    # -- creating ------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Create or update the templates, create the internal indices of a new store, and check all others.

        Idempotent; several workers may call it at once.

        Raises:
            ConfigurationError: the store has indices of another period.
            IndexGone: an index of the store was deleted.
            StoreError: the cluster rejected a request, or an index is not as AdvertiseX creates it.
        """
        for what in INTERNAL:
            self._put_template(what, self.names.template(what), MAPPINGS[what])
        if not ledgers(self._connection, [self.names.template("ledger")]):
            check_templates(self._connection, map(self.names.template, INTERNAL))
            for what in INTERNAL:
                self._create_internal(what)
        names = {self.names.template(what): self.names.alias(what) for what in INTERNAL}
        found = self._get(",".join(names))
        self._add_aliases({name: names[name] for name in found if names[name] not in found[name]["aliases"]})
        self.check([])
        for feed, own in self.own().items():
            self._mappings[feed] |= own_mapping(own)
        for feed in FEEDS:
            self._put_template(feed, f"{self.names.template(feed)}-*", self._mappings[feed])
            for name in self._list.read(feed):
                self._check_period(name)
            self.searched(feed)

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
                self._put_mapping(self.ledger, {"properties": own_fields(feed.name, own)})
                self._mappings[feed.name] |= own_mapping(own)
                self._put_template(feed.name, f"{self.names.template(feed.name)}-*", self._mappings[feed.name])
                self._ids.clear()  # an index gets the new fields when the next event is written to it

    def create_events(self, feed: str, period: str) -> str:
        """Create the index of a feed and a period if the list does not have it, and return its name.

        Waits for the cluster, as part of a commit. The alias is added only as long as this generation is the store.

        Raises:
            IndexGone: the index was deleted.
            StoreError: there is an index of that name which is not as AdvertiseX creates it.
        """
        name = self.names.events(feed, period)
        if name in self._ids:
            return name
        listed, index = self._list.add(feed, name), self._read(name)
        if index is None:
            if listed.state != "creating":
                raise gone(name, self._where)
            index = self._create_events(feed, name, listed.id)
        is_ours = id_of(index) == listed.id
        if not is_ours and listed.state != "creating":
            raise replaced(name, self._where)
        if not is_ours:  # another tool created it: it is used if it is exactly as ours
            self._check_flaws(name, index, Expected(self._mappings[feed]), _FOREIGN)
        change = {"dynamic": "strict", "_meta": {"managed_by": "advertisex", "id": listed.id}}
        if not is_ours or not index["mappings"].get("properties", {}).keys() >= self._mappings[feed].keys():
            self._put_mapping(name, change | {"properties": self._mappings[feed]}, forever=True)
        if self.names.alias(feed) not in index["aliases"]:
            self._add_aliases({name: self.names.alias(feed)})
        self._ids[name] = listed.id
        try:
            self.check([name])
            self._list.mark(feed, [name], "created")
        except BaseException:
            del self._ids[name]
            raise
        return name

    def check(self, names: Collection[str]) -> None:
        """Check that indices of events, and the internal ones, still are as this object left them.

        Raises:
            IndexGone: one was deleted, or replaced.
            StoreError: one was changed so that documents could be lost or not be found.
        """
        expected = self.internal()
        for name in names:
            feed = next(feed for feed in FEEDS if name.startswith(f"{self.names.template(feed)}-"))
            expected[name] = Expected(self._mappings[feed], self._ids[name], self._alias(feed))
        self._check(expected)

    def check_all(self) -> None:
        """Check all indices, so that a search finds every document; raises what `check` does."""
        self._check(self.internal() | self.created())

    def _check(self, expected: Mapping[str, Expected]) -> None:
        for part in joined(expected):
            found = self._get(part, forever=True)
            for name in part.split(","):
                if name not in found:
                    raise gone(name, self._where)
                if expected[name].id not in (None, id_of(found[name])):
                    raise replaced(name, self._where)
                self._check_flaws(name, found[name], expected[name])

    def delete_events_before(self, floor: datetime) -> None:
        """Delete the indices of all periods that end at or before a time; those that are gone already are ignored."""
        for feed in FEEDS:
            old = [name for name in self._list.read(feed, forever=True) if period_end(name) <= floor]
            if not old:
                continue
            self._list.mark(feed, old, "dropping")
            for part in joined(old):
                backoff = self._connection.backoff("remove old events", None)
                path = f"/{quote(part)}?ignore_unavailable=true"
                self._connection.request("DELETE", path, what="remove old events", backoff=backoff)
                backoff.done()
            self._list.forget(feed, old)

    # -- requests ------------------------------------------------------------------------------------------------

    @property
    def _where(self) -> str:
        return str(self._connection.address)

    def _alias(self, what: str) -> str | None:
        return self.names.alias(what) if self._live else None

    def _check_period(self, name: str) -> None:
        if not self._period_pattern.search(name):
            raise ConfigurationError(
                f"index {name} does not have the period {self._settings.period!r}, and duplicates would not be "
                "found across periods",
                where=self._where,
                hint="restore the previous elasticsearch.period, or set elasticsearch.prefix to start a new store",
                setting=("elasticsearch", "period"),
            )

    def _check_ids(self, ids: Mapping[str, str]) -> None:
        """Check that listed indices exist, and are not others of the same name."""
        for part in joined(ids):
            found = self._get(part, "?filter_path=*.mappings._meta,*.settings.index.uuid")
            for name in part.split(","):
                if name not in found:
                    raise gone(name, self._where)
                if id_of(found[name]) != ids[name]:
                    raise replaced(name, self._where)

    def _check_flaws(self, name: str, index: Mapping[str, Any], expected: Expected, hint: str = UNDO) -> None:
        for flaw in flaws(index, expected):
            raise StoreError(f"index {name} cannot be used: {flaw}", where=self._where, hint=hint)

    def _read(self, name: str) -> Mapping[str, Any] | None:
        """An index by its name; None if it does not exist."""
        backoff = self._connection.backoff(_CHECK, None)
        answer = self._connection.request(
            "GET", f"/{quote(name)}", what=_CHECK, accept={HTTPStatus.NOT_FOUND}, backoff=backoff
        )
        backoff.done()
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        found: dict[str, Any] = answer.json()
        if name not in found:
            raise StoreError(
                f"the name {name} is taken by an alias of {', '.join(found)}",
                where=self._where,
                hint="remove that alias, or set elasticsearch.prefix",
            )
        index: dict[str, Any] = found[name]
        return index

    def _get(self, names: str, query: str = "", *, forever: bool = False) -> Mapping[str, Any]:
        """Indices by their names, joined by commas."""
        backoff = self._connection.backoff(_CHECK, None) if forever else None
        answer = self._connection.request(
            "GET", f"/{quote(names)}{query}", what=_CHECK, accept={HTTPStatus.NOT_FOUND}, backoff=backoff
        )
        if backoff:
            backoff.done()
        if answer.status == HTTPStatus.NOT_FOUND:
            problem = problem_in(answer.data, answer.status)
            if problem.type != "index_not_found_exception":
                raise self._connection.failure(_CHECK, answer.status, problem)
            raise gone(problem.index or names, self._where)
        found: dict[str, Any] = answer.json()
        return found

    def _create_events(self, feed: str, name: str, own_id: str) -> Mapping[str, Any]:
        check_templates(self._connection, [name])
        meta = {"managed_by": "advertisex", "id": own_id}
        body = {"mappings": {"dynamic": "strict", "_meta": meta, "properties": self._mappings[feed]}}
        self._send("PUT", f"/{quote(name)}", body, unless=_EXISTS, forever=True)
        index = self._read(name)
        if index is None:
            raise gone(name, self._where)
        return index

    def _create_internal(self, what: str) -> None:
        name = self.names.template(what)
        mapping: dict[str, Any] = {"dynamic": "strict", "properties": MAPPINGS[what]}
        if what == "ledger":
            mapping["_meta"] = {"format": FORMAT}
        aliases: dict[str, Any] = {self.names.alias(what): {}} if self._live else {}
        self._send("PUT", f"/{quote(name)}", {"aliases": aliases, "mappings": mapping}, unless=_EXISTS)

    def _add_aliases(self, aliases: Mapping[str, str]) -> None:
        """Add aliases to indices, as long as this generation is the store."""
        if not self._live or not aliases:
            return
        ledger = {"index": self.names.template("ledger"), "alias": self.names.alias("ledger")}
        guard = [{"remove": ledger | {"must_exist": True}}, {"add": ledger}]
        added = [{"add": {"index": index, "alias": alias}} for index, alias in aliases.items()]
        self._send("POST", "/_aliases", {"actions": [*guard, *added]}, forever=True)

    def _put_template(self, what: str, pattern: str, mapping: Mapping[str, Any]) -> None:
        settings = {
            "number_of_shards": self._settings.shards if what in FEEDS else 1,
            "number_of_replicas": self._settings.replicas,
            # an erasure purges deleted documents from the files, even if they are few in a segment
            "merge.policy.expunge_deletes_allowed": 0,
        }
        put_template(self._connection, self.names.template(what), pattern, settings, mapping)

    def _put_mapping(self, name: str, mapping: Mapping[str, Any], *, forever: bool = False) -> None:
        self._send("PUT", f"/{quote(name)}/_mapping", mapping, forever=forever)

    def _send(
        self, method: str, path: str, body: object | None = None, *, unless: str = "", forever: bool = False
    ) -> None:
        """Send a change; one that fails with an error of the type `unless` is not needed."""
        backoff: Backoff | None = self._connection.backoff(_WHAT, None) if forever else None
        answer = self._connection.request(
            method, path, body, what=_WHAT, accept={HTTPStatus.BAD_REQUEST}, backoff=backoff
        )
        if backoff:
            backoff.done()
        if answer.status < HTTPStatus.BAD_REQUEST:
            return
        problem = problem_in(answer.data, answer.status)
        if unless and problem.type == unless:
            return
        if "invalid alias name" in str(problem).lower():
            raise StoreError(
                f"the name of an alias is taken by an index: {problem}",
                where=self._where,
                hint="clone it under another name and delete it, or set elasticsearch.prefix",
            )
        raise self._connection.failure(_WHAT, answer.status, problem)

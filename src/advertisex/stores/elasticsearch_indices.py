"""Which indices there are in Elasticsearch, and how each field is kept in them.

    ad_impressions_index-2026-11   impressions of November 2026, by event time
    ad_impressions_index           alias of all of them: what to search
    clicks_conversions_index       alias, likewise
    avro_data_index                alias, likewise
    advertisex_rejects             rejected and filtered messages, whole
    advertisex_ledger              one document for each partition
    advertisex_commits             the ledger's history, one document for each commit but the last of a partition
    advertisex_notes               small documents about the events, such as how alerts stand

Mappings are strict: a field that we do not know is an error, never a guess. Identifiers are plain keywords; one that
is longer than Lucene's 32,766 bytes is refused by Elasticsearch, and so its message becomes a reject. Other text is
kept whatever its length, but cannot be searched by value beyond 8,191 characters. Times are `date_nanos`, which reach
from 1970 to 2262: an event outside of that is refused likewise.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote

import polars as pl

from advertisex.batches import COUNT_NAMES
from advertisex.errors import ConfigurationError, StoreError
from advertisex.feeds import FEEDS, Feed
from advertisex.settings import ElasticsearchSettings
from advertisex.stores.elasticsearch_client import Connection, problem_in
from advertisex.stores.elasticsearch_patience import Backoff

#: The names of the original system.
ALIASES = {
    "impressions": "ad_impressions_index",
    "clicks": "clicks_conversions_index",
    "bids": "avro_data_index",
}
REJECTS = "advertisex_rejects"
LEDGER = "advertisex_ledger"
COMMITS = "advertisex_commits"
NOTES = "advertisex_notes"

#: How the name of an index tells its period: for Polars, and to recognise it.
PERIODS: dict[Literal["month", "day"], tuple[str, re.Pattern[str]]] = {
    "month": ("%Y-%m", re.compile(r"\d{4,}-\d\d")),
    "day": ("%Y-%m-%d", re.compile(r"\d{4,}-\d\d-\d\d")),
}

_PRIORITY = 500
_THERE = "resource_already_exists_exception"
_WHAT = "set up the event store"
_ID: dict[str, Any] = {"type": "keyword"}
#: 8,191 characters of 4 bytes fit into a term of Lucene; longer text stays in the document.
_TEXT: dict[str, Any] = {"type": "keyword", "ignore_above": 8191}
_TIME: dict[str, Any] = {"type": "date_nanos"}
_COUNT: dict[str, Any] = {"type": "long"}
_TYPES: dict[pl.DataType, dict[str, Any]] = {
    pl.String(): _TEXT,
    pl.Int64(): _COUNT,
    pl.Float64(): {"type": "double"},
    pl.Datetime("us"): _TIME,
}
_PROVENANCE: dict[str, Any] = {
    "topic": _ID,
    "partition": {"type": "integer"},
    "offset": _COUNT,
    "ingested_at": _TIME,
    "processed_at": _TIME,
}
_REJECT: dict[str, Any] = {
    **_PROVENANCE,
    "feed": _ID,
    "kind": _ID,
    "stage": _ID,
    "reason": _ID,
    "detail": _TEXT,
    "payload": {"type": "binary"},
    "replayed_to": _ID,
}
#: Of the ledger; this format still calls `redelivered` `replayed`.
_NUMBERS = dict.fromkeys(("replayed" if name == "redelivered" else name for name in COUNT_NAMES), _COUNT)
_COMMIT: dict[str, Any] = {
    "topic": _ID,
    "partition": {"type": "integer"},
    "feed": _ID,
    "start": _COUNT,
    "end": _COUNT,
    "committed_at": _TIME,
    **_NUMBERS,
    "erasure": {"type": "keyword", "index": False, "doc_values": False},
}
_LEDGER: dict[str, Any] = {
    "topic": _ID,
    "partition": {"type": "integer"},
    "next_offset": _COUNT,
    **_NUMBERS,
    "log": _ID,
    "commit": {"type": "keyword", "index": False, "doc_values": False},
    "committed_at": _TIME,
    "last": {"type": "object", "enabled": False},
    "erasures": _COUNT,
}


_NOTE: dict[str, Any] = {"kind": _ID, "key": _ID, "document": {"type": "binary"}}


class Indices:
    """Names and makes the indices of one store.

    Args:
        connection: to the cluster.
        settings: period, shards, replicas and the prefix of every name.
    """

    def __init__(self, connection: Connection, settings: ElasticsearchSettings) -> None:
        self._connection, self._settings = connection, settings
        self._period, self._name = PERIODS[settings.period]
        self._known: set[str] = set()
        self.rejects = settings.prefix + REJECTS
        self.ledger = settings.prefix + LEDGER
        self.commits = settings.prefix + COMMITS
        self.notes = settings.prefix + NOTES

    def alias(self, feed: str) -> str:
        """The name under which a feed's events are searched."""
        return self._settings.prefix + ALIASES[feed]

    def period_of(self, time: pl.Expr) -> pl.Expr:
        """The period that an event time lies in, as the name of its index ends."""
        return time.dt.to_string(self._period)

    def prepare(self) -> None:
        """Make or bring up to date the templates, and the indices of rejects and of the ledger.

        Doing it again changes nothing, and several workers may do it at once.

        Raises:
            ConfigurationError: the cluster holds indices of another period.
            StoreError: the cluster refuses, or holds indices of another mapping.
        """
        for feed in FEEDS.values():
            alias = self.alias(feed.name)
            self._put_template(alias, f"{alias}-*", event_mapping(feed), alias=alias)
            self._check_present(alias, event_mapping(feed))
        for name, mapping in (
            (self.rejects, _REJECT),
            (self.commits, _COMMIT),
            (self.notes, _NOTE),
            (self.ledger, _LEDGER),
        ):
            self._put_template(name, name, mapping)
            self._send("PUT", f"/{quote(name)}", unless=_THERE)
            self._put_mapping(name, mapping)

    def make(self, name: str) -> None:
        """Make an index unless it is there; its template says how. This is part of a commit, so it waits as one."""
        if name in self._known:
            return
        backoff = self._connection.backoff(_WHAT, None)
        self._send("PUT", f"/{quote(name)}", unless=_THERE, backoff=backoff)
        backoff.done()
        self._known.add(name)

    def exists(self) -> bool:
        """Whether anything was ever stored: whether there is a ledger."""
        return self._connection.request("HEAD", f"/{quote(self.ledger)}", accept={404}).status < 300

    def _check_present(self, alias: str, mapping: Mapping[str, Any]) -> None:
        """Bring the indices of earlier runs up to date."""
        answer = self._connection.request("GET", f"/_alias/{quote(alias)}", accept={404})
        names = list(answer.json()) if answer.status < 300 else []
        for name in names:
            if not self._name.fullmatch(name.removeprefix(f"{alias}-")):
                raise ConfigurationError(
                    f"the index {name} is none of the period {self._settings.period!r}, and duplicates would not be "
                    "found across periods",
                    where=str(self._connection.address),
                    hint="set elasticsearch.period as it was, or set elasticsearch.prefix to begin a new store",
                )
        self._known |= set(names)
        if names:
            self._put_mapping(alias, mapping)

    def _put_template(self, name: str, pattern: str, mapping: Mapping[str, Any], alias: str | None = None) -> None:
        template: dict[str, Any] = {
            "settings": {
                "number_of_shards": self._settings.shards if alias else 1,
                "number_of_replicas": self._settings.replicas,
                # an erasure has what it deletes merged away, however little of a segment that is
                "merge.policy.expunge_deletes_allowed": 0,
            },
            "mappings": {"dynamic": "strict", "properties": mapping},
            "aliases": {alias: {}} if alias else {},
        }
        body = {
            "index_patterns": [pattern],
            "priority": _PRIORITY,
            "_meta": {"managed_by": "advertisex"},
            "template": template,
        }
        self._send("PUT", f"/_index_template/{quote(name)}", body)

    def _put_mapping(self, name: str, mapping: Mapping[str, Any]) -> None:
        self._send("PUT", f"/{quote(name)}/_mapping", {"dynamic": "strict", "properties": mapping})

    def _send(
        self, method: str, path: str, body: object | None = None, *, unless: str = "", backoff: Backoff | None = None
    ) -> None:
        """Make a change, unless it fails for a reason that is as good."""
        answer = self._connection.request(
            method, path, body, what=_WHAT, accept={HTTPStatus.BAD_REQUEST}, backoff=backoff
        )
        if answer.status < HTTPStatus.BAD_REQUEST:
            return
        problem = problem_in(answer.data, answer.status)
        if unless and problem.type == unless:
            return
        if "invalid alias name" in str(problem).lower():
            raise StoreError(
                f"an index is in the way: {problem}",
                where=str(self._connection.address),
                hint="clone it under another name and delete it, or set elasticsearch.prefix",
            )
        raise self._connection.failure(_WHAT, answer.status, problem)


def event_mapping(feed: Feed) -> dict[str, Any]:
    """How each field of a feed's events is kept."""
    ids = {f.column for f in feed.fields if f.is_id} | {"campaign_id", "advertiser_id"}
    own = {name: _ID if name in ids else _TYPES[dtype] for name, dtype in feed.columns.items()}
    return own | _PROVENANCE

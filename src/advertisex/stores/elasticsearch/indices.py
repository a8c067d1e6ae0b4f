"""The indices of the store in Elasticsearch: names, templates and mappings.

    ad_impressions_index-2026-11   impressions of November 2026, by event time
    ad_impressions_index           alias of all of them: what to search
    clicks_conversions_index       alias, likewise
    avro_data_index                alias, likewise
    advertisex_rejects             rejected and filtered messages, whole
    advertisex_ledger              one document per partition
    advertisex_commits             ledger history, one document per commit except the last of each partition
    advertisex_notes               small documents about the events, such as alert states

Mappings are strict: an unknown field is an error. Identifiers are plain keywords; Elasticsearch rejects one that is
longer than Lucene's limit of 32,766 bytes, and its message becomes a reject. Other text is stored at any length, but
is searchable by value only up to 8,191 characters. Times are `date_nanos`, which cover 1970 to 2262; an event outside
that range is rejected, too.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote

import polars as pl

from advertisex.errors import ConfigurationError, StoreError
from advertisex.feeds import FEEDS, Feed
from advertisex.feeds.feed import AMOUNT
from advertisex.model import COUNT_NAMES
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.failures import problem_in
from advertisex.stores.elasticsearch.retry import Backoff

#: The names are those of the case study.
ALIASES = {
    "impressions": "ad_impressions_index",
    "clicks": "clicks_conversions_index",
    "bids": "avro_data_index",
}
REJECTS = "advertisex_rejects"
LEDGER = "advertisex_ledger"
COMMITS = "advertisex_commits"
NOTES = "advertisex_notes"

#: The period in the name of an index: its format for Polars, and its pattern.
PERIODS: dict[Literal["month", "day"], tuple[str, re.Pattern[str]]] = {
    "month": ("%Y-%m", re.compile(r"\d{4,}-\d\d")),
    "day": ("%Y-%m-%d", re.compile(r"\d{4,}-\d\d-\d\d")),
}

_PRIORITY = 500
_EXISTS = "resource_already_exists_exception"
_WHAT = "set up the event store"
_ID: dict[str, Any] = {"type": "keyword"}
#: 8,191 characters of 4 bytes fit into a Lucene term; longer text is stored, but not indexed.
_TEXT: dict[str, Any] = {"type": "keyword", "ignore_above": 8191}
_TIME: dict[str, Any] = {"type": "date_nanos"}
_COUNT: dict[str, Any] = {"type": "long"}
_TYPES: dict[pl.DataType, dict[str, Any]] = {
    pl.String(): _TEXT,
    pl.Int64(): _COUNT,
    AMOUNT: {"type": "double"},
    pl.Boolean(): {"type": "boolean"},
    pl.Datetime("us"): _TIME,
}
_PROVENANCE: dict[str, Any] = {
    "user_slice": {"type": "short"},
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
_NUMBERS = dict.fromkeys(COUNT_NAMES, _COUNT)
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
    """Names and creates the indices of one store.

    Args:
        connection: connection to the cluster.
        settings: period, shards, replicas, and the prefix of all names.
    """

    def __init__(self, connection: Connection, settings: ElasticsearchSettings) -> None:
        self._connection, self._settings = connection, settings
        self._period_format, self._period_pattern = PERIODS[settings.period]
        self._known: set[str] = set()
        self.rejects = settings.prefix + REJECTS
        self.ledger = settings.prefix + LEDGER
        self.commits = settings.prefix + COMMITS
        self.notes = settings.prefix + NOTES

    def alias(self, feed: str) -> str:
        """Name of the alias for all events of a feed."""
        return self._settings.prefix + ALIASES[feed]

    def period_of(self, time: pl.Expr) -> pl.Expr:
        """The period of an event time: the suffix of the index name."""
        return time.dt.to_string(self._period_format)

    def prepare(self) -> None:
        """Create or update the templates, and all indices except those of events.

        Idempotent; several workers may call it at once.

        Raises:
            ConfigurationError: the cluster has indices of another period.
            StoreError: the cluster rejected a request, or has indices with another mapping.
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
            self._send("PUT", f"/{quote(name)}", unless=_EXISTS)
            self._put_mapping(name, mapping)

    def create(self, name: str) -> None:
        """Create an index from its template if it does not exist. Waits for the cluster, as part of a commit."""
        if name in self._known:
            return
        backoff = self._connection.backoff(_WHAT, None)
        self._send("PUT", f"/{quote(name)}", unless=_EXISTS, backoff=backoff)
        backoff.done()
        self._known.add(name)

    def exists(self) -> bool:
        """Whether the ledger index exists, that is, whether anything was ever stored."""
        return self._connection.request("HEAD", f"/{quote(self.ledger)}", accept={404}).status < 300

    def _check_present(self, alias: str, mapping: Mapping[str, Any]) -> None:
        """Check the period of existing indices, and update their mappings."""
        answer = self._connection.request("GET", f"/_alias/{quote(alias)}", accept={404})
        names = list(answer.json()) if answer.status < 300 else []
        for name in names:
            if not self._period_pattern.fullmatch(name.removeprefix(f"{alias}-")):
                raise ConfigurationError(
                    f"index {name} does not have the period {self._settings.period!r}, and duplicates would not be "
                    "found across periods",
                    where=str(self._connection.address),
                    hint="restore the previous elasticsearch.period, or set elasticsearch.prefix to start a new store",
                )
        self._known |= set(names)
        if names:
            self._put_mapping(alias, mapping)

    def _put_template(self, name: str, pattern: str, mapping: Mapping[str, Any], alias: str | None = None) -> None:
        template: dict[str, Any] = {
            "settings": {
                "number_of_shards": self._settings.shards if alias else 1,
                "number_of_replicas": self._settings.replicas,
                # an erasure purges deleted documents from the files, even if they are few in a segment
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
        """Send a change; an error of the type `unless` counts as success."""
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
                f"the name of an alias is taken by an index: {problem}",
                where=str(self._connection.address),
                hint="clone it under another name and delete it, or set elasticsearch.prefix",
            )
        raise self._connection.failure(_WHAT, answer.status, problem)


def event_mapping(feed: Feed) -> dict[str, Any]:
    """The mapping of a feed's events."""
    ids = {f.column for f in feed.fields if f.is_id} | {"campaign_id", "advertiser_id"}
    own = {name: _ID if name in ids else _TYPES[dtype] for name, dtype in feed.columns.items()}
    return own | _PROVENANCE

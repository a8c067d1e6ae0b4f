"""The checks of `advertisex doctor` on a store in Elasticsearch.

A check that the user has no permission for, or that the cluster does not support, is skipped and not a fault.
"""

from collections.abc import Sequence
from datetime import UTC
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from advertisex.feeds import FEEDS
from advertisex.model import Finding, LedgerRow, Partition
from advertisex.stores.commit_time import Clock
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.conditions import all_of, between
from advertisex.stores.elasticsearch.failures import problem_in
from advertisex.stores.elasticsearch.generation import ALIASES
from advertisex.stores.elasticsearch.indices import Indices
from advertisex.stores.ledger_check import Held, counted
from advertisex.stores.retention import Floor

#: Above this, Elasticsearch moves shards to other nodes; at 95 % it makes indices read-only.
_DISK_USED = 0.90
#: Fraction of the shards that the cluster allows.
_SHARDS_USED = 0.90
#: Maximum difference in seconds between the cluster's clock and this machine's.
_CLOCK_OFF = 60.0
_UNAVAILABLE = frozenset({
    HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE,
})  # fmt: skip


class _UnavailableError(Exception):
    """The user may not read this, or the cluster does not provide it, as some managed services hide their nodes."""


def inspect(
    connection: Connection, indices: Indices, ledger: Sequence[LedgerRow], floor: Floor | None, clock: Clock
) -> list[Finding]:
    """Check the cluster's health, versions, clock, disks and shards, and the store's templates and contents."""
    cluster = _Cluster(connection, indices, clock)
    found: list[Finding] = []
    for what, check in (
        ("store", cluster.health),
        ("store's version", cluster.version),
        ("store's clock", cluster.clock),
        ("store's disk", cluster.disk),
        ("store's shards", cluster.shards),
        ("store's templates", cluster.templates),
        ("store holds", cluster.holds),
        ("store's counts", partial(cluster.counts, ledger, floor)),
    ):
        try:
            found.append(check())
        except _UnavailableError as why:
            found.append(Finding(what, True, f"not checked: {why}"))
    return found


class _Cluster:
    """The checks, one method each."""

    def __init__(self, connection: Connection, indices: Indices, clock: Clock) -> None:
        self._connection, self._indices, self._clock = connection, indices, clock

    def health(self) -> Finding:
        """Status of the cluster and number of nodes."""
        health = self._get("/_cluster/health")
        summary = f"{self._connection.address}: {health['status']}, {health['number_of_nodes']} nodes"
        return Finding("store", health["status"] != "red", summary, "bring back the nodes that have the missing shards")

    def version(self) -> Finding:
        """Versions of all nodes."""
        nodes = self._get("/_nodes?filter_path=nodes.*.version")["nodes"].values()
        versions = sorted({node["version"] for node in nodes})
        return Finding("store's version", True, f"Elasticsearch {', '.join(versions)}")

    def clock(self) -> Finding:
        """Offset of the cluster's clock; the clocks must agree for commit times and the check for future events."""
        asked = self._now()
        nodes = self._get("/_nodes/stats/fs?filter_path=nodes.*.timestamp")["nodes"].values()
        middle = (asked + self._now()) / 2
        off = max((node["timestamp"] / 1000 - middle for node in nodes), key=abs, default=0.0)
        summary = f"{off:+,.1f} s from this machine's"
        return Finding("store's clock", abs(off) < _CLOCK_OFF, summary, "correct the wrong one, and sync both by NTP")

    def disk(self) -> Finding:
        """Disk usage of the fullest node."""
        nodes = self._get("/_nodes/stats/fs?filter_path=nodes.*.fs.total")["nodes"].values()
        disks = [node["fs"]["total"] for node in nodes]
        used = max((1 - disk["available_in_bytes"] / disk["total_in_bytes"] for disk in disks), default=0.0)
        summary = f"{used:.0%} used on the fullest node"
        return Finding("store's disk", used < _DISK_USED, summary, "delete old indices or add disks")

    def shards(self) -> Finding:
        """Number of shards, and the cluster's limit."""
        limits = self._get("/_cluster/settings?include_defaults=true&filter_path=*.cluster.max_shards_per_node")
        health = self._get("/_cluster/health?filter_path=active_shards,number_of_data_nodes")
        by_rank = [
            limits[kind]["cluster"]["max_shards_per_node"]
            for kind in ("transient", "persistent", "defaults")
            if limits.get(kind)
        ]
        if not by_rank:
            return Finding("store's shards", True, f"{health['active_shards']:,}")
        limit = int(by_rank[0]) * health["number_of_data_nodes"]
        summary = f"{health['active_shards']:,} of {limit:,} that the cluster allows"
        hint = "set elasticsearch.period to month, delete old indices, or raise cluster.max_shards_per_node"
        return Finding("store's shards", health["active_shards"] < _SHARDS_USED * limit, summary, hint)

    def templates(self) -> Finding:
        """Whether the index templates exist."""
        names = list(map(self._indices.names.template, ALIASES))
        missing = [name for name in names if not self._has_template(name)]
        summary = f"missing: {', '.join(missing)}" if missing else f"all {len(names)} exist"
        return Finding("store's templates", not missing, summary, "run `advertisex process`, which creates them")

    def holds(self) -> Finding:
        """Number of documents of each kind."""
        names = {feed: [self._indices.events(feed)] for feed in FEEDS} | {"rejects": [self._indices.rejects]}
        counts = ", ".join(f"{what} {self._count(name, None):,}" for what, name in names.items())
        return Finding("store holds", True, counts)

    def counts(self, ledger: Sequence[LedgerRow], floor: Floor | None) -> Finding:
        """Whether the documents below the ledger's next offsets match its counts.

        Documents beyond belong to a batch that is in progress, or that the next run processes again. Those below the
        floor were never counted.
        """
        if floor is not None and not floor.is_complete:
            text = "not checked: the removal of old events was interrupted; the next `advertisex process` completes it"
            return Finding("store's counts", True, text)
        since = None if floor is None else floor.since
        events = list(map(self._indices.events, FEEDS))
        held = {}
        for row in ledger:
            conditions: list[dict[str, Any]] = [
                {"term": {"topic": row.topic}},
                {"term": {"partition": row.partition}},
                {"range": {"offset": {"lt": row.next_offset}}},
            ]
            held[Partition(row.topic, row.partition)] = Held(
                self._count(events, {"query": all_of([*conditions, *between("event_time", since, None)])}),
                self._count(
                    [self._indices.rejects], {"query": all_of([*conditions, *between("ingested_at", since, None)])}
                ),
            )
        return counted(ledger, held)

    def _has_template(self, name: str) -> bool:
        return self._ask("GET", f"/_index_template/{quote(name)}", accept=HTTPStatus.NOT_FOUND) is not None

    def _count(self, names: Sequence[str], query: object | None) -> int:
        path = f"/{','.join(map(quote, names))}"
        self._ask("POST", f"{path}/_refresh?ignore_unavailable=true")
        return int(self._ask("POST", f"{path}/_count?ignore_unavailable=true", query)["count"])

    def _now(self) -> float:
        return self._clock().replace(tzinfo=UTC).timestamp()

    def _get(self, path: str) -> Any:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, body: object | None = None, accept: HTTPStatus | None = None) -> Any:
        """The decoded response, or None if its status is `accept`."""
        answer = self._connection.request(method, path, body, what="inspect the cluster", accept=_UNAVAILABLE)
        if answer.status == accept:
            return None
        if answer.status in _UNAVAILABLE:
            # without the user's name and the list of privileges that would allow it
            raise _UnavailableError(str(problem_in(answer.data, answer.status)).split(" for user ")[0])
        return answer.json()

"""What `advertisex doctor` says of a store in Elasticsearch.

What this user may not look at, or the cluster does not tell, is said to be so, and is no fault.
"""

import time
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from advertisex.batches import LedgerRow, Partition
from advertisex.feeds import FEEDS
from advertisex.findings import Finding
from advertisex.stores.counted import Held, counted
from advertisex.stores.elasticsearch_client import Connection, problem_in
from advertisex.stores.elasticsearch_indices import Indices

#: Elasticsearch moves shards away from a disk that is fuller, and at 95 % makes indices read-only.
_DISK_USED = 0.90
#: Of the shards that the cluster admits.
_SHARDS_USED = 0.90
#: Seconds between the cluster's clock and ours.
_CLOCK_OFF = 60.0
_NOT_TOLD = frozenset({
    HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE,
})  # fmt: skip


class _NotToldError(Exception):
    """This user may not look at it, or there is no such thing to look at: a service may have no nodes to show."""


def inspect(connection: Connection, indices: Indices, ledger: Sequence[LedgerRow]) -> list[Finding]:
    """Look at the cluster's health, its versions, clock, disks and shards, at our templates and at what is stored."""
    cluster = _Cluster(connection, indices)
    found: list[Finding] = []
    for what, look in (
        ("store", cluster.health),
        ("store's version", cluster.version),
        ("store's clock", cluster.clock),
        ("store's disk", cluster.disk),
        ("store's shards", cluster.shards),
        ("store's templates", cluster.templates),
        ("store holds", cluster.holds),
        ("store's counts", partial(cluster.counts, ledger)),
    ):
        try:
            found.append(look())
        except _NotToldError as why:
            found.append(Finding(what, True, f"not looked at: {why}"))
    return found


class _Cluster:
    """Looks at one thing at a time."""

    def __init__(self, connection: Connection, indices: Indices) -> None:
        self._connection, self._indices = connection, indices

    def health(self) -> Finding:
        """How the cluster says that it is."""
        health = self._get("/_cluster/health")
        says = f"{self._connection.address}: {health['status']}, {health['number_of_nodes']} nodes"
        return Finding("store", health["status"] != "red", says, "bring the nodes back that hold the missing shards")

    def version(self) -> Finding:
        """Of all nodes."""
        nodes = self._get("/_nodes?filter_path=nodes.*.version")["nodes"].values()
        versions = sorted({node["version"] for node in nodes})
        return Finding("store's version", True, f"Elasticsearch {', '.join(versions)}")

    def clock(self) -> Finding:
        """Whatever says when a thing was stored, and what comes from the future, rests on the two being one time."""
        asked = time.time()
        nodes = self._get("/_nodes/stats/fs?filter_path=nodes.*.timestamp")["nodes"].values()
        middle = (asked + time.time()) / 2
        off = max((node["timestamp"] / 1000 - middle for node in nodes), key=abs, default=0.0)
        says = f"{off:+,.1f} s from this machine's"
        return Finding("store's clock", abs(off) < _CLOCK_OFF, says, "set the one that is wrong, and keep both by NTP")

    def disk(self) -> Finding:
        """Of the fullest node."""
        nodes = self._get("/_nodes/stats/fs?filter_path=nodes.*.fs.total")["nodes"].values()
        disks = [node["fs"]["total"] for node in nodes]
        used = max((1 - disk["available_in_bytes"] / disk["total_in_bytes"] for disk in disks), default=0.0)
        says = f"{used:.0%} used where it is fullest"
        return Finding("store's disk", used < _DISK_USED, says, "delete old indices or add disks")

    def shards(self) -> Finding:
        """A cluster admits only so many."""
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
        says = f"{health['active_shards']:,} of {limit:,} that the cluster admits"
        hint = "set elasticsearch.period to month, delete old indices, or raise cluster.max_shards_per_node"
        return Finding("store's shards", health["active_shards"] < _SHARDS_USED * limit, says, hint)

    def templates(self) -> Finding:
        """By which indices are made."""
        names = [*map(self._indices.alias, FEEDS), self._indices.rejects, self._indices.ledger, self._indices.commits]
        missing = [name for name in names if not self._has_template(name)]
        says = f"missing: {', '.join(missing)}" if missing else f"all {len(names)} are there"
        return Finding("store's templates", not missing, says, "run `advertisex process`, which makes them")

    def holds(self) -> Finding:
        """How many documents of each kind."""
        names = {feed: [self._indices.alias(feed)] for feed in FEEDS} | {"rejects": [self._indices.rejects]}
        counts = ", ".join(f"{what} {self._count(name, None):,}" for what, name in names.items())
        return Finding("store holds", True, counts)

    def counts(self, ledger: Sequence[LedgerRow]) -> Finding:
        """What lies beyond the ledger belongs to a batch that is under way, or that the next run does again."""
        events = list(map(self._indices.alias, FEEDS))
        held = {}
        for row in ledger:
            conditions = [
                {"term": {"topic": row.topic}},
                {"term": {"partition": row.partition}},
                {"range": {"offset": {"lt": row.next_offset}}},
            ]
            query = {"query": {"bool": {"filter": conditions}}}
            held[Partition(row.topic, row.partition)] = Held(
                self._count(events, query), self._count([self._indices.rejects], query)
            )
        return counted(ledger, held)

    def _has_template(self, name: str) -> bool:
        return self._ask("GET", f"/_index_template/{quote(name)}", accept=HTTPStatus.NOT_FOUND) is not None

    def _count(self, names: Sequence[str], query: object | None) -> int:
        path = f"/{','.join(map(quote, names))}"
        self._ask("POST", f"{path}/_refresh?ignore_unavailable=true")
        return int(self._ask("POST", f"{path}/_count?ignore_unavailable=true", query)["count"])

    def _get(self, path: str) -> Any:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, body: object | None = None, accept: HTTPStatus | None = None) -> Any:
        """An answer, or None for that of the status `accept`."""
        answer = self._connection.request(method, path, body, what="look at the cluster", accept=_NOT_TOLD)
        if answer.status == accept:
            return None
        if answer.status in _NOT_TOLD:
            # without the user's name, and all that would grant it
            raise _NotToldError(str(problem_in(answer.data, answer.status)).split(" for user ")[0])
        return answer.json()

"""What `advertisex doctor` says of a store in Elasticsearch."""

from typing import Any
from urllib.parse import quote

from advertisex.errors import StoreError
from advertisex.feeds import FEEDS
from advertisex.findings import Finding
from advertisex.stores.elasticsearch_client import Connection
from advertisex.stores.elasticsearch_indices import Indices

#: Elasticsearch moves shards away from a disk that is fuller, and at 95 % makes indices read-only.
_DISK_USED = 0.90
#: Of the shards that the cluster admits.
_SHARDS_USED = 0.90


def inspect(connection: Connection, indices: Indices) -> list[Finding]:
    """Look at the cluster's health, its versions, disks and shards, at our templates and at what is stored."""
    return [_health(connection), *_room(connection), _templates(connection, indices), _stored(connection, indices)]


def _get(connection: Connection, path: str, accept: set[int] | None = None) -> Any:
    answer = connection.request("GET", path, what="look at the cluster", accept=accept or ())
    return answer.json() if answer.status < 300 else None


def _health(connection: Connection) -> Finding:
    health = _get(connection, "/_cluster/health")
    says = f"{connection.address}: {health['status']}, {health['number_of_nodes']} nodes"
    return Finding("store", health["status"] != "red", says, "bring the nodes back that hold the missing shards")


def _room(connection: Connection) -> list[Finding]:
    """What the right to monitor the cluster lets us see."""
    try:
        nodes = _get(connection, "/_nodes?filter_path=nodes.*.version")["nodes"].values()
        disks = _get(connection, "/_nodes/stats/fs?filter_path=nodes.*.fs.total")["nodes"].values()
        limits = _get(connection, "/_cluster/settings?include_defaults=true&filter_path=*.cluster.max_shards_per_node")
        health = _get(connection, "/_cluster/health?filter_path=active_shards,number_of_data_nodes")
    except StoreError as error:
        return [Finding("store's nodes", True, f"not looked at: {error.what}")]
    versions = sorted({node["version"] for node in nodes})
    used = max(
        (1 - disk["fs"]["total"]["available_in_bytes"] / disk["fs"]["total"]["total_in_bytes"] for disk in disks),
        default=0.0,
    )
    found = [
        Finding("store's version", True, f"Elasticsearch {', '.join(versions)}"),
        Finding(
            "store's disk", used < _DISK_USED, f"{used:.0%} used where it is fullest", "delete old indices or add disks"
        ),
    ]
    by_rank = [
        limits[kind]["cluster"]["max_shards_per_node"]
        for kind in ("transient", "persistent", "defaults")
        if limits.get(kind)
    ]
    if by_rank:
        limit = int(by_rank[0]) * health["number_of_data_nodes"]
        says = f"{health['active_shards']:,} of {limit:,} that the cluster admits"
        mend = "set elasticsearch.period to month, delete old indices, or raise cluster.max_shards_per_node"
        found.append(Finding("store's shards", health["active_shards"] < _SHARDS_USED * limit, says, mend))
    return found


def _templates(connection: Connection, indices: Indices) -> Finding:
    names = [*(indices.alias(feed) for feed in FEEDS), indices.rejects, indices.ledger]
    missing = [name for name in names if _get(connection, f"/_index_template/{quote(name)}", {404}) is None]
    says = f"missing: {', '.join(missing)}" if missing else f"all {len(names)} are there"
    return Finding("store's templates", not missing, says, "run `advertisex process`, which makes them")


def _stored(connection: Connection, indices: Indices) -> Finding:
    names = {feed: indices.alias(feed) for feed in FEEDS} | {"rejects": indices.rejects}
    counts = {
        what: (_get(connection, f"/{quote(name)}/_count", {404}) or {"count": 0})["count"]
        for what, name in names.items()
    }
    return Finding("store holds", True, ", ".join(f"{what} {count:,}" for what, count in counts.items()))

"""The checks of `advertisex doctor` on a store in Elasticsearch.

A check that the user has no permission for, or that the cluster does not support, is skipped and not a fault.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC
from functools import partial
from http import HTTPStatus
from itertools import chain, islice
from typing import Any
from urllib.parse import quote

from advertisex.errors import StoreError
from advertisex.feeds import FEEDS
from advertisex.model import Finding, LedgerRow, Partition
from advertisex.stores.commit_time import Clock
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.conditions import all_of, between
from advertisex.stores.elasticsearch.event_ids import delete_hint, is_event_id
from advertisex.stores.elasticsearch.failures import problem_in, unblock, unblock_cluster
from advertisex.stores.elasticsearch.generation import ALIASES
from advertisex.stores.elasticsearch.indices import Indices
from advertisex.stores.elasticsearch.periods import joined
from advertisex.stores.elasticsearch.search import Hit, search_all
from advertisex.stores.elasticsearch.templates import (
    TEMPLATE_HINT,
    foreign_template,
    missing_templates,
    takes_precedence,
)
from advertisex.stores.elasticsearch.verify import UNDO, blocks, flaws, gone, id_of, is_closed, replaced
from advertisex.stores.ledger_check import Held, counted
from advertisex.stores.retention import Floor

#: Above this, Elasticsearch moves shards to other nodes; at 95 % it makes indices read-only.
_DISK_USED = 0.90
#: Fraction of the shards that the cluster allows.
_SHARDS_USED = 0.90
#: Problems of indices that are shown.
_SHOWN = 3
#: Maximum difference in seconds between the cluster's clock and this machine's.
_CLOCK_OFF = 60.0
_UNAVAILABLE = frozenset({
    HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE,
})  # fmt: skip


def index_problems(indices: Indices, present: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the indices of a store, each with a hint.

    Args:
        indices: the indices.
        present: all indices with such names, as the cluster returns them.
    """
    listed = {name for feed in FEEDS for name in indices.listed(feed)}
    for name, its in (indices.internal() | indices.created()).items():
        if name not in present:
            yield _clause(gone(name, ""))
            continue
        if its.id not in (None, id_of(present[name])):
            yield _clause(replaced(name, ""))
            continue
        if is_closed(present[name]):
            yield f"index {name} is closed", f"open it: POST /{name}/_open"
        for block in blocks(present[name]):
            yield f"index {name} has the block {block}", unblock(name, block)
        for flaw in flaws(present[name], its):
            yield f"index {name}: {flaw}", UNDO
    for name in sorted(present.keys() - indices.internal().keys() - listed):
        yield f"index {name} is not part of the store", "another tool created it: rename or delete it"


def _clause(error: StoreError) -> tuple[str, str]:
    return error.what, error.hint


class _UnavailableError(Exception):
    """The user may not read this, or the cluster does not provide it, as some managed services hide their nodes."""


def inspect(
    connection: Connection,
    indices: Indices,
    ledger: Callable[[], Sequence[LedgerRow]],
    floor: Callable[[], Floor | None],
    clock: Clock,
) -> list[Finding]:
    """Check the cluster's health, versions, clock, disks and shards, and the store's templates, indices, contents."""
    cluster = _Cluster(connection, indices, clock)
    found: list[Finding] = []
    for what, check in (
        ("store", cluster.health),
        ("store's version", cluster.version),
        ("store's clock", cluster.clock),
        ("store's disk", cluster.disk),
        ("store's shards", cluster.shards),
        ("store's blocks", cluster.blocks),
        ("store's templates", cluster.templates),
        ("store's indices", cluster.indices),
        ("store holds", cluster.holds),
        ("store's counts", partial(cluster.counts, ledger, floor)),
    ):
        try:
            found.append(check())
        except _UnavailableError as why:
            found.append(Finding(what, True, f"not checked: {why}"))
        except StoreError as error:
            found.append(Finding(what, False, error.what, error.hint))
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
        return Finding("store's disk", used < _DISK_USED, summary, "set store.keep_days, or add disks")

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
        hint = "set elasticsearch.period to month, set store.keep_days, or raise cluster.max_shards_per_node"
        return Finding("store's shards", health["active_shards"] < _SHARDS_USED * limit, summary, hint)

    def blocks(self) -> Finding:
        """Whether a block on the whole cluster stops writes."""
        kinds = self._get("/_cluster/settings?filter_path=*.cluster.blocks").values()
        blocks = [block for kind in kinds for block, value in kind["cluster"]["blocks"].items() if value == "true"]
        if not blocks:
            return Finding("store's blocks", True, "none on the whole cluster")
        summary = f"the cluster has the block {', '.join(blocks)}"
        return Finding("store's blocks", False, summary, unblock_cluster(blocks[0]))

    def templates(self) -> Finding:
        """Whether the index templates exist, and none of another tool takes precedence."""
        self._get("/_index_template?filter_path=index_templates.name")  # reports a missing permission
        names = [*map(self._indices.names.template, ALIASES)]
        next_ones = [self._indices.names.events(feed, self._clock().strftime("%Y-%m")) for feed in FEEDS]
        if foreign := foreign_template(self._connection, [*names, *next_ones]):
            return Finding("store's templates", False, takes_precedence(*foreign), TEMPLATE_HINT)
        missing = missing_templates(self._connection, names)
        summary = f"missing or changed: {', '.join(missing)}" if missing else f"all {len(names)} exist"
        return Finding("store's templates", not missing, summary, "run `advertisex process`, which creates them")

    def indices(self) -> Finding:
        """Whether each index of the store exists, is open, and is as AdvertiseX creates it."""
        problems = list(index_problems(self._indices, self._present()))
        if not problems:
            return Finding("store's indices", True, f"all {len(self._present()):,} exist and are as created")
        details, hints = zip(*problems, strict=True)
        more = f"; and {len(details) - _SHOWN:,} more" if len(details) > _SHOWN else ""
        return Finding("store's indices", False, "; ".join(details[:_SHOWN]) + more, hints[0])

    def holds(self) -> Finding:
        """Number of documents of each kind."""
        names = {feed: self._created(feed) for feed in FEEDS} | {"rejects": [self._indices.rejects]}
        counts = ", ".join(f"{what} {self._count(name, None):,}" for what, name in names.items())
        return Finding("store holds", True, counts)

    def counts(self, read_ledger: Callable[[], Sequence[LedgerRow]], read_floor: Callable[[], Floor | None]) -> Finding:
        """Whether the documents below the ledger's next offsets match its counts.

        Documents beyond belong to a batch that is in progress, or that the next run processes again. Those below the
        floor were never counted.
        """
        ledger, floor = read_ledger(), read_floor()
        present = self._present()
        if closed := [name for name, index in present.items() if is_closed(index)]:
            return Finding("store's counts", True, f"not checked: index {closed[0]} is closed")
        if floor is not None and not floor.is_complete:
            text = "not checked: the removal of old events was interrupted; the next `advertisex process` completes it"
            return Finding("store's counts", True, text)
        since = None if floor is None else floor.since
        events = [name for feed in FEEDS for name in self._created(feed) if name in present]
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
        found = counted(ledger, held)
        partitions = [
            all_of([{"term": {"topic": row.topic}}, {"term": {"partition": row.partition}}]) for row in ledger
        ]
        uncounted = {"bool": {"must_not": partitions}}
        foreign = self._foreign_documents(events, uncounted if found.good else None)
        if not foreign:
            return found
        named = "documents of another tool: " + ", ".join(f"{hit.index}/{hit.id}" for hit in foreign)
        detail = named if found.good else f"{found.detail}; {named}"
        return Finding(found.what, False, detail, delete_hint(foreign[0].index, foreign[0].id))

    def _foreign_documents(self, indices: Sequence[str], query: Mapping[str, Any] | None) -> list[Hit]:
        """The first documents of other tools among those that match a query."""
        order = [{"_shard_doc": "asc"}]
        pages = (search_all(self._connection, part, order, query=query, source=False) for part in joined(indices))
        hits = (hit for page in chain.from_iterable(pages) for hit in page if not is_event_id(hit.id))
        return list(islice(hits, _SHOWN))

    def _present(self) -> dict[str, Any]:
        """All indices of this generation, and any others with such names."""
        names = (self._indices.names.template(what) + ("-*" if what in FEEDS else "") for what in ALIASES)
        path = f"/{','.join(map(quote, names))}?ignore_unavailable=true&expand_wildcards=all"
        found: dict[str, Any] = self._get(path)
        return found

    def _created(self, feed: str) -> list[str]:
        return [name for name, one in self._indices.listed(feed).items() if one.state == "created"]

    def _count(self, names: Sequence[str], query: object | None) -> int:
        total = 0
        for part in joined(names):
            path = f"/{quote(part)}"
            self._ask("POST", f"{path}/_refresh?ignore_unavailable=true")
            total += int(self._ask("POST", f"{path}/_count?ignore_unavailable=true", query)["count"])
        return total

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
            problem = problem_in(answer.data, answer.status)
            if "cluster_block" in problem.type:
                raise self._connection.failure("inspect the cluster", answer.status, problem)
            # without the user's name and the list of privileges that would allow it
            raise _UnavailableError(str(problem).split(" for user ")[0])
        return answer.json()

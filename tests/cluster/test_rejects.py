"""Rejects on Kafka and Elasticsearch, by the command line: repaired, replayed to several partitions and stored."""

from collections.abc import Callable
from typing import Any

from advertisex.feeds import FEEDS
from advertisex.ingestion.mapping import FieldMapping
from advertisex.model import Position
from advertisex.rejects.repair import Repairer
from advertisex.stores.contract import RejectQuery
from tests.cluster.traffic import Traffic, stored_ids


def test_rejects_are_repaired_replayed_and_stored_once(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster()
    Traffic(cluster, events=6_000, seed=5).publish()
    before = cluster.call("process")["total"]
    options = ["--reason", "placeholder_user_id", "--set", "user_id=repaired"]

    preview = cluster.call("rejects", "replay", *options, "--dry-run")
    done = cluster.call("rejects", "replay", *options, "--yes")

    assert preview["messages"] == done["messages"] > 10
    assert sum(sent["messages"] for sent in done["sent"]) == done["messages"]
    repairs = {name: Repairer(FEEDS[name], FieldMapping(constants={"user_id": "repaired"})) for name in FEEDS}
    with cluster.log() as log, cluster.store() as store:
        marked = store.rejects(RejectQuery(replayed=True))
        assert marked.height == done["messages"]
        for reject in marked.iter_rows(named=True):
            place = Position.read(reject["replayed_to"])
            assert log.read(*place, 1).payloads == [repairs[reject["feed"]](reject["payload"])]
    assert cluster.call("rejects", "replay", *options, "--yes")["replayed_before"] == done["messages"]

    after = cluster.call("process")
    accepted = sum(result["count"] for result in preview["results"] if result["kind"] == "accepted")
    assert after["balanced"]
    assert after["total"]["read"] == before["read"] + done["messages"]
    assert after["total"]["stored"] + after["total"]["duplicate"] == before["stored"] + before["duplicate"] + accepted
    with cluster.store() as store:
        ids = [found for feed in FEEDS for found in stored_ids(store, feed)]
        assert len(ids) == len(set(ids)) == after["total"]["stored"]

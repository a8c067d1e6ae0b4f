"""Erasure from Elasticsearch: during commits of other workers, and interrupted at each of its requests."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from advertisex.errors import LedgerMoved, StoreError
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Counts, Outcome
from advertisex.privacy.erasure import erase
from advertisex.processing.runner import Processing, process_log
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.contract import ERASURES, Range, RejectQuery
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.store import ElasticsearchStore
from tests.contracts.store_places import Place, in_elasticsearch
from tests.stores.es_outcomes import message, outcome

USER = "user4711"


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with in_elasticsearch(request, tmp_path_factory) as new_place:
        yield new_place()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with SqliteLog(tmp_path / "log.db") as made:
        yield made


def opened(place: Place) -> ElasticsearchStore:
    return ElasticsearchStore(place.url, settings=place.elasticsearch)


def users(store: ElasticsearchStore) -> list[str]:
    """Users of all stored events and rejects, also those beyond the ledger."""
    events = [user for f in FEEDS for frame in store.scan(f, ["user_id"], Range()) for user in frame["user_id"]]
    return sorted(events + [json.loads(payload)["user_id"] for payload in store.rejects(RejectQuery())["payload"]])


def check(store: ElasticsearchStore) -> None:
    assert all(row.counts.balanced for row in store.ledger())
    assert [finding for finding in store.inspect() if not finding.good] == []


@pytest.mark.parametrize("committed", [0, 2], ids=["first commit", "later commit"])
def test_a_commit_overtaken_by_an_erasure_is_fenced_off_and_leaves_nothing(
    place: Place, log: SqliteLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, committed: int
) -> None:
    with opened(place) as worker, opened(place) as other, SqliteLog(tmp_path / "other.db") as elsewhere:
        for number in range(committed):
            log.append("clicks_conversions", [message("clicks", f"u{number}")])
        process_log(log, worker, Processing(FEEDS))
        log.append("clicks_conversions", [message("clicks", "u8"), message("clicks", USER)])
        log.append("clicks_conversions", [message("clicks", USER, timestamp="never"), message("clicks", "u9")])
        # its documents are written; then, before it writes the ledger, the user is erased and they are written again
        write = ElasticsearchStore._write_rejects
        waiting = iter([True])

        def write_and_wait(store: ElasticsearchStore, outcome: Outcome, *rest: Any) -> None:
            write(store, outcome, *rest)
            if next(waiting, False):
                erase(USER, elsewhere, other, FEEDS)  # from the store only, as with Kafka
                list(worker._pool.run(worker._event_jobs(outcome, datetime(2026, 1, 1))))  # was still running

        monkeypatch.setattr(ElasticsearchStore, "_write_rejects", write_and_wait)
        total = process_log(log, worker, Processing(FEEDS))

        assert total == Counts(read=4, stored=2, erased=2, redelivered=2)
        assert users(worker) == [*(f"u{number}" for number in range(committed)), "u8", "u9"]
        check(worker)


def test_a_commit_overtaken_by_an_erasure_names_it_in_its_error(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(place) as worker, opened(place) as other:
        write = ElasticsearchStore._write_rejects

        def write_and_wait(store: ElasticsearchStore, *rest: Any) -> None:
            write(store, *rest)
            other.suppress("a", b"{}")

        monkeypatch.setattr(ElasticsearchStore, "_write_rejects", write_and_wait)
        with pytest.raises(LedgerMoved, match="a user was erased in the meantime"):
            worker.commit(outcome("clicks", "u8"))


def test_an_erasure_that_fails_at_any_request_is_completed_by_the_next(
    place: Place, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Connection.request
    left = 10**9

    def breaking(connection: Connection, *request: Any, **how: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreError("the process ends here")
        return ask(connection, *request, **how)

    monkeypatch.setattr(Connection, "request", breaking)
    with opened(place) as store:
        broken, requests = 0, 0
        while True:
            left = 10**9
            start = len(log.read("clicks_conversions", 0, 0, 1000))
            user = f"{USER}-{broken}"
            log.append("clicks_conversions", [message("clicks", "u8", value=start), message("clicks", user)])
            log.append("clicks_conversions", [message("clicks", user, timestamp="never"), b"[]"])
            process_log(log, store, Processing(FEEDS))
            left = requests
            try:
                erase(user, log, store, FEEDS)
                break
            except StoreError:
                left = 10**9
                erase(user, log, store, FEEDS)
                broken, requests = broken + 1, requests + 2
        left = 10**9
        assert broken > 5
        row = store.ledger()[0]
        assert (row.counts.erased, row.counts.stored, row.counts.rejected) == (
            2 * (broken + 1), broken + 1, broken + 1,
        )  # fmt: skip
        assert len(store.notes(ERASURES)) == broken + 1
        assert [f.detail for f in store.inspect() if not f.good] == []
        assert store.commits().select("read", "stored", "rejected", "erased").sum().row(0) == (
            row.counts.read, row.counts.stored, row.counts.rejected, row.counts.erased,
        )  # fmt: skip


def test_a_store_whose_notes_are_lost_rejects_commits(place: Place) -> None:
    with opened(place) as store:
        store.commit(outcome("clicks", "u8"))
        store.suppress("a", b"{}")
        ask = Connection(address_of(place.url), ElasticsearchSettings())
        ask.request("DELETE", f"/{place.elasticsearch.prefix}advertisex_notes/_doc/erasures%2Fa")
        ask.close()

        with pytest.raises(StoreError, match=r"1 users were erased, but only 0 have a note.*snapshot"):
            store.commit(outcome("clicks", "u9", start=1))

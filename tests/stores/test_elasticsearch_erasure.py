"""Erasure from Elasticsearch: during commits of other workers, and interrupted at each of its requests."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from advertisex.errors import LedgerMoved, StoreError
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Counts
from advertisex.privacy.erasure import erase
from advertisex.processing.runner import Processing, process_log
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.contract import ERASURES, Range, RejectQuery
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.store import ElasticsearchStore
from tests.budget import usually
from tests.contracts.store_places import Place
from tests.stores.es_outcomes import message, outcome
from tests.stores.es_transport import Watched, is_bulk, is_ledger_row

USER = "user4711"


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
    ledger = store.ledger()
    assert ledger
    assert all(row.counts.balanced for row in ledger)
    assert [finding for finding in store.inspect() if not finding.good] == []


class _Unerasable(SqliteLog):
    """A log that keeps its messages, as Kafka does."""

    erasable = False


@pytest.mark.parametrize("committed", [0, 2], ids=["first commit", "later commit"])
def test_a_commit_overtaken_by_an_erasure_is_fenced_off_and_leaves_nothing(
    place: Place, log: SqliteLog, store: ElasticsearchStore, watched: Watched, tmp_path: Path, committed: int
) -> None:
    with opened(place) as other, _Unerasable(tmp_path / "other.db") as elsewhere:
        for number in range(committed):
            log.append("clicks_conversions", [message("clicks", f"u{number}")])
        process_log(log, store, Processing(FEEDS))
        log.append("clicks_conversions", [message("clicks", "u8"), message("clicks", USER)])
        log.append("clicks_conversions", [message("clicks", USER, timestamp="never"), message("clicks", "u9")])
        written: list[tuple[str, bytes]] = []

        def erase_before_the_ledger(method: str, path: str, body: bytes) -> None:
            if "clicks_conversions_index" in path and is_bulk(method, path, body):
                written.append((path, body))
            if is_ledger_row(method, path, body):
                watched.before = lambda method, path, body: None
                erase(USER, elsewhere, other, FEEDS)  # from the store only, as with Kafka
                with closing(Connection(address_of(place.url), place.elasticsearch)) as late:
                    for where, lines in written:  # these requests were still running
                        late.request("POST", where, lines)

        watched.before = erase_before_the_ledger
        total = process_log(log, store, Processing(FEEDS))

        assert total == Counts(read=4, stored=2, erased=2, redelivered=2)
        assert users(store) == [*(f"u{number}" for number in range(committed)), "u8", "u9"]
        check(store)


def test_a_commit_overtaken_by_an_erasure_names_it_in_its_error(
    place: Place, store: ElasticsearchStore, watched: Watched
) -> None:
    with opened(place) as other:
        watched.once(is_ledger_row, lambda: other.suppress("a", b"{}"))
        with pytest.raises(LedgerMoved, match="a user was erased in the meantime"):
            store.commit(outcome("clicks", "u8"))


def test_an_erasure_that_fails_at_any_request_is_completed_by_the_next(
    store: ElasticsearchStore, watched: Watched, log: SqliteLog
) -> None:
    left = 10**9

    def break_off(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreError("the process ends here")

    watched.before = break_off
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
            broken, requests = broken + 1, requests + usually(7, thorough=2)
    left = 10**9
    assert broken > 2
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
        ask.request("DELETE", f"/{place.elasticsearch.prefix}advertisex-notes-g1/_doc/erasures%2Fa")
        ask.close()

        with pytest.raises(StoreError, match=r"1 users were erased, but only 0 have a note.*snapshot"):
            store.commit(outcome("clicks", "u9", start=1))

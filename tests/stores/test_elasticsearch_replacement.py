"""Rebuilds of the store in Elasticsearch: fenced workers, crashes at each request, and stores of format 1."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest

from advertisex.errors import StoreError, StoreMissing, StoreOutdated
from advertisex.logs.contract import EventLog
from advertisex.model import Counts, Partition, Position
from advertisex.processing.runner import Committed, Processing, process_log
from advertisex.processing.suppression import erased_user
from advertisex.rebuild import rebuild_store
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.contract import Range, RejectQuery
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.generation import find, generations
from advertisex.stores.elasticsearch.replacement import ElasticsearchReplacement, drop_old
from advertisex.stores.elasticsearch.store import ElasticsearchStore
from advertisex.stores.format import FORMAT
from advertisex.stores.replacement import Progress
from advertisex.testing import memory_log
from tests.catalogues import catalogue_rows
from tests.contracts.store_places import Place
from tests.stores import es_format_1
from tests.stores.es_outcomes import message, outcome
from tests.stores.es_transport import Watched, is_ledger_row

CATALOGUE = catalogue_rows({"creative_id": ["c"], "campaign_id": ["k"]})


class Crash(Exception):
    pass


def opened(place: Place, **how: Any) -> ElasticsearchStore:
    return ElasticsearchStore(place.url, settings=place.elasticsearch, **how)


def replacing(place: Place, **how: Any) -> ElasticsearchReplacement:
    return ElasticsearchReplacement(place.url, settings=place.elasticsearch, **how)


@pytest.fixture
def cluster(place: Place) -> Iterator[Connection]:
    with closing(Connection(address_of(place.url), ElasticsearchSettings())) as connection:
        yield connection


def users(store: ElasticsearchStore) -> list[str]:
    return sorted(user for frame in store.scan("clicks", ["user_id"], Range()) for user in frame["user_id"])


def fill(store: ElasticsearchStore, *names: str) -> None:
    """Process clicks of these users, as a rebuild does, unless an attempt before has done it."""
    if not store.positions():
        store.commit(outcome("clicks", *names, b"x"))


def test_the_new_store_cannot_be_seen_until_the_swap_and_then_replaces_the_old_one(
    place: Place, store: ElasticsearchStore, cluster: Connection
) -> None:
    store.commit(outcome("clicks", "a"))
    with replacing(place) as replacement:
        fill(replacement.new, "a", "b")
        with opened(place, read_only=True) as reader:
            assert users(reader) == ["a"]

            replacement.freeze()
            kept = replacement.swap()

            assert users(reader) == ["a", "b"]  # a reader that is open sees it at once
            assert reader.rejects(RejectQuery()).height == 1
        replacement.new.commit(outcome("clicks", message("clicks", "c", timestamp="2026-03-01T00:00:00Z"), start=3))

    assert "indices" in kept
    with opened(place) as rebuilt:
        assert users(rebuilt) == ["a", "b", "c"]
        assert rebuilt.rebuilt_at() == datetime.fromisoformat(str(rebuilt.rebuilt_at()))
        assert rebuilt.commits()["committed_at"][0] == rebuilt.rebuilt_at()
        assert all(finding.good for finding in rebuilt.inspect())
    alias = cluster.request("GET", f"/_alias/{place.elasticsearch.prefix}clicks_conversions_index").json()
    assert sorted(name.rpartition("_index")[2] for name in alias) == ["-g2-2026-01", "-g2-2026-03"]


def test_workers_of_the_old_store_are_fenced_with_a_clear_message(
    place: Place, store: ElasticsearchStore, watched: Watched
) -> None:
    store.commit(outcome("clicks", "a", b"x"))
    mark = {Position("clicks_conversions", 0, 1): Position("clicks_conversions", 0, 7)}
    new_period = message("clicks", "late", timestamp="2026-05-01T00:00:00Z")

    def rebuild() -> None:
        with replacing(place) as replacement:
            fill(replacement.new, "a")
            replacement.freeze()
            replacement.swap()

    watched.once(is_ledger_row, rebuild)  # while the worker is in the middle of a commit
    for write in (
        lambda: store.commit(outcome("clicks", "b", start=2)),
        lambda: store.commit(outcome("clicks", new_period, start=2)),
        lambda: store.mark_replayed(mark),
        lambda: store.take_note("alerts", {"a": b"{}"}),
        lambda: store.suppress("e", b"{}"),
        lambda: store.import_catalogue(CATALOGUE),
    ):
        with pytest.raises(StoreError, match="the store was rebuilt from the log") as caught:
            write()
        assert caught.value.hint == "run this again"
    with opened(place) as rebuilt:
        assert users(rebuilt) == ["a"]
        assert rebuilt.ledger()[0].counts == Counts(read=2, stored=1, rejected=1)
        assert rebuilt.commit(outcome("clicks", "b", new_period, start=2)).stored == 2
        assert users(rebuilt) == ["a", "b", "late"]
        assert all(finding.good for finding in rebuilt.inspect())


def test_a_worker_that_creates_an_index_during_the_swap_does_not_add_it_to_the_alias(
    place: Place, store: ElasticsearchStore, watched: Watched
) -> None:
    def swap() -> None:
        with replacing(place) as replacement:
            fill(replacement.new, "a")
            replacement.freeze()
            replacement.swap()

    watched.once(lambda method, path, body: path == "/_aliases", swap)
    with pytest.raises(StoreError, match="the store was rebuilt"):
        store.commit(outcome("clicks", "a"))
    with opened(place, read_only=True) as reader:
        assert users(reader) == ["a"]


def test_a_rebuild_that_is_killed_at_any_request_is_completed_by_the_next(
    place: Place, store: ElasticsearchStore, watched: Watched
) -> None:
    """Whenever it is killed, one store is in place, complete."""
    store.commit(outcome("clicks", "a", b"x"))
    store.mark_replayed({Position("clicks_conversions", 0, 1): Position("clicks_conversions", 0, 7)})
    imported_at = store.import_catalogue(CATALOGUE)
    left, killed = 10**9, 0

    def kill(method: str, path: str, body: bytes) -> None:
        nonlocal left
        if path == "/_pit":  # closes a search that is over
            return
        left -= 1
        if left < 0:
            raise Crash

    watched = Watched()
    watched.before = kill
    for before_swap, in_swap in [*((n, 0) for n in range(0, 60, 9)), *((10**9, n) for n in range(60))]:
        left = before_swap
        try:
            with replacing(place, transport=watched) as replacement:
                fill(replacement.new, "a", "b")
                replacement.carry_catalogue()
                left = in_swap
                replacement.freeze()
                replacement.swap()
        except Crash:
            killed += 1
        with opened(place, read_only=True) as reader:
            if reader.rebuilt_at():
                break
            assert users(reader) == ["a"]
    assert killed > 15
    with opened(place) as rebuilt:
        assert users(rebuilt) == ["a", "b"]
        assert rebuilt.rebuilt_at()
        assert rebuilt.catalogue_imports() == [imported_at]
        assert rebuilt.commit(outcome("clicks", "c", start=3)).stored == 1
        assert all(finding.good for finding in rebuilt.inspect())


@pytest.fixture
def log() -> Iterator[EventLog]:
    """A log with a click of each of two users."""
    with memory_log() as log:
        log.append("clicks_conversions", [message("clicks", user) for user in ("a", "gone")])
        yield log


def test_an_erasure_during_a_rebuild_leaves_the_old_store_in_place(
    place: Place, store: ElasticsearchStore, log: EventLog
) -> None:
    erased = msgspec.json.encode(erased_user("gone", b"key"))
    process_log(log, store)

    with (
        replacing(place) as replacement,
        pytest.raises(StoreError, match="a user was erased during the rebuild"),
    ):
        rebuild_store(replacement, log, Processing(), on_commit=lambda _: store.suppress("e", erased))

    # the old store can be written again, and the next rebuild begins again
    assert store.commit(replace(outcome("clicks", "b", start=2), erasures=1)).stored == 1
    with replacing(place) as replacement:
        log.append("clicks_conversions", [message("clicks", "b")])
        rebuild_store(replacement, log, Processing())
        assert users(replacement.new) == ["a", "b"]


def test_what_is_written_during_a_rebuild_is_carried_over(
    place: Place, store: ElasticsearchStore, log: EventLog
) -> None:
    log.append("clicks_conversions", [b"{"])
    process_log(log, store)
    mark = {Position("clicks_conversions", 0, 2): Position("clicks_conversions", 0, 7)}

    def write(committed: Committed) -> None:
        store.mark_replayed(mark)
        store.take_note("alerts", {"a": b"{}"})
        store.import_catalogue(CATALOGUE)

    with replacing(place) as replacement:
        rebuild_store(replacement, log, Processing(), on_commit=write)
        rebuilt = replacement.new
        assert rebuilt.rejects(RejectQuery(replayed=True))["replayed_to"].to_list() == ["clicks_conversions/0/7"]
        assert rebuilt.notes("alerts") == {"a": b"{}"}
        assert rebuilt.catalogue_imports() == store.catalogue_imports()
        assert rebuilt.catalogue().rows() == CATALOGUE.rows()


def test_old_generations_are_dropped_on_request_only(
    place: Place, store: ElasticsearchStore, cluster: Connection
) -> None:
    prefix = place.elasticsearch.prefix
    store.commit(outcome("clicks", "a"))
    for _ in range(2):
        with replacing(place) as replacement:
            fill(replacement.new, "a")
            replacement.freeze()
            replacement.swap()
    replacing(place).close()  # rejected: nothing is made
    assert list(generations(cluster, prefix)) == [1, 2, 3]
    with replacing(place) as replacement:  # begun, and not finished
        assert replacement.new.ledger() == []
    assert list(generations(cluster, prefix)) == [1, 2, 3, 4]

    dropped = drop_old(place.url, place.elasticsearch)

    assert f"{prefix}clicks_conversions_index-g1-2026-01" in dropped
    assert len(dropped) == 2 * (5 + 1) + 5
    assert list(generations(cluster, prefix)) == [3]
    assert drop_old(place.url, place.elasticsearch) == []
    templates = cluster.request("GET", f"/_index_template/{prefix}*").json()["index_templates"]
    assert {one["name"].rpartition("-")[2] for one in templates} == {"g3"}
    with opened(place) as rebuilt:
        assert users(rebuilt) == ["a"]
    with pytest.raises(StoreError, match="rebuilt"):
        store.commit(outcome("clicks", "b", start=1))


def test_a_store_that_does_not_exist_cannot_be_rebuilt(place: Place) -> None:
    with pytest.raises(StoreMissing):
        replacing(place)
    assert drop_old(place.url, place.elasticsearch) == []


def test_a_new_store_of_another_format_is_begun_again(
    place: Place, store: ElasticsearchStore, cluster: Connection
) -> None:
    with replacing(place) as replacement:
        fill(replacement.new, "a")
    ledger = f"/{place.elasticsearch.prefix}advertisex-ledger-g2"
    cluster.request("PUT", f"{ledger}/_mapping", {"_meta": {"format": 99}})
    with replacing(place) as replacement:
        assert replacement.new.ledger() == []


# -- format 1 ----------------------------------------------------------------------------------------------------


@pytest.fixture
def format_1(place: Place) -> Place:
    es_format_1.create(
        place,
        {"clicks_conversions": (3, "its log"), "ad_impressions": (7, "")},
        {("erasures", "e"): b"{}", ("alerts", "a"): b"state"},
        {("clicks_conversions", 1): "clicks_conversions/0/9"},
    )
    return place


def test_a_store_of_format_1_is_recognised(format_1: Place) -> None:
    for read_only in (True, False):
        with pytest.raises(StoreOutdated, match="format 1") as caught:
            opened(format_1, read_only=read_only)
        assert "advertisex rebuild" in caught.value.hint


def test_a_store_of_format_1_is_rebuilt_with_what_only_it_knew(format_1: Place, cluster: Connection) -> None:
    prefix = format_1.elasticsearch.prefix
    with replacing(format_1) as replacement:
        assert replacement.format == 1
        assert replacement.progress() == {
            Partition("clicks_conversions", 0): Progress(3, 3, 0, "its log"),
            Partition("ad_impressions", 0): Progress(7, 7, 0, ""),
        }
        assert replacement.notes() == {"erasures": {"e": b"{}"}, "alerts": {"a": b"state"}}
        position = Position("clicks_conversions", 0, 1)
        assert list(replacement.replay_marks()) == [{position: Position("clicks_conversions", 0, 9)}]
        replacement.carry_catalogue()
        fill(replacement.new, "a")
        replacement.freeze()
        for marks in replacement.replay_marks():
            replacement.new.mark_replayed(marks)
        replacement.swap()

    found = find(cluster, prefix)
    assert found is not None
    assert (found.generation, found.format) == (1, FORMAT)
    with opened(format_1) as rebuilt:
        assert users(rebuilt) == ["a"]
        assert rebuilt.rejects(RejectQuery(replayed=True))["replayed_to"].to_list() == ["clicks_conversions/0/9"]
    # a worker of the old version cannot commit, and its next index of events does not get the alias
    for name in ("ledger", "rejects", "notes"):
        answer = cluster.request("PUT", f"/{prefix}advertisex_{name}/_doc/0", {"topic": "t"}, accept={403})
        assert b"blocked" in answer.data
    cluster.request("PUT", f"/{prefix}clicks_conversions_index-2027-01")
    alias = cluster.request("GET", f"/_alias/{prefix}clicks_conversions_index").json()
    assert list(alias) == [f"{prefix}clicks_conversions_index-g1-2026-01"]

    dropped = drop_old(format_1.url, format_1.elasticsearch)

    assert f"{prefix}advertisex_ledger" in dropped
    assert f"{prefix}clicks_conversions_index-2027-01" in dropped
    assert list(generations(cluster, prefix)) == [1]

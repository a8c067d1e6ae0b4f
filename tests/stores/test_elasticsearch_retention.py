"""Retention in Elasticsearch: during commits of other workers, and interrupted at each of its requests."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime

import pytest

from advertisex.errors import LedgerMoved, StoreError
from advertisex.feeds import FEEDS
from advertisex.model import Counts
from advertisex.privacy.erasure import erase
from advertisex.processing.runner import Processing, process_log
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.contract import Extent, Range
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.store import ElasticsearchStore
from advertisex.testing import memory_log
from advertisex.testing.contracts.store_erasure import check, total
from tests.budget import usually
from tests.contracts.store_places import Place
from tests.stores.es_outcomes import message, outcome
from tests.stores.es_transport import Watched, is_bulk, is_ledger_row

FEBRUARY, MARCH = datetime(2026, 2, 1), datetime(2026, 3, 1)


def opened(place: Place) -> ElasticsearchStore:
    return ElasticsearchStore(place.url, settings=place.elasticsearch)


def indices(place: Place) -> list[str]:
    """The periods of the clicks' indices."""
    prefix = f"{place.elasticsearch.prefix}clicks_conversions_index-g1-"
    with closing(Connection(address_of(place.url), ElasticsearchSettings())) as asked:
        names = asked.request("GET", f"/{prefix}*/_alias").json()
    return sorted(name.removeprefix(prefix) for name in names)


@pytest.mark.parametrize("committed", [0, 2], ids=["first commit", "later commit"])
def test_a_commit_overtaken_by_retention_is_fenced_off_and_its_events_expire(
    place: Place, store: ElasticsearchStore, watched: Watched, committed: int
) -> None:
    with opened(place) as other, memory_log() as log:
        for number in range(committed):
            log.append("clicks_conversions", [message("clicks", f"u{number}")])
        process_log(log, store, Processing(FEEDS))
        log.append(
            "clicks_conversions", [message("clicks", "u8"), message("clicks", "u9", timestamp="2026-02-05T00:00:00Z")]
        )
        written: list[tuple[str, bytes]] = []

        def drop_before_the_ledger(method: str, path: str, body: bytes) -> None:
            if "clicks_conversions_index" in path and is_bulk(method, path, body):
                written.append((path, body))
            if is_ledger_row(method, path, body):
                watched.before = lambda method, path, body: None
                other.drop_before(FEBRUARY)
                with closing(Connection(address_of(place.url), place.elasticsearch)) as late:
                    for where, lines in written:  # these requests were still running
                        late.request("POST", where, lines)

        watched.before = drop_before_the_ledger
        process_log(log, store, Processing(FEEDS))

        expected = Counts(read=committed + 2, stored=committed + 1, filtered=1, removed=committed, redelivered=1)
        assert total(store) == expected
        assert store.extent("clicks", Range()).events == 1
        assert "2026-01" not in indices(place)
        check(store)


def test_an_index_that_a_slow_commit_creates_again_is_deleted_by_the_next_call(
    place: Place, store: ElasticsearchStore, watched: Watched
) -> None:
    with opened(place) as other:
        other.commit(outcome("clicks", "u7"))
        slow = outcome("clicks", "u8", start=1)
        watched.once(lambda method, path, body: is_first_meeting(method, path), lambda: other.drop_before(FEBRUARY))
        with pytest.raises(LedgerMoved, match="retention removed older events in the meantime"):
            store.commit(slow)

        assert store.extent("clicks", Range()) == Extent()  # whether or not its events were written
        assert total(store) == Counts(read=1, stored=1, removed=1)
        check(store)
        store.drop_before(FEBRUARY)
        assert indices(place) == []
        store.drop_before(MARCH)
        assert total(store).removed == 1
        check(store)


def test_two_processes_can_drop_at_once(place: Place, store: ElasticsearchStore, watched: Watched) -> None:
    store.commit(outcome("clicks", "u7"))
    with opened(place) as other:
        watched.once(lambda method, path, body: method == "DELETE", lambda: other.drop_before(MARCH))
        store.drop_before(FEBRUARY)

    assert store.kept_since() == MARCH
    assert total(store) == Counts(read=1, stored=1, removed=1)
    check(store)


def test_a_removal_that_fails_at_any_request_is_completed_by_the_next(
    store: ElasticsearchStore, watched: Watched
) -> None:
    left, broken = 10**9, 0

    def break_off(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreError("the process ends here")

    watched.before = break_off
    while True:
        floor = datetime(2011 + broken, 1, 1)
        made = outcome("clicks", message("clicks", "u7", timestamp=f"{2010 + broken}-06-05T00:00:00Z"), start=broken)
        store.commit(replace(made, kept_since=store.kept_since()))
        left = usually(8, thorough=3) * broken
        try:
            store.drop_before(floor)
            break
        except StoreError:
            left = 10**9
            broken += 1
            if store.kept_since() == floor:
                assert store.extent("clicks", Range()) == Extent()
            assert [finding.detail for finding in store.inspect() if not finding.good] == []
            store.drop_before(floor)
            assert total(store) == Counts(read=broken, stored=broken, removed=broken)
            check(store)
    left = 10**9
    assert broken > 1
    assert total(store).removed == broken + 1


def test_an_erasure_completes_a_removal_that_was_interrupted(
    place: Place, store: ElasticsearchStore, watched: Watched
) -> None:
    store.commit(outcome("clicks", "u7"))

    def stop() -> None:
        raise StoreError("the process ends here")

    watched.once(lambda method, path, body: method == "DELETE" and "clicks" in path, stop)
    with pytest.raises(StoreError):
        store.drop_before(FEBRUARY)
    with memory_log() as log:
        log.append(FEEDS["clicks"].topic, [b"{}"])
        erase("u7", log, store, FEEDS)

    assert total(store) == Counts(read=1, stored=1, removed=1)
    assert indices(place) == []
    check(store)


def is_first_meeting(method: str, path: str) -> bool:
    """Whether a request reads an index of clicks before the first event is written to it."""
    return method == "GET" and path.endswith("clicks_conversions_index-g1-2026-01")


def test_a_store_whose_floor_is_lost_rejects_commits(place: Place) -> None:
    with opened(place) as store:
        store.commit(outcome("clicks", "u8"))
        store.drop_before(FEBRUARY)
        with closing(Connection(address_of(place.url), ElasticsearchSettings())) as ask:
            ask.request("DELETE", f"/{place.elasticsearch.prefix}advertisex-notes-g1/_doc/retention%2Ffloor")

        with pytest.raises(StoreError, match=r"nothing before 2026-02-01 is kept, but the note.*snapshot"):
            store.commit(outcome("clicks", "u9", start=1))

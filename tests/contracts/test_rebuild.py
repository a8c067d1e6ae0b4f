"""A rebuilt store equals a fresh one processed from the same log, and has what only the old store knew."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from advertisex.errors import StoreError
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import LedgerRow, Partition
from advertisex.privacy.erasure import erase
from advertisex.processing.policy import Policy
from advertisex.processing.runner import Committed, Processing, process_log
from advertisex.rebuild import missing_messages, rebuild_store
from advertisex.rejects.replay import replay
from advertisex.rejects.resolve import resolve
from advertisex.rejects.selection import Selection
from advertisex.stores.contract import ERASURES, EventStore, Range, RejectQuery
from advertisex.stores.open import drop_old, open_replacement
from advertisex.stores.replacement import Replacement
from advertisex.stores.resolutions import resolutions_of
from advertisex.testing.contracts.store_fixtures import everything
from tests.budget import examples
from tests.catalogues import campaign_rows, catalogue_rows
from tests.contracts.store_places import STORES, NewPlace, Place

PROCESSING = Processing(FEEDS, Policy(blocked_users=frozenset({"blocked"})), batch_size=3)
FEBRUARY = datetime(2026, 2, 1)
#: Every example needs new stores, and indices are slow to create.
EXAMPLES = {"duckdb": examples(10), "elasticsearch": examples(2)}
CATALOGUE = catalogue_rows({"creative_id": ["c1", "c2"], "campaign_id": ["k1", "k2"]})
CAMPAIGNS = campaign_rows(
    {
        "campaign_id": "k1",
        "start": datetime(2026, 1, 1),
        "end": datetime(2026, 2, 1),
        "budget": "0.1",
        "currency": "EUR",
    }
)
RECORDS: dict[str, dict[str, Any]] = {
    "impressions": {"website": "a.example.com", "creative_id": "c1"},
    "clicks": {"campaign_id": "k1", "conversion_type": "buy"},
    "bids": {"auction_id": "a1", "amount": 1.25},
}


def messages_of(feed: str) -> st.SearchStrategy[bytes]:
    """Valid messages, many of them equal or in conflict, and others."""
    fields = st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["u1", "u2", "gone", "null", "-5", "blocked"]),
            "timestamp": st.sampled_from(["2026-01-05T10:00:00Z", "2026-02-01T00:00:00Z", "yesterday"]),
        },
        optional={"user_agent": st.sampled_from(["A", "B"]), "app": st.sampled_from(["x", "y"])},
    )
    return st.one_of(fields.map(lambda own: json.dumps(RECORDS[feed] | own).encode()), st.just(b"{"))


TRAFFIC = st.fixed_dictionaries({feed: st.lists(messages_of(feed), max_size=10) for feed in FEEDS})


class Scene:
    """A log, and a store that was processed from it."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.log = SqliteLog(folder / "log.db")

    def append(self, traffic: dict[str, list[bytes]]) -> None:
        for feed, messages in traffic.items():
            self.log.append(FEEDS[feed].topic, messages)

    def process(self, store: EventStore) -> None:
        process_log(self.log, store, PROCESSING)

    def replacement(self) -> Replacement:
        return open_replacement(self.place.url, elasticsearch=self.place.elasticsearch)

    def rebuild(self) -> None:
        with self.replacement() as replacement:
            assert missing_messages(replacement, self.log, PROCESSING) == []
            assert rebuild_store(replacement, self.log, PROCESSING).kept


@pytest.fixture(params=STORES)
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewPlace]:
    with STORES[request.param](request, tmp_path_factory) as new_place:
        yield new_place


@pytest.fixture
def scene(places: NewPlace, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(places(), tmp_path)
    yield scene
    scene.log.close()


def contents(store: EventStore) -> dict[str, Any]:
    """All contents but times of processing, and `redelivered`, which depends on crashes."""
    found = everything(store)
    rows: list[LedgerRow] = found.pop("ledger")
    return found | {"ledger": [(row.topic, row.partition, row.next_offset, _counts(row)) for row in rows]}


def _marks(store: EventStore) -> list[tuple[Any, ...]]:
    rejects = store.rejects(RejectQuery()).select("topic", "partition", "offset", "replayed_to", "resolution")
    return rejects.filter(pl.any_horizontal(pl.col("replayed_to", "resolution").is_not_null())).rows()


def _counts(row: LedgerRow) -> tuple[int, ...]:
    counts = row.counts
    assert counts.balanced
    return (
        counts.read,
        counts.stored,
        counts.duplicate,
        counts.filtered,
        counts.rejected,
        counts.erased,
        counts.conflict,
    )


def test_a_rebuilt_store_equals_a_fresh_one(
    places: NewPlace, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    @settings(
        max_examples=EXAMPLES[request.node.callspec.params["places"]],
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(
        traffic=TRAFFIC,
        later=TRAFFIC,
        erased=st.booleans(),
        replayed=st.booleans(),
        dropped=st.booleans(),
        stop_after=st.integers(0, 6),
    )
    def check(
        traffic: dict[str, list[bytes]],
        later: dict[str, list[bytes]],
        erased: bool,
        replayed: bool,
        dropped: bool,
        stop_after: int,
    ) -> None:
        scene, fresh_place = Scene(places(), tmp_path_factory.mktemp("log")), places()
        scene.append(traffic)
        with scene.place.open() as store:
            scene.process(store)
            if erased:
                erase("gone", scene.log, store)
            if dropped:
                store.drop_before(FEBRUARY)
            imported_at = store.import_catalogue(CATALOGUE, CAMPAIGNS)
            store.take_note("alerts", {"a": b'{"x":1}'})
            if replayed:
                replay(store, scene.log, Selection(RejectQuery(kind="rejected"), FEEDS))
            resolve(store, RejectQuery(kind="filtered"), "known")
            marks, records = _marks(store), resolutions_of(store)
            notes = store.notes(ERASURES)
        scene.append(later)
        interrupt(scene, stop_after)

        scene.rebuild()

        with fresh_place.open() as fresh, scene.place.open() as store:
            fresh.take_note(ERASURES, notes)
            if dropped:
                fresh.drop_before(FEBRUARY)
            assert store.kept_since() == fresh.kept_since()
            scene.process(fresh)
            assert contents(store) == contents(fresh)
            assert (_marks(store), resolutions_of(store)) == (marks, records)
            assert (store.notes(ERASURES), store.notes("alerts")) == (notes, {"a": b'{"x":1}'})
            assert store.notes("rebuild") == {}
            assert (store.catalogue_imports(), store.catalogue().rows()) == ([imported_at], CATALOGUE.rows())
            assert store.campaigns(imported_at).rows() == CAMPAIGNS.rows()
            assert all(finding.good for finding in store.inspect()), store.inspect()
            read = sum(row.counts.read for row in store.ledger())
            before = contents(store)
            scene.process(store)  # nothing is left
            scene.append(traffic)
            scene.process(store)
            after = contents(store)
            assert {feed: after[feed] for feed in FEEDS} == {feed: before[feed] for feed in FEEDS}
            assert sum(row.counts.read for row in store.ledger()) == read + sum(map(len, traffic.values()))
        scene.log.close()

    check()


def interrupt(scene: Scene, after: int) -> None:
    """Begin a rebuild and stop it after so many commits; 0 does not begin one."""
    if not after:
        return
    stop, commits = Event(), list[Committed]()

    def on_commit(committed: Committed) -> None:
        commits.append(committed)
        if len(commits) == after:
            stop.set()

    with scene.replacement() as replacement:
        finished = rebuild_store(replacement, scene.log, PROCESSING, stop=stop, on_commit=on_commit)
    assert bool(finished.kept) == (len(commits) < after)
    if finished.kept:
        drop_old(scene.place.url, elasticsearch=scene.place.elasticsearch)


def clicks_of(*users: str) -> dict[str, list[bytes]]:
    """One click of each user."""
    own = RECORDS["clicks"] | {"timestamp": "2026-01-05T10:00:00Z"}
    return {"clicks": [json.dumps(own | {"user_id": user}).encode() for user in users]}


GOOD = {feed: [json.dumps(RECORDS[feed] | {"user_id": "u1", "timestamp": "2026-01-05T10:00:00Z"}).encode()] * 2
        for feed in FEEDS}  # fmt: skip


def test_the_old_store_stays_in_place_until_the_new_one_is_complete(scene: Scene) -> None:
    scene.append(GOOD)
    with scene.place.open() as store:
        scene.process(store)
        before, settled = contents(store), store.settled()

    interrupt(scene, 1)

    with scene.place.open() as store:
        assert (contents(store), store.settled(), store.rebuilt_at()) == (before, settled, None)


def test_a_rebuilt_store_knows_when_it_was_rebuilt(scene: Scene) -> None:
    scene.append(GOOD)
    start = datetime.now(UTC).replace(tzinfo=None)
    with scene.place.open() as store:
        scene.process(store)
        assert store.rebuilt_at() is None

    scene.rebuild()

    with scene.place.open() as store:
        rebuilt_at = store.rebuilt_at()
        assert rebuilt_at is not None
        assert start < rebuilt_at == store.settled()


def test_a_rebuild_that_was_begun_with_other_settings_is_begun_again(scene: Scene) -> None:
    scene.append(clicks_of("u1", "u2", "other", "u3", "u4"))
    with scene.place.open() as store:
        scene.process(store)
    interrupt(scene, 1)

    other = Processing(FEEDS, Policy(blocked_users=frozenset({"u1"})), batch_size=3)
    with scene.replacement() as replacement:
        rebuild_store(replacement, scene.log, other)

    with scene.place.open() as store:
        (row,) = store.ledger()
        assert (row.counts.stored, row.counts.filtered) == (4, 1)


def test_an_erasure_between_two_attempts_is_not_lost(scene: Scene) -> None:
    scene.append(clicks_of("gone", "u2", "u3", "u4"))
    with scene.place.open() as store:
        scene.process(store)
    interrupt(scene, 1)
    with scene.place.open() as store:
        erase("gone", scene.log, store)

    scene.rebuild()

    with scene.place.open() as store:
        (row,) = store.ledger()
        assert (row.counts.stored, row.counts.erased) == (3, 1)
        assert "gone" not in str(contents(store))


def test_what_was_dropped_during_a_rebuild_is_dropped_from_the_new_store(scene: Scene) -> None:
    scene.append(clicks_of("u1", "u2", "u3", "u4"))
    with scene.place.open() as store:
        scene.process(store)
    interrupt(scene, 1)
    with scene.place.open() as store:
        store.drop_before(FEBRUARY)

    scene.rebuild()

    with scene.place.open() as store:
        (row,) = store.ledger()
        assert row.counts.removed + row.counts.filtered == 4 == row.counts.read
        assert store.extent("clicks", Range()).events == 0
        assert store.kept_since() == FEBRUARY
        assert all(finding.good for finding in store.inspect())


def test_a_rebuild_does_not_drop_anything_itself(scene: Scene) -> None:
    scene.append(clicks_of("u1"))
    with scene.place.open() as store:
        scene.process(store)

    with scene.replacement() as replacement:
        rebuild_store(replacement, scene.log, replace(PROCESSING, keep_days=1))

    with scene.place.open() as store:
        assert (store.kept_since(), store.extent("clicks", Range()).events) == (None, 1)


def test_messages_that_the_log_no_longer_has_are_reported_by_partition(scene: Scene, tmp_path: Path) -> None:
    scene.append(GOOD)
    with scene.place.open() as store:
        scene.process(store)
    (tmp_path / "other").mkdir()
    with SqliteLog(tmp_path / "other" / "log.db") as other, scene.replacement() as replacement:
        other.append(FEEDS["clicks"].topic, GOOD["clicks"])

        found = missing_messages(replacement, other, PROCESSING)

    assert [(one.topic, one.partition, one.messages, one.read) for one in found] == [
        (feed.topic, 0, 2, 2) for feed in sorted(FEEDS.values(), key=lambda feed: feed.topic)
    ]
    assert [one.reason for one in found] == [
        "the log has no messages of it", "the log has no messages of it", "the topic was recreated",
    ]  # fmt: skip


def test_a_store_is_not_rebuilt_again_while_an_old_one_is_kept(scene: Scene) -> None:
    scene.append(GOOD)
    with scene.place.open() as store:
        scene.process(store)
    scene.rebuild()

    if scene.place.url.startswith("duckdb"):
        with pytest.raises(StoreError, match="earlier rebuild is still kept"):
            scene.replacement()
    assert drop_old(scene.place.url, elasticsearch=scene.place.elasticsearch)
    assert drop_old(scene.place.url, elasticsearch=scene.place.elasticsearch) == []
    scene.rebuild()


def test_progress_is_read_from_the_old_store(scene: Scene) -> None:
    scene.append(GOOD)
    with scene.place.open() as store:
        scene.process(store)
        logs = {Partition(row.topic, row.partition): row.log for row in store.ledger()}

    with scene.replacement() as replacement:
        found = replacement.progress()

    assert {of: (done.next_offset, done.read, done.log) for of, done in found.items()} == {
        of: (2, 2, log) for of, log in logs.items()
    }

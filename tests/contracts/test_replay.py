"""Replay on every store: repaired messages are stored once, rejects are marked, and the ledger balances."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.errors import ConfigurationError, StoreError
from advertisex.feeds import FEEDS
from advertisex.ingestion.mapping import FieldMapping
from advertisex.logs.contract import EventLog
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Batch, Position, Span
from advertisex.processing.pipeline import process as process_batch
from advertisex.processing.policy import Policy
from advertisex.processing.runner import Processing, process_log
from advertisex.rejects.preview import preview
from advertisex.rejects.repair import Repairer
from advertisex.rejects.replay import Replayed, replay
from advertisex.rejects.selection import Selection
from advertisex.stores.contract import EventStore, Range, RejectQuery
from tests.budget import examples
from tests.contracts.store_places import STORES, NewPlace

ALL = RejectQuery()
#: Every example needs a new store, and indices are slow to create.
EXAMPLES = {"duckdb": examples(20), "elasticsearch": examples(3)}
REPAIRS = FieldMapping(constants={"user_id": "repaired"})
PROCESSING = Processing(FEEDS, Policy(blocked_users=frozenset({"blocked"})))

TIMES = st.integers(0, 5).map(lambda second: f"2026-01-05T10:00:0{second}Z")
USERS = st.sampled_from(["u1", "u2", "null", "-5", "blocked", "", "\x00", None, ["list"]])
GARBAGE = st.sampled_from([b"", b"{", b"[1]", b"\xff\x00", b"x" * 3000])
RECORDS = {
    "impressions": {"website": "a.example.com", "creative_id": "c1"},
    "clicks": {"campaign_id": "k1", "conversion_type": "click"},
    "bids": {"auction_id": "a1", "amount": 1.25},
}


def messages_of(feed: str) -> st.SearchStrategy[bytes]:
    """Valid, invalid and filtered messages, many of them equal."""
    fields = st.fixed_dictionaries({"user_id": USERS, "timestamp": TIMES | st.just("01/01/1900")})
    return st.one_of(fields.map(lambda own: json.dumps(RECORDS[feed] | own).encode()), GARBAGE)


TRAFFIC = st.fixed_dictionaries({feed: st.lists(messages_of(feed), max_size=8) for feed in FEEDS})


@pytest.fixture(params=STORES)
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewPlace]:
    with STORES[request.param](request, tmp_path_factory) as new_place:
        yield new_place


@pytest.fixture
def pair(places: NewPlace, tmp_path: Path) -> Iterator[tuple[EventLog, EventStore]]:
    with SqliteLog(tmp_path / "log.db") as log, places().open() as store:
        yield log, store


def fill(log: EventLog, store: EventStore, traffic: Mapping[str, list[bytes]]) -> None:
    for feed, messages in traffic.items():
        log.append(FEEDS[feed].topic, messages)
    process(log, store)


def process(log: EventLog, store: EventStore) -> None:
    process_log(log, store, PROCESSING)


def replayed(log: EventLog, store: EventStore, query: RejectQuery = ALL, **how: Any) -> Replayed:
    return replay(store, log, Selection(query, FEEDS, **how))


def rejects_of(store: EventStore, query: RejectQuery = ALL) -> dict[Position, dict[str, Any]]:
    rows = store.rejects(query).iter_rows(named=True)
    return {Position(row["topic"], row["partition"], row["offset"]): row for row in rows}


def message_at(log: EventLog, position: Position) -> bytes:
    batch = log.read(*position, 1)
    assert list(batch.offsets) == [position.offset]
    return batch.payloads[0]


def ids_of(store: EventStore) -> Counter[tuple[str, bytes]]:
    return Counter(
        (feed, i) for feed in FEEDS for f in store.scan(feed, ["event_id"], Range()) for i in f["event_id"].to_list()
    )


class Crash(Exception):
    """Ends the process between an append and its mark."""


def test_after_any_replay_the_ledger_balances_and_nothing_is_stored_twice(
    places: NewPlace, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    @settings(max_examples=EXAMPLES[request.node.callspec.params["places"]])
    @given(
        traffic=TRAFFIC,
        mapping=st.sampled_from([REPAIRS, FieldMapping(), FieldMapping(time_formats=("%d/%m/%Y",))]),
        crash_after=st.none() | st.integers(0, 2),
        force=st.booleans(),
    )
    def check(traffic: dict[str, list[bytes]], mapping: FieldMapping, crash_after: int | None, force: bool) -> None:
        with SqliteLog(tmp_path_factory.mktemp("log") / "log.db") as log, places().open() as store:
            fill(log, store, traffic)
            before = rejects_of(store)
            repairers = {feed: Repairer(FEEDS[feed], mapping) for feed in FEEDS}
            repaired = {at: repairers[row["feed"]](row["payload"]) for at, row in before.items()}

            if crash_after is not None:
                with crashing(store, crash_after):
                    replayed(log, store, mapping=mapping)
            marked = rejects_of(store, RejectQuery(replayed=True))
            done = replayed(log, store, mapping=mapping, force=force)

            sent = [at for at, message in repaired.items() if message is not None and (force or at not in marked)]
            assert done.messages == len(sent)
            assert done.unrepairable == sum(message is None for message in repaired.values())
            assert_marked(log, before, rejects_of(store), repaired)
            process(log, store)
            assert all(row.counts.balanced for row in store.ledger())
            assert {(row.topic, row.partition): row.next_offset for row in store.ledger()} == log.end_offsets()
            good = [(before[at]["feed"], message) for at, message in repaired.items() if message is not None]
            came = [(feed, message) for feed, messages in traffic.items() for message in messages]
            assert ids_of(store) == dict.fromkeys(expected_ids([*good, *came]), 1)

    check()


@contextmanager
def crashing(store: EventStore, after: int) -> Iterator[None]:
    """Crash between an append and its mark, after this number of successful marks."""
    mark, marked = store.mark_replayed, []

    def crash(replays: Any) -> None:
        if len(marked) == after:
            raise Crash
        marked.append(replays)
        mark(replays)

    with patch.object(store, "mark_replayed", crash), suppress(Crash):
        yield


def assert_marked(
    log: EventLog,
    before: Mapping[Position, dict[str, Any]],
    after: Mapping[Position, dict[str, Any]],
    repaired: Mapping[Position, bytes | None],
) -> None:
    """Rejects are unchanged except for the mark, which is the position of the repaired message and is unique."""
    for at, message in repaired.items():
        assert after[at] | {"replayed_to": None} == before[at]
        to = after[at]["replayed_to"]
        assert to is None if message is None else message_at(log, Position.read(to)) == message
    marks = [row["replayed_to"] for row in after.values() if row["replayed_to"]]
    assert len(marks) == len(set(marks))


def expected_ids(messages: Iterable[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
    """The ids of the valid events among these messages, given as feed and payload."""
    found = set()
    for feed, message in messages:
        batch = Batch(Span("", 0, 0, 1), [0], [message], [time.time_ns() // 1000])
        outcome = process_batch(batch, FEEDS[feed], PROCESSING.policy)
        found |= {(feed, i) for i in outcome.events["event_id"].to_list()}
    return found


BAD = [json.dumps(RECORDS["clicks"] | {"user_id": user, "timestamp": f"2026-01-05T10:00:0{i}Z"}).encode()
       for i, user in enumerate(["null", "undefined", "-1", ""])]  # fmt: skip
CLICKS = [Position("clicks_conversions", 0, offset) for offset in range(len(BAD))]


def test_a_reject_is_replayed_once_unless_it_is_forced(pair: tuple[EventLog, EventStore]) -> None:
    log, store = pair
    fill(log, store, {"clicks": BAD})
    chosen = RejectQuery(positions=CLICKS[:2])
    assert replayed(log, store, chosen, mapping=REPAIRS).messages == 2

    with pytest.raises(ConfigurationError, match=r"2 of 3 were already replayed; nothing was sent.*--force"):
        replayed(log, store, RejectQuery(positions=CLICKS[:3]), mapping=REPAIRS)
    assert log.end_offsets()[CLICKS[0][:2]] == 6

    by_feed = replayed(log, store, RejectQuery(feed="clicks"), mapping=REPAIRS)
    assert (by_feed.messages, by_feed.left) == (2, 2)
    forced = replayed(log, store, RejectQuery(positions=CLICKS), mapping=REPAIRS, force=True)
    assert (forced.messages, forced.left) == (4, 0)
    assert [row["replayed_to"] for row in rejects_of(store).values()] == [
        f"clicks_conversions/0/{offset}" for offset in range(8, 12)
    ]
    process(log, store)
    (row,) = store.ledger()
    assert (row.counts.stored, row.counts.duplicate, row.counts.balanced) == (4, 4, True)


def test_filtered_messages_are_replayed_too_and_selected_by_time_reason_and_kind(
    pair: tuple[EventLog, EventStore],
) -> None:
    log, store = pair
    fill(log, store, {"clicks": BAD, "bids": [b"["]})
    (ingested,) = {row["ingested_at"] for row in rejects_of(store, RejectQuery(feed="clicks")).values()}

    assert replayed(log, store, RejectQuery(kind="filtered")).feeds == {"clicks": 1}
    assert replayed(log, store, RejectQuery(until=ingested)).messages == 0
    assert replayed(log, store, RejectQuery(reason="placeholder_user_id", since=ingested)).feeds == {"clicks": 2}
    assert replayed(log, store).feeds == {"bids": 1, "clicks": 1}
    assert replayed(log, store).left == 5


def test_a_position_without_a_reject_is_an_error_and_nothing_is_sent(pair: tuple[EventLog, EventStore]) -> None:
    log, store = pair
    fill(log, store, {"clicks": BAD})

    with pytest.raises(ConfigurationError, match="no reject at clicks_conversions/0/98 or at 1 more"):
        replayed(
            log, store, RejectQuery(positions=[CLICKS[0], CLICKS[0]._replace(offset=99), CLICKS[0]._replace(offset=98)])
        )
    with pytest.raises(ConfigurationError, match="clicks has no field 'website'"):
        replayed(log, store, mapping=FieldMapping(constants={"website": "a.com"}))
    assert log.end_offsets()[CLICKS[0][:2]] == len(BAD)


def test_a_replay_into_another_log_is_rejected(pair: tuple[EventLog, EventStore], tmp_path: Path) -> None:
    log, store = pair
    fill(log, store, {"clicks": BAD})

    with SqliteLog(tmp_path / "other.db") as other:
        other.append("clicks_conversions", [b"x"])
        with pytest.raises(StoreError, match="another log"):
            replayed(other, store)


def test_a_replay_into_an_older_copy_of_the_log_sends_and_marks_nothing(
    pair: tuple[EventLog, EventStore], tmp_path: Path
) -> None:
    """Its messages would get offsets that the ledger has counted before, or be gone when the log is restored."""
    log, store = pair
    fill(log, store, {"clicks": BAD[:2]})
    with sqlite3.connect(tmp_path / "log.db") as current, sqlite3.connect(tmp_path / "older.db") as older:
        current.backup(older)
    current.close()
    older.close()
    fill(log, store, {"clicks": BAD[2:]})

    with SqliteLog(tmp_path / "older.db") as copy:
        with pytest.raises(StoreError, match="the ledger is at offset 4, but the log ends at 2"):
            replayed(copy, store, mapping=REPAIRS)
        assert copy.end_offsets()[CLICKS[0][:2]] == 2

    assert rejects_of(store, RejectQuery(replayed=True)) == {}
    assert replayed(log, store, mapping=REPAIRS).messages == 4


def test_a_replay_that_is_stopped_has_marked_what_it_sent(pair: tuple[EventLog, EventStore]) -> None:
    log, store = pair
    fill(log, store, {"clicks": [b"%d" % i for i in range(12_000)]})
    stop = Event()

    done = replay(store, log, Selection(ALL, FEEDS), stop=stop, on_progress=lambda messages: stop.set())

    assert done.interrupted
    assert 0 < done.messages < 12_000
    assert store.reject_counts(RejectQuery(replayed=True))["count"].sum() == done.messages
    assert log.end_offsets()[CLICKS[0][:2]] == 12_000 + done.messages


def test_a_preview_shows_what_a_replay_would_do_and_writes_nothing(pair: tuple[EventLog, EventStore]) -> None:
    log, store = pair
    fill(log, store, {"clicks": [*BAD, b"["]})
    before, ends = rejects_of(store), log.end_offsets()

    seen = preview(store, Selection(ALL, FEEDS, REPAIRS), Policy(), max_examples=2)

    assert [example.position for example in seen.examples] == CLICKS[:2]
    assert {(v.kind, v.reason): many for v, many in seen.results.items()} == {("accepted", ""): 4}
    assert (seen.messages, seen.unrepairable, seen.left) == (4, 1, 0)
    as_they_are = preview(store, Selection(ALL, FEEDS), Policy(negative_users=False), max_examples=0)
    assert {(v.kind, v.reason): many for v, many in as_they_are.results.items()} == {
        ("accepted", ""): 1, ("rejected", "placeholder_user_id"): 2, ("rejected", "missing_field"): 1,
        ("rejected", "undecodable"): 1,
    }  # fmt: skip
    assert (rejects_of(store), log.end_offsets()) == (before, ends)

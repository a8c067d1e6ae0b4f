"""Resolutions: rejects are marked as dealt with, and the record says who did it, when and why."""

import json
from collections.abc import Iterator
from threading import Event

import pytest

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.logs.contract import EventLog
from advertisex.model import Position
from advertisex.privacy.erasure import erase
from advertisex.processing.runner import process_log
from advertisex.rejects.preview import preview
from advertisex.rejects.replay import replay
from advertisex.rejects.resolve import LONGEST_NOTE, resolve
from advertisex.rejects.selection import Selection
from advertisex.stores.contract import EventStore, RejectQuery
from advertisex.stores.resolutions import ERASED_NOTE, resolutions_of
from advertisex.testing import memory_log, memory_store

TOPIC = FEEDS["clicks"].topic
ALL = RejectQuery()


def click(user: str, **fields: str) -> bytes:
    known = {"user_id": user, "timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "click"}
    return json.dumps(known | fields).encode()


@pytest.fixture
def pair() -> Iterator[tuple[EventLog, EventStore]]:
    """Three rejects and a filtered message."""
    with memory_log() as log, memory_store() as store:
        log.append(TOPIC, [click("u-1", value="x"), click("u-2", value="x"), click("null"), click("-5")])
        process_log(log, store)
        yield log, store


def resolved(store: EventStore) -> list[int]:
    return store.rejects(RejectQuery(resolved=True))["offset"].to_list()


def at(*offsets: int) -> RejectQuery:
    return RejectQuery(positions=[Position(TOPIC, 0, offset) for offset in offsets])


@pytest.mark.parametrize(
    ("query", "offsets"),
    [
        (ALL, [0, 1, 2, 3]), (at(1, 2), [1, 2]), (RejectQuery(reason="placeholder_user_id"), [2]),
        (RejectQuery(kind="filtered"), [3]), (RejectQuery(feed="bids"), []), (RejectQuery(limit=1), [0, 1, 2, 3]),
    ],
)  # fmt: skip
def test_selected_rejects_are_resolved_with_a_record(
    pair: tuple[EventLog, EventStore], query: RejectQuery, offsets: list[int]
) -> None:
    _, store = pair
    ledger, before = store.ledger(), store.rejects(ALL).drop("resolution")

    record = resolve(store, query, " sent to the vendor ", by="ann")

    assert resolved(store) == offsets
    assert (record.by, record.note, record.rejects, record.interrupted) == (
        "ann", "sent to the vendor", len(offsets), False,
    )  # fmt: skip
    assert resolutions_of(store) == ([record] if offsets else [])
    assert (store.ledger(), store.rejects(ALL).drop("resolution").equals(before)) == (ledger, True)


def test_a_second_resolution_takes_only_open_rejects_and_a_reopening_only_resolved_ones(
    pair: tuple[EventLog, EventStore],
) -> None:
    _, store = pair
    first = resolve(store, at(0, 1), "first")
    second = resolve(store, at(1, 2), "second")
    assert second.rejects == 1
    reopened = resolve(store, at(1, 3), "a mistake", reopen=True)

    assert store.rejects(ALL)["resolution"].to_list() == [first.id, None, second.id, None]
    assert reopened.rejects == 1
    assert [(one.note, one.reopened) for one in resolutions_of(store)] == [
        ("first", False), ("second", False), ("a mistake", True),
    ]  # fmt: skip


def test_a_position_without_a_reject_and_a_long_note_are_errors_and_nothing_is_marked(
    pair: tuple[EventLog, EventStore],
) -> None:
    _, store = pair
    with pytest.raises(ConfigurationError, match=f"no reject at {TOPIC}/0/9"):
        resolve(store, at(1, 9))
    with pytest.raises(ConfigurationError, match="1,001 characters"):
        resolve(store, ALL, "x" * (LONGEST_NOTE + 1))
    assert (resolved(store), resolutions_of(store)) == ([], [])


def test_a_resolution_that_is_stopped_says_so(pair: tuple[EventLog, EventStore]) -> None:
    _, store = pair
    stop = Event()
    stop.set()
    assert resolve(store, ALL, stop=stop).interrupted
    assert (resolved(store), resolutions_of(store)) == ([], [])


def test_a_replay_leaves_resolved_rejects_out_unless_it_is_forced(pair: tuple[EventLog, EventStore]) -> None:
    log, store = pair
    resolve(store, at(0, 1))

    assert preview(store, Selection(ALL)).resolved == 2
    with pytest.raises(ConfigurationError, match=r"1 of 2 are resolved; nothing was sent.*--force"):
        replay(store, log, Selection(at(1, 2)))
    done = replay(store, log, Selection(ALL))
    assert (done.messages, done.resolved, done.left) == (2, 2, 0)
    assert replay(store, log, Selection(at(0, 1), force=True)).messages == 2


@pytest.mark.parametrize("named", ["u-1 asked for it", "(u-1)", "see user u-1."])
def test_an_erasure_removes_the_note_that_names_the_user_and_keeps_the_record(
    pair: tuple[EventLog, EventStore], named: str
) -> None:
    log, store = pair
    resolve(store, at(1), "u-12 and xu-1")
    record = resolve(store, at(2), named)

    erase("u-1", log, store)

    other, changed = resolutions_of(store)
    assert other.note == "u-12 and xu-1"
    assert (changed.note, changed.id, changed.by, changed.rejects) == (ERASED_NOTE, record.id, record.by, 1)
    with pytest.raises(ConfigurationError, match="names an erased user"):
        resolve(store, at(3), named)


def test_an_erasure_removes_a_note_about_rejects_of_the_user_only(pair: tuple[EventLog, EventStore]) -> None:
    log, store = pair
    resolve(store, at(0), "the man from the first floor")
    resolve(store, at(1, 2), "a placeholder")

    erase("u-1", log, store)
    erase("u-2", log, store)

    assert [(one.note, one.rejects) for one in resolutions_of(store)] == [(ERASED_NOTE, 1), ("a placeholder", 2)]
    assert resolved(store) == [2]
    assert all(row.counts.balanced for row in store.ledger())

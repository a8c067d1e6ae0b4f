"""Conflicts among the rejects: they are explained, and replayed only if they are selected as such."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.ingestion.mapping import FieldMapping
from advertisex.logs.contract import EventLog
from advertisex.model import Counts, Position
from advertisex.processing.runner import Processing, process_log
from advertisex.rejects.explained import explain
from advertisex.rejects.export import document_of
from advertisex.rejects.preview import ReplayResult, preview
from advertisex.rejects.replay import replay, replay_statuses
from advertisex.rejects.selection import Selection
from advertisex.stores.contract import EventStore, Range, RejectQuery
from advertisex.testing import memory_log, memory_store

PURCHASE = {
    "user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "purchase",
    "value": "10.00", "currency": "EUR",
}  # fmt: skip
TOPIC = FEEDS["clicks"].topic
CONFLICTS = RejectQuery(kind="conflict")
Pipeline = tuple[EventLog, EventStore]


def purchase(**changes: object) -> bytes:
    return json.dumps(PURCHASE | changes).encode()


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    """A stored purchase, two conflicts with it, a duplicate that agrees, and a reject."""
    with memory_log() as log, memory_store() as store:
        log.append(
            TOPIC, [purchase(app="shop", user_agent="A"), purchase(app="web", user_agent="B"), purchase(value=10)]
        )
        log.append(TOPIC, [purchase(user_agent="C"), purchase(value="ten")])
        assert process_log(log, store, Processing(batch_size=2)) == Counts(
            read=5, stored=1, duplicate=3, rejected=1, conflict=2
        )
        yield log, store


def selected(store: EventStore, query: RejectQuery) -> list[int]:
    return store.rejects(query)["offset"].to_list()


def test_a_conflict_is_explained_by_its_fields_and_both_values(pipeline: Pipeline) -> None:
    _, store = pipeline
    both, one = store.rejects(CONFLICTS).iter_rows(named=True)

    assert (both["stage"], both["reason"]) == ("store", "conflicting_duplicate")
    assert both["detail"] == ("app: 'web' differs from the stored 'shop'; user_agent: 'B' differs from the stored 'A'")
    assert one["detail"] == "user_agent: 'C' differs from the stored 'A'"
    explained = explain(both, FEEDS["clicks"])
    assert explained.rule == "The same event is stored already, but with other values in these fields. It stays."
    assert explained.field == "app"
    assert explained.failing is not None
    assert explained.message.lines[explained.failing].strip() == '"app": "web",'
    assert document_of(both)["kind"] == "conflict"
    assert pipeline[1].rejects(CONFLICTS)["payload"][0] == purchase(app="web", user_agent="B")


def test_the_stored_event_stays(pipeline: Pipeline) -> None:
    _, store = pipeline
    (frame,) = store.scan("clicks", ["app", "user_agent", "offset"], Range())

    assert frame.rows() == [("shop", "A", 0)]


@pytest.mark.parametrize(
    ("query", "offsets", "left_out"),
    [
        (RejectQuery(), [4], 2),
        (RejectQuery(feed="clicks"), [4], 2),
        (RejectQuery(feed="bids"), [], 0),
        (CONFLICTS, [1, 3], 0),
        (RejectQuery(reason="conflicting_duplicate"), [1, 3], 0),
        (RejectQuery(positions=frozenset({Position(TOPIC, 0, 3)})), [3], 0),
        (RejectQuery(kind="rejected"), [4], 0),
    ],
)
def test_conflicts_are_replayed_only_if_selected_as_such(
    pipeline: Pipeline, query: RejectQuery, offsets: list[int], left_out: int
) -> None:
    log, store = pipeline
    selection = Selection(query)

    seen = preview(store, selection)
    done = replay(store, log, selection)

    assert [example.position.offset for example in seen.examples] == offsets
    assert (seen.messages, seen.conflicts) == (done.messages, done.conflicts) == (len(offsets), left_out)
    assert selected(store, RejectQuery(replayed=True)) == offsets


def test_conflicts_that_were_replayed_are_not_counted_as_left(pipeline: Pipeline) -> None:
    log, store = pipeline
    replay(store, log, Selection(CONFLICTS))

    done = replay(store, log, Selection(RejectQuery()))
    assert (done.messages, done.left, done.conflicts) == (1, 0, 0)
    again = replay(store, log, Selection(CONFLICTS))
    assert (again.messages, again.left) == (0, 2)
    forced = replay(store, log, Selection(RejectQuery(), force=True))
    assert (forced.messages, forced.conflicts) == (1, 2)
    with pytest.raises(ConfigurationError, match="1 of 1 were already replayed"):
        replay(store, log, Selection(RejectQuery(positions=frozenset({Position(TOPIC, 0, 3)}))))


def test_a_conflict_that_is_resent_unchanged_is_a_conflict_again(pipeline: Pipeline) -> None:
    log, store = pipeline
    replay(store, log, Selection(CONFLICTS))
    assert process_log(log, store) == Counts(read=2, duplicate=2, conflict=2)

    replays = store.rejects(replace(CONFLICTS, replayed=True))["replayed_to"].to_list()
    statuses = replay_statuses(store, replays)
    assert [(status.kind, status.reason) for status in statuses.values()] == [("conflict", "conflicting_duplicate")] * 2


def test_a_conflict_that_is_repaired_is_an_event_of_its_own(pipeline: Pipeline) -> None:
    log, store = pipeline
    selection = Selection(
        RejectQuery(positions=frozenset({Position(TOPIC, 0, 1)})), mapping=FieldMapping({}, {"transaction_id": "2"})
    )

    assert preview(store, selection).results == {ReplayResult("clicks", "accepted"): 1}
    replay(store, log, selection)
    assert process_log(log, store) == Counts(read=1, stored=1)

    (replayed_to,) = store.rejects(replace(CONFLICTS, replayed=True))["replayed_to"]
    assert replay_statuses(store, [replayed_to])[replayed_to].kind == "accepted"

"""The contract of `stores/contract.py`, for every store in `store_places.STORES`."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advertisex.errors import LedgerMoved, StoreError, StoreMissing
from advertisex.feeds import FEEDS
from advertisex.model import (
    COMMIT_COLUMNS,
    EVENT_COLUMNS,
    REJECT_COLUMNS,
    STORED_REJECT_COLUMNS,
    Counts,
    LedgerRow,
    Outcome,
    Partition,
    Position,
)
from advertisex.stores.contract import EventStore, Extent, Range, RejectQuery
from tests.contracts.store_places import STORES, NewPlace, Place

OutcomeOf = Callable[..., Outcome]

EVERYTHING = Range()
ALL = RejectQuery()


@pytest.fixture(params=STORES)
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewPlace]:
    """places(): a place for a new store of this kind."""
    with STORES[request.param](request, tmp_path_factory) as new_place:
        yield new_place


@pytest.fixture
def place(places: NewPlace) -> Place:
    return places()


@pytest.fixture
def store(place: Place) -> Iterator[EventStore]:
    with place.open() as made:
        yield made


def events(store: EventStore, feed: str, within: Range = EVERYTHING, columns: list[str] | None = None) -> pl.DataFrame:
    """The stored events of a feed, ordered by offset."""
    names = columns or [*EVENT_COLUMNS, *FEEDS[feed].columns, "topic", "partition"]
    frames = list(store.scan(feed, names, within))
    schema = (EVENT_COLUMNS | FEEDS[feed].columns | {"topic": pl.String(), "partition": pl.Int32()}).items()
    empty = pl.DataFrame(schema={name: dtype for name, dtype in schema if name in names})
    return pl.concat([empty.select(names), *frames], how="vertical_relaxed").sort("offset")


def everything(store: EventStore) -> dict[str, Any]:
    """All contents of a store except processing times."""
    return {
        **{feed: events(store, feed).rows() for feed in FEEDS},
        "rejects": store.rejects(ALL).select("topic", "partition", "feed", *REJECT_COLUMNS).rows(),
        "ledger": store.ledger(),
    }


# -- commit ------------------------------------------------------------------------------------------------------


def test_events_rejects_and_the_ledger_are_stored_together(store: EventStore, outcome_of: OutcomeOf) -> None:
    outcome = outcome_of("impressions", {"user_id": "a"}, b"not json", {"user_id": "-5"}, {"user_id": "b"})

    counts = store.commit(outcome)

    assert counts == Counts(read=4, stored=2, filtered=1, rejected=1)
    assert store.ledger() == [LedgerRow("ad_impressions", 0, 4, counts)]
    assert store.positions() == {Partition("ad_impressions", 0): 4}
    stored = events(store, "impressions")
    assert stored["user_id"].to_list() == ["a", "b"]
    assert stored["offset"].to_list() == [0, 3]
    rejects = store.rejects(ALL)
    assert rejects["offset"].to_list() == [1, 2]
    assert rejects["kind"].to_list() == ["rejected", "filtered"]
    assert rejects["payload"].to_list()[0] == b"not json"


@pytest.mark.parametrize("feed", FEEDS)
def test_an_event_is_read_back_as_it_was_committed(store: EventStore, outcome_of: OutcomeOf, feed: str) -> None:
    outcome = outcome_of(feed, {"user_id": "é\U0001f642"}, {"user_id": "b", "timestamp": "2026-01-05T10:00:00.000001Z"})
    store.commit(outcome)

    stored = events(store, feed)

    columns = [*EVENT_COLUMNS, *FEEDS[feed].columns]
    assert stored.select(columns).rows() == outcome.events.select(columns).rows()
    assert dict(stored.select(columns).schema) == EVENT_COLUMNS | FEEDS[feed].columns
    assert set(stored["topic"]) == {FEEDS[feed].topic}
    assert set(stored["partition"]) == {0}


def test_a_new_store_is_empty(store: EventStore) -> None:
    assert store.positions() == {}
    assert store.ledger() == []
    assert store.rejects(ALL).is_empty()
    assert store.reject_counts(ALL).is_empty()
    assert store.user_totals(EVERYTHING, None).is_empty()
    assert events(store, "bids").is_empty()


def test_the_ledger_adds_up_over_commits_and_partitions(store: EventStore, outcome_of: OutcomeOf) -> None:
    store.commit(outcome_of("impressions", {"user_id": "a"}, b"[]"))
    store.commit(outcome_of("bids", {}, partition=3))
    store.commit(outcome_of("bids", {}, {"user_id": "b"}, partition=1))
    store.commit(outcome_of("impressions", {"user_id": "b"}, {"user_id": "b"}, {"user_id": "a"}, start=2))

    assert store.ledger() == [
        LedgerRow("ad_impressions", 0, 5, Counts(read=5, stored=2, duplicate=2, rejected=1)),
        LedgerRow("avro_data_topic", 1, 2, Counts(read=2, stored=1, duplicate=1)),
        LedgerRow("avro_data_topic", 3, 1, Counts(read=1, stored=1)),
    ]
    assert all(row.counts.balanced for row in store.ledger())


def test_committed_data_is_there_after_reopening(place: Place, outcome_of: OutcomeOf) -> None:
    with place.open() as store:
        store.commit(outcome_of("clicks", {}, b"x"))
        before = everything(store)
    with place.open() as store:
        assert everything(store) == before
    with place.open(read_only=True) as store:
        assert everything(store) == before


def test_a_store_can_be_closed_twice(place: Place) -> None:
    store = place.open()
    store.close()
    store.close()


# -- duplicates --------------------------------------------------------------------------------------------------


def test_an_event_is_stored_once_whichever_commit_contains_it(store: EventStore, outcome_of: OutcomeOf) -> None:
    store.commit(outcome_of("impressions", {"user_id": "a"}, {"user_id": "b"}))

    again = store.commit(outcome_of("impressions", {"user_id": "b"}, {"user_id": "c"}, {"user_id": "a"}, start=2))

    assert again == Counts(read=3, stored=1, duplicate=2)
    assert events(store, "impressions")["offset"].to_list() == [0, 1, 3]


def test_a_late_repetition_of_an_old_event_is_found_in_history(store: EventStore, outcome_of: OutcomeOf) -> None:
    days = [{"timestamp": f"2026-01-{day:02}T00:00:00Z"} for day in range(1, 29)]
    for offset, day in enumerate(days):
        store.commit(outcome_of("clicks", day, start=offset))

    late = store.commit(outcome_of("clicks", {"timestamp": "2026-03-01T00:00:00Z"}, *reversed(days), start=28))

    assert late == Counts(read=29, stored=1, duplicate=28)
    assert events(store, "clicks").height == 29


def test_a_few_late_repetitions_among_many_fresh_events_are_found(store: EventStore, outcome_of: OutcomeOf) -> None:
    """So few that a store may look them up in another way than the rest of the batch."""
    old = [{"timestamp": f"2026-01-{day:02}T00:00:00Z"} for day in (1, 9)]
    fresh = [{"timestamp": f"2026-03-01T00:{i // 60:02}:{i % 60:02}Z"} for i in range(300)]
    new_but_late = {"timestamp": "2026-01-05T00:00:00Z"}
    store.commit(outcome_of("clicks", *old, *fresh[:1]))

    counts = store.commit(outcome_of("clicks", *fresh[:200], *old, new_but_late, *fresh[200:], start=3))

    assert counts == Counts(read=303, stored=300, duplicate=3)
    assert events(store, "clicks").height == 303


def test_late_events_that_are_new_are_stored(store: EventStore, outcome_of: OutcomeOf) -> None:
    store.commit(outcome_of("clicks", {"timestamp": "2026-03-01T00:00:00Z"}))

    late = store.commit(
        outcome_of("clicks", *({"timestamp": f"20{year}-01-01T00:00:00.000001Z"} for year in range(10, 26)), start=1)
    )

    assert late == Counts(read=16, stored=16)


def test_equal_times_alone_are_not_a_duplicate(store: EventStore, outcome_of: OutcomeOf) -> None:
    store.commit(outcome_of("bids", {"auction_id": "a"}))

    assert store.commit(outcome_of("bids", {"auction_id": "b"}, start=1)) == Counts(read=1, stored=1)


def test_the_same_content_in_two_feeds_is_two_events(store: EventStore, outcome_of: OutcomeOf) -> None:
    for feed in FEEDS:
        assert store.commit(outcome_of(feed, {})).stored == 1


def test_the_same_content_in_two_partitions_is_one_event(store: EventStore, outcome_of: OutcomeOf) -> None:
    assert store.commit(outcome_of("bids", {}, partition=0)).stored == 1
    assert store.commit(outcome_of("bids", {}, partition=1)) == Counts(read=1, duplicate=1)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commits=st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40)), max_size=12), max_size=6))
def test_deduplication_equals_a_set(
    places: NewPlace, outcome_of: OutcomeOf, commits: list[list[tuple[str, int]]]
) -> None:
    with places().open() as store:
        start, seen = 0, set[tuple[str, int]]()
        for commit in commits:
            messages = [
                {"user_id": user, "timestamp": (datetime(2026, 1, 1) + timedelta(days=day)).isoformat()}
                for user, day in commit
            ]
            counts = store.commit(outcome_of("impressions", *messages, start=start))
            new = set(commit) - seen
            assert counts == Counts(read=len(commit), stored=len(new), duplicate=len(commit) - len(new))
            seen |= new
            start += len(commit)
        stored = events(store, "impressions").select("user_id", "event_time")
        assert stored.height == len(seen)
        assert {(user, (time - datetime(2026, 1, 1)).days) for user, time in stored.iter_rows()} == seen


# -- ledger checks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 1, 3, 100])
def test_a_span_that_does_not_start_at_the_ledger_writes_nothing(
    store: EventStore, outcome_of: OutcomeOf, start: int
) -> None:
    store.commit(outcome_of("impressions", {"user_id": "a"}, b"x"))
    before = everything(store)

    with pytest.raises(LedgerMoved) as caught:
        store.commit(outcome_of("impressions", {"user_id": "b"}, b"y", start=start))

    assert caught.value.where == f"ad_impressions/0/{start}"
    assert caught.value.hint
    assert everything(store) == before
    assert store.commit(outcome_of("impressions", {"user_id": "b"}, b"y", start=2)).stored == 1


def of_log(outcome: Outcome, log: str) -> Outcome:
    return replace(outcome, span=replace(outcome.span, log=log))


def test_a_span_of_another_log_writes_nothing(place: Place, outcome_of: OutcomeOf) -> None:
    with place.open() as store:
        store.commit(of_log(outcome_of("clicks", {"user_id": "a"}, b"x"), "old"))
        store.commit(of_log(outcome_of("clicks", {"user_id": "a"}, partition=1), "other topic's"))
    with place.open() as store:
        before = everything(store)
        assert [row.log for row in store.ledger()] == ["old", "other topic's"]

        with pytest.raises(StoreError, match="the ledger belongs to another log") as caught:
            store.commit(of_log(outcome_of("clicks", {"user_id": "b"}, b"y", start=2), "new"))

        assert not isinstance(caught.value, LedgerMoved)
        assert caught.value.where == "clicks_conversions/0: log new, expected old"
        assert "restore the old log" in caught.value.hint
        assert everything(store) == before
        assert store.commit(of_log(outcome_of("clicks", {"user_id": "b"}, start=2), "old")).stored == 1


def test_a_ledger_without_a_log_takes_that_of_the_first_span_that_has_one(
    store: EventStore, outcome_of: OutcomeOf
) -> None:
    store.commit(outcome_of("clicks", {"user_id": "a"}))
    store.commit(of_log(outcome_of("clicks", {"user_id": "b"}, start=1), "first"))
    store.commit(outcome_of("clicks", {"user_id": "c"}, start=2))
    assert [row.log for row in store.ledger()] == ["first"]
    with pytest.raises(StoreError, match="another log"):
        store.commit(of_log(outcome_of("clicks", {"user_id": "d"}, start=3), "second"))


def test_a_commit_that_fails_part_way_leaves_nothing_and_can_be_retried(
    store: EventStore, outcome_of: OutcomeOf
) -> None:
    store.commit(outcome_of("impressions", {"user_id": "a"}, b"x"))
    before = everything(store)
    good = outcome_of("impressions", {"user_id": "b"}, b"y", start=2)

    with pytest.raises(StoreError):  # its events are valid, its rejects are not
        store.commit(replace(good, rejects=good.rejects.with_columns(reason=pl.lit(None, pl.String))))

    assert everything(store) == before
    assert store.commit(good) == Counts(read=2, stored=1, rejected=1)


# -- rejects -----------------------------------------------------------------------------------------------------


@pytest.fixture
def with_rejects(store: EventStore, outcome_of: OutcomeOf) -> EventStore:
    store.commit(outcome_of("impressions", b"\xff\x00\xfe", {}, b"", {"user_id": ""}, b"x" * 3000))
    store.commit(outcome_of("bids", {"user_id": "-1"}, b"[]", b"\xc3\x01garbage"))
    store.commit(outcome_of("clicks", b"[]", {}, {"user_id": "-1"}))
    store.commit(outcome_of("impressions", b"[]", {"user_id": "-1"}, start=5))
    return store


def positions(rejects: pl.DataFrame) -> list[tuple[str, int, int]]:
    return rejects.select("topic", "partition", "offset").rows()


def test_rejects_are_ordered_by_position(with_rejects: EventStore) -> None:
    rejects = with_rejects.rejects(ALL)

    assert positions(rejects) == [
        *(("ad_impressions", 0, offset) for offset in (0, 2, 3, 4, 5, 6)),
        *(("avro_data_topic", 0, offset) for offset in (0, 1, 2)),
        *(("clicks_conversions", 0, offset) for offset in (0, 2)),
    ]
    assert {"topic", "partition", "feed", *REJECT_COLUMNS} <= set(rejects.columns)


def test_payloads_are_kept_whole_whatever_bytes_they_contain(with_rejects: EventStore) -> None:
    payloads = with_rejects.rejects(RejectQuery(feed="impressions"))["payload"].to_list()

    assert [payloads[place] for place in (0, 1, 3, 4)] == [b"\xff\x00\xfe", b"", b"x" * 3000, b"[]"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (RejectQuery(reason="not_an_object"), 3),
        (RejectQuery(feed="bids"), 3),
        (RejectQuery(reason="not_an_object", feed="clicks"), 1),
        (RejectQuery(reason="no_such_reason"), 0),
        (RejectQuery(limit=0), 0),
        (RejectQuery(limit=100), 11),
        (RejectQuery(reason="negative_user_id", limit=2), 2),
        (RejectQuery(kind="filtered"), 3),
        (RejectQuery(kind="rejected", feed="clicks"), 1),
        (RejectQuery(positions=[Position("avro_data_topic", 0, 1), Position("ad_impressions", 0, 6)]), 2),
        (RejectQuery(positions=[Position("avro_data_topic", 0, 99), Position("ad_impressions", 1, 6)]), 0),
        (RejectQuery(positions=[Position("avro_data_topic", 0, 1)], feed="clicks"), 0),
        (RejectQuery(positions=[]), 0),
        (RejectQuery(replayed=False), 11),
        (RejectQuery(replayed=True), 0),
    ],
)
def test_rejects_can_be_queried(with_rejects: EventStore, query: RejectQuery, count: int) -> None:
    found = with_rejects.rejects(query)

    assert found.height == count
    assert query.reason is None or set(found["reason"]) <= {query.reason}
    assert query.feed is None or set(found["feed"]) <= {query.feed}


@pytest.mark.parametrize("query", [ALL, RejectQuery(feed="bids"), RejectQuery(limit=4), RejectQuery(reason="none")])
def test_rejects_can_be_read_in_parts(with_rejects: EventStore, query: RejectQuery) -> None:
    whole = with_rejects.rejects(query)
    parts = list(with_rejects.scan_rejects(query))

    assert dict(whole.schema) == STORED_REJECT_COLUMNS
    assert all(dict(part.schema) == STORED_REJECT_COLUMNS and part.height for part in parts)
    assert [row for part in parts for row in part.rows()] == whole.rows()


def test_rejects_are_marked_with_the_position_of_their_replay(with_rejects: EventStore, place: Place) -> None:
    before = with_rejects.rejects(ALL)
    first, second = (Position("ad_impressions", 0, offset) for offset in (0, 4))

    with_rejects.mark_replayed({first: Position("ad_impressions", 0, 50), second: Position("ad_impressions", 3, 51)})
    with_rejects.mark_replayed({second: Position("ad_impressions", 2, 60), Position("nowhere", 0, 0): second})
    with_rejects.mark_replayed({})

    after = with_rejects.rejects(ALL)
    assert after.drop("replayed_to").equals(before.drop("replayed_to"))
    marks = {0: "ad_impressions/0/50", 4: "ad_impressions/2/60"}
    expected = [marks.get(offset) if topic == "ad_impressions" else None for topic, _, offset in positions(after)]
    assert after["replayed_to"].to_list() == expected
    assert positions(with_rejects.rejects(RejectQuery(replayed=True))) == [first, second]
    assert with_rejects.rejects(RejectQuery(replayed=False)).height == 9
    assert with_rejects.reject_counts(RejectQuery(replayed=True, positions=[first, second]))["count"].sum() == 2
    with_rejects.close()
    with place.open(read_only=True) as again:
        assert again.rejects(ALL).equals(after)


def test_a_scan_of_rejects_is_a_snapshot_while_they_are_marked(store: EventStore, outcome_of: OutcomeOf) -> None:
    store.commit(outcome_of("clicks", *[b"x%d" % i for i in range(5_000)]))
    topic, read = "clicks_conversions", 0

    for part in store.scan_rejects(RejectQuery(replayed=False)):
        read += part.height
        store.mark_replayed({Position(topic, 0, o): Position(topic, 0, o + 5_000) for o in part["offset"]})

    assert read == 5_000
    assert store.rejects(ALL)["replayed_to"].to_list() == [f"{topic}/0/{offset + 5_000}" for offset in range(5_000)]


def test_a_limit_keeps_the_oldest_positions(with_rejects: EventStore) -> None:
    assert positions(with_rejects.rejects(RejectQuery(limit=4))) == positions(with_rejects.rejects(ALL))[:4]


def test_rejects_are_counted_by_feed_kind_and_reason_whatever_the_limit(with_rejects: EventStore) -> None:
    counts = with_rejects.reject_counts(RejectQuery(limit=1))

    assert counts.columns == ["feed", "kind", "reason", "hour", "count"]
    assert counts["count"].dtype == pl.Int64
    assert counts.drop("hour").rows() == [
        ("bids", "filtered", "negative_user_id", 1),
        ("bids", "rejected", "not_an_object", 1),
        ("bids", "rejected", "undecodable", 1),
        ("clicks", "filtered", "negative_user_id", 1),
        ("clicks", "rejected", "not_an_object", 1),
        ("impressions", "filtered", "negative_user_id", 1),
        ("impressions", "rejected", "empty_message", 1),
        ("impressions", "rejected", "missing_field", 1),
        ("impressions", "rejected", "not_an_object", 1),
        ("impressions", "rejected", "undecodable", 2),
    ]
    assert with_rejects.reject_counts(RejectQuery(feed="clicks", reason="not_an_object")).drop("hour").rows() == [
        ("clicks", "rejected", "not_an_object", 1)
    ]


# -- queries -----------------------------------------------------------------------------------------------------


def test_a_range_includes_its_start_and_excludes_its_end(store: EventStore, outcome_of: OutcomeOf) -> None:
    times = ["2026-01-05T10:00:00", "2026-01-05T10:00:00.000001", "2026-01-05T10:00:00.000002"]
    store.commit(outcome_of("impressions", *({"timestamp": time} for time in times)))
    first, second, third = (datetime.fromisoformat(time) for time in times)

    def offsets(within: Range) -> list[int]:
        return events(store, "impressions", within)["offset"].to_list()

    assert offsets(Range(first, third)) == [0, 1]
    assert offsets(Range(second, None)) == [1, 2]
    assert offsets(Range(None, second)) == [0]
    assert offsets(Range(second, second)) == []
    assert offsets(EVERYTHING) == [0, 1, 2]


def test_a_scan_returns_the_requested_columns_in_that_order(store: EventStore, outcome_of: OutcomeOf) -> None:
    store.commit(outcome_of("clicks", {}))

    (frame,) = store.scan("clicks", ["partition", "user_id", "processed_at", "event_id", "offset"], EVERYTHING)

    assert frame.columns == ["partition", "user_id", "processed_at", "event_id", "offset"]
    assert frame["processed_at"].dtype == pl.Datetime("us")
    assert [len(i) for i in frame["event_id"]] == [16]


def test_user_totals_add_up_clicks_and_conversions(store: EventStore, outcome_of: OutcomeOf) -> None:
    store.commit(
        outcome_of(
            "clicks",
            {"user_id": "b", "campaign_id": "x"},
            {"user_id": "b", "campaign_id": "y", "conversion_type": "signup"},
            {"user_id": "b", "campaign_id": "y", "clicks": 40, "conversions": 2},
            {"user_id": "a", "campaign_id": "x", "timestamp": "2026-02-01T00:00:00Z"},
        )
    )

    totals = store.user_totals(EVERYTHING, None)

    assert dict(totals.schema) == {"user_id": pl.String(), "clicks": pl.Int64(), "conversions": pl.Int64()}
    assert totals.rows() == [("a", 1, 0), ("b", 41, 3)]
    assert store.user_totals(EVERYTHING, "y").rows() == [("b", 40, 3)]
    assert store.user_totals(Range(since=datetime(2026, 2, 1)), None).rows() == [("a", 1, 0)]
    assert store.user_totals(Range(until=datetime(2026, 2, 1)), "x").rows() == [("b", 1, 0)]
    assert store.user_totals(EVERYTHING, "nobody's").is_empty()


def test_a_store_that_does_not_exist_cannot_be_read(place: Place) -> None:
    with pytest.raises(StoreMissing, match="nothing has been stored yet") as caught:
        place.open(read_only=True)

    assert "advertisex process" in caught.value.hint


# -- text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feed", FEEDS)
def test_naughty_strings_are_stored_and_read_back_equal(
    store: EventStore, outcome_of: OutcomeOf, shared_data: Callable[[str], Path], feed: str
) -> None:
    strings: list[str] = json.loads((shared_data("naughty_strings") / "blns.json").read_text(encoding="utf-8"))
    outcome = outcome_of(feed, *({"user_id": f"u{i}"} for i in range(len(strings))))
    texts = [name for name, dtype in FEEDS[feed].columns.items() if dtype == pl.String]
    naughty = outcome.events.with_columns(pl.Series(name, strings) for name in texts)

    store.commit(replace(outcome, events=naughty))

    stored = events(store, feed)
    for name in texts:
        assert stored[name].to_list() == strings


def test_naughty_strings_in_details_and_queries(
    store: EventStore, outcome_of: OutcomeOf, shared_data: Callable[[str], Path]
) -> None:
    strings: list[str] = json.loads((shared_data("naughty_strings") / "blns.json").read_text(encoding="utf-8"))
    outcome = outcome_of("clicks", *([b"x"] * len(strings)))
    details = pl.Series("detail", strings)
    store.commit(replace(outcome, rejects=outcome.rejects.with_columns(details, details.alias("reason"))))

    assert store.rejects(ALL)["detail"].to_list() == strings
    for text in set(strings):
        assert store.rejects(RejectQuery(reason=text)).height == strings.count(text)
        assert store.user_totals(EVERYTHING, text).is_empty()


# -- ledger history, and the store as of a time -------------------------------------------------------------------


def test_the_ledger_history_has_every_commit_and_adds_up_to_the_ledger(place: Place, outcome_of: OutcomeOf) -> None:
    with place.open() as store:
        assert store.commits().is_empty()
        assert dict(store.commits().schema) == COMMIT_COLUMNS
        store.commit(outcome_of("impressions", {"user_id": "a"}, b"[]"))
        store.commit(outcome_of("impressions", {"user_id": "a"}, {"user_id": "-1"}, start=2))
        store.commit(outcome_of("bids", {}, partition=3))
    with place.open() as store:
        store.commit(outcome_of("impressions", {"user_id": "b"}, start=4))
        with pytest.raises(LedgerMoved):
            store.commit(outcome_of("impressions", {"user_id": "c"}, start=4))

        history = store.commits()

        names = ["topic", "partition", "feed", "start", "end", "read", "stored", "duplicate", "filtered", "rejected"]
        assert history.select(names).rows() == [
            ("ad_impressions", 0, "impressions", 0, 2, 2, 1, 0, 0, 1),
            ("ad_impressions", 0, "impressions", 2, 4, 2, 0, 1, 1, 0),
            ("ad_impressions", 0, "impressions", 4, 5, 1, 1, 0, 0, 0),
            ("avro_data_topic", 3, "bids", 0, 1, 1, 1, 0, 0, 0),
        ]
        assert dict(history.schema) == COMMIT_COLUMNS
        assert history["committed_at"].to_list()[:3] == sorted(history["committed_at"].to_list()[:3])
        sums = history.group_by("topic", "partition").agg(pl.sum("read", "stored", "duplicate")).sort("topic")
        assert sums.rows() == [
            (row.topic, row.partition, row.counts.read, row.counts.stored, row.counts.duplicate)
            for row in store.ledger()
        ]


def test_the_store_as_of_a_time_contains_only_what_was_processed_by_then(
    store: EventStore, outcome_of: OutcomeOf
) -> None:
    moments = []
    for start, user in enumerate("abc"):
        store.commit(outcome_of("clicks", {"user_id": user}, b"x", start=2 * start))
        time.sleep(0.002)
        moments.append(datetime.now(UTC).replace(tzinfo=None))
        time.sleep(0.002)

    for count, moment in enumerate(moments, 1):
        then = Range(as_of=moment)
        assert sorted(events(store, "clicks", then)["user_id"]) == list("abc")[:count]
        assert store.user_totals(then, None)["user_id"].to_list() == list("abc")[:count]
        assert store.extent("clicks", then).events == count
        assert store.rejects(RejectQuery(as_of=moment)).height == count
        assert store.reject_counts(RejectQuery(as_of=moment))["count"].sum() == count
        processed = pl.concat(store.scan("clicks", ["processed_at"], then))["processed_at"]
        assert events(store, "clicks", Range(as_of=processed.max())).height == count, "the bound is inclusive"
    long_ago = datetime(1900, 1, 1)
    assert events(store, "clicks", Range(as_of=long_ago)).is_empty()
    assert store.extent("clicks", Range(as_of=long_ago)) == Extent()
    assert events(store, "clicks", Range(as_of=datetime(9999, 1, 1))).height == 3


def test_events_can_be_queried_by_ingestion_time(store: EventStore, outcome_of: OutcomeOf) -> None:
    outcome = outcome_of("bids", *({"user_id": user} for user in "abcd"))
    first = datetime(2026, 3, 1)
    times = [first, first + timedelta(microseconds=1), first + timedelta(hours=1), first + timedelta(days=40)]
    stamped = outcome.events.with_columns(ingested_at=pl.Series(times, dtype=pl.Datetime("us")))
    store.commit(replace(outcome, events=stamped))

    def found(since: datetime | None, until: datetime | None) -> str:
        within = Range(ingested_since=since, ingested_until=until)
        users = "".join(sorted(events(store, "bids", within)["user_id"]))
        assert store.extent("bids", within).events == len(users)
        return users

    assert found(times[1], times[2]) == "b"
    assert found(None, times[1]) == "a"
    assert found(times[2], None) == "cd"
    assert found(times[3] + timedelta(microseconds=1), None) == ""


def test_the_ledger_history_can_be_read_since_a_time(store: EventStore, outcome_of: OutcomeOf) -> None:
    made = []
    for start, user in enumerate("abc"):
        store.commit(outcome_of("clicks", {"user_id": user}, start=start))
        made.append(store.settled())
    store.commit(outcome_of("bids", {}))
    assert made[1] is not None

    assert store.commits(made[1])[["feed", "start"]].rows() == [("bids", 0), ("clicks", 1), ("clicks", 2)]
    assert store.commits(made[1] + timedelta(microseconds=1))["start"].to_list() == [0, 2]
    assert store.commits(datetime(9000, 1, 1)).is_empty()
    assert dict(store.commits(datetime(9000, 1, 1)).schema) == COMMIT_COLUMNS


def test_a_batch_has_one_commit_time_and_settled_returns_the_last(store: EventStore, outcome_of: OutcomeOf) -> None:
    assert store.settled() is None
    settled = []
    for start, user in enumerate("abc"):
        store.commit(outcome_of("clicks", {"user_id": user}, b"x", start=2 * start))
        settled.append(store.settled())

        times = [
            pl.concat(store.scan("clicks", ["processed_at"], EVERYTHING))["processed_at"].max(),
            store.rejects(ALL)["processed_at"].max(),
            store.commits()["committed_at"].max(),
        ]
        assert times == [settled[-1]] * 3
    assert settled == sorted(set(settled))
    for count, moment in enumerate(settled, 1):
        assert store.extent("clicks", Range(as_of=moment)).events == count


def test_commit_times_increase_even_if_the_clock_is_set_back(
    store: EventStore, outcome_of: OutcomeOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit(outcome_of("clicks", {"user_id": "a"}))
    before = store.settled()
    assert before is not None

    class SetBack(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2020, 1, 1, tzinfo=tz)

    monkeypatch.setattr("advertisex.stores.commit_time.datetime", SetBack)
    store.commit(outcome_of("clicks", {"user_id": "b"}, start=1))

    assert store.settled() == before + timedelta(microseconds=1)
    assert store.extent("clicks", Range(as_of=before)).events == 1


def test_the_extent_of_a_feed(store: EventStore, outcome_of: OutcomeOf) -> None:
    assert store.extent("bids", EVERYTHING) == Extent(0, None, None)
    times = ("2026-03-01T00:00:00.000002Z", "2026-03-01T00:00:00.000001Z", "2025-12-31T23:59:59.999999Z")
    store.commit(outcome_of("bids", *({"timestamp": time} for time in times)))

    first, last = datetime(2025, 12, 31, 23, 59, 59, 999_999), datetime(2026, 3, 1, 0, 0, 0, 2)
    assert store.extent("bids", EVERYTHING) == Extent(3, first, last)
    assert store.extent("bids", Range(until=last)) == Extent(2, first, last - timedelta(microseconds=1))
    assert store.extent("bids", Range(since=last + timedelta(seconds=1))) == Extent()


def test_rejects_are_counted_by_hour_of_ingestion(store: EventStore, outcome_of: OutcomeOf) -> None:
    outcome = outcome_of("clicks", b"x", b"y", {"user_id": "-4"}, b"z")
    hours = [datetime(2026, 3, 1, 5, 59, 59, 999_999), datetime(2026, 3, 1, 6), datetime(2026, 3, 1, 6, 30)]
    times = pl.Series([hours[0], hours[1], hours[2], hours[2]], dtype=pl.Datetime("us"))
    store.commit(replace(outcome, rejects=outcome.rejects.with_columns(ingested_at=times)))

    counts = store.reject_counts(ALL)
    assert counts.columns == ["feed", "kind", "reason", "hour", "count"]
    assert counts.rows() == [
        ("clicks", "filtered", "negative_user_id", datetime(2026, 3, 1, 6), 1),
        ("clicks", "rejected", "undecodable", datetime(2026, 3, 1, 5), 1),
        ("clicks", "rejected", "undecodable", datetime(2026, 3, 1, 6), 2),
    ]
    late = RejectQuery(since=hours[1], until=hours[2])
    assert store.reject_counts(late)["count"].to_list() == [1]
    assert store.rejects(late)["payload"].to_list() == [b"y"]


# -- notes -------------------------------------------------------------------------------------------------------


def test_notes_are_kept_by_kind_and_key_and_can_be_replaced(place: Place) -> None:
    with place.open() as store:
        store.take_note("alerts", {"a/b ü": b"1", "c": b"\x00\xff"})
        store.take_note("other", {"a/b ü": b"2"})
        store.take_note("alerts", {"a/b ü": b"3", "d": None})
    with place.open(read_only=True) as store:
        assert store.notes("alerts") == {"a/b ü": b"3", "c": b"\x00\xff"}
        assert store.notes("other") == {"a/b ü": b"2"}
        assert store.notes("none") == {}
    with place.open() as store:
        store.take_note("alerts", {"a/b ü": None})
        assert store.notes("alerts") == {"c": b"\x00\xff"}


def test_a_store_can_be_read_while_another_thread_commits(store: EventStore, outcome_of: OutcomeOf) -> None:
    store.commit(outcome_of("impressions", {}))
    ended = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not ended.is_set():
            held = store.extent("impressions", EVERYTHING).events
            counted = store.ledger()[0].counts.stored
            if not 1 <= held <= 9 or not 1 <= counted <= 9 or store.settled() is None or store.notes("none"):
                wrong.append((held, counted))

    reader = threading.Thread(target=read)
    reader.start()
    for start in range(1, 9):
        store.commit(outcome_of("impressions", {"user_id": f"v{start}"}, start=start))
        store.take_note("some", {f"{start}": b"{}"})
    ended.set()
    reader.join()
    assert wrong == []
    assert store.extent("impressions", EVERYTHING).events == 9

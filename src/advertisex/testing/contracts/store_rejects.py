"""Rejects in an event store: kept whole, queried, counted and marked."""

from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest

from advertisex.model import REJECT_COLUMNS, STORED_REJECT_COLUMNS, Position
from advertisex.stores.contract import EventStore, RejectQuery
from advertisex.testing.contracts.store_fixtures import ALL, OpenStore, StoreFixtures, outcome_of


class StoreRejects(StoreFixtures):
    """The contract of the rejects of `EventStore`."""

    @pytest.fixture
    def with_rejects(self, store: EventStore) -> EventStore:
        store.commit(outcome_of("impressions", b"\xff\x00\xfe", {}, b"", {"user_id": ""}, b"x" * 3000))
        store.commit(outcome_of("bids", {"user_id": "-1"}, b"[]", b"\xc3\x01garbage"))
        store.commit(outcome_of("clicks", b"[]", {}, {"user_id": "-1"}))
        store.commit(outcome_of("impressions", b"[]", {"user_id": "-1"}, start=5))
        return store

    def test_rejects_are_ordered_by_position(self, with_rejects: EventStore) -> None:
        rejects = with_rejects.rejects(ALL)

        assert positions(rejects) == [
            *(("ad_impressions", 0, offset) for offset in (0, 2, 3, 4, 5, 6)),
            *(("avro_data_topic", 0, offset) for offset in (0, 1, 2)),
            *(("clicks_conversions", 0, offset) for offset in (0, 2)),
        ]
        assert {"topic", "partition", "feed", *REJECT_COLUMNS} <= set(rejects.columns)

    def test_payloads_are_kept_whole_whatever_bytes_they_contain(self, with_rejects: EventStore) -> None:
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
    def test_rejects_can_be_queried(self, with_rejects: EventStore, query: RejectQuery, count: int) -> None:
        found = with_rejects.rejects(query)

        assert found.height == count
        assert query.reason is None or set(found["reason"]) <= {query.reason}
        assert query.feed is None or set(found["feed"]) <= {query.feed}

    @pytest.mark.parametrize("query", [ALL, RejectQuery(feed="bids"), RejectQuery(limit=4), RejectQuery(reason="none")])
    def test_rejects_can_be_read_in_parts(self, with_rejects: EventStore, query: RejectQuery) -> None:
        whole = with_rejects.rejects(query)
        parts = list(with_rejects.scan_rejects(query))

        assert dict(whole.schema) == STORED_REJECT_COLUMNS
        assert all(dict(part.schema) == STORED_REJECT_COLUMNS and part.height for part in parts)
        assert [row for part in parts for row in part.rows()] == whole.rows()

    def test_rejects_are_marked_with_the_position_of_their_replay(self, with_rejects: EventStore) -> None:
        before = with_rejects.rejects(ALL)
        first, second = (Position("ad_impressions", 0, offset) for offset in (0, 4))

        with_rejects.mark_replayed(
            {first: Position("ad_impressions", 0, 50), second: Position("ad_impressions", 3, 51)}
        )
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

    def test_marks_survive_reopening(self, reopen_store: OpenStore) -> None:
        with reopen_store() as store:
            store.commit(outcome_of("clicks", b"[]", b"{"))
            store.mark_replayed({Position("clicks_conversions", 0, 1): Position("clicks_conversions", 0, 50)})
            before = store.rejects(ALL)
        with reopen_store(read_only=True) as store:
            assert store.rejects(ALL).equals(before)
            assert before["replayed_to"].to_list() == [None, "clicks_conversions/0/50"]

    def test_a_scan_of_rejects_is_a_snapshot_while_they_are_marked(self, store: EventStore) -> None:
        store.commit(outcome_of("clicks", *[b"x%d" % i for i in range(5_000)]))
        topic, read = "clicks_conversions", 0

        for part in store.scan_rejects(RejectQuery(replayed=False)):
            read += part.height
            store.mark_replayed({Position(topic, 0, o): Position(topic, 0, o + 5_000) for o in part["offset"]})

        assert read == 5_000
        assert store.rejects(ALL)["replayed_to"].to_list() == [f"{topic}/0/{offset + 5_000}" for offset in range(5_000)]

    def test_a_limit_keeps_the_oldest_positions(self, with_rejects: EventStore) -> None:
        assert positions(with_rejects.rejects(RejectQuery(limit=4))) == positions(with_rejects.rejects(ALL))[:4]

    def test_rejects_are_counted_by_feed_kind_and_reason_whatever_the_limit(self, with_rejects: EventStore) -> None:
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

    def test_rejects_are_counted_by_hour_of_ingestion(self, store: EventStore) -> None:
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


def positions(rejects: pl.DataFrame) -> list[tuple[str, int, int]]:
    return rejects.select("topic", "partition", "offset").rows()

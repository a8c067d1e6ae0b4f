"""Rejects in an event store: kept whole, queried, counted and marked."""

from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from advertisex.model import REJECT_COLUMNS, STORED_REJECT_COLUMNS, Partition, Position
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
            (RejectQuery(after=Position("ad_impressions", 0, 6)), 5),
            (RejectQuery(after=Position("avro_data_topic", 0, 1), feed="bids", limit=1), 1),
            (RejectQuery(after=Position("zzz", 0, 0)), 0),
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

    @pytest.mark.parametrize("columns", [["reason"], ["topic", "partition", "offset"], ["payload", "kind"]])
    def test_some_columns_of_rejects_can_be_read(self, with_rejects: EventStore, columns: list[str]) -> None:
        parts = list(with_rejects.scan_rejects(ALL, columns))
        assert pl.concat(parts).equals(with_rejects.rejects(ALL).select(columns))

    def test_messages_of_any_length_are_read_whole_in_pages_of_bounded_size(self, store: EventStore) -> None:
        lengths = [1, 2**14 - 1, 2**14, 2**14 + 1, 2**15, 50_000, *[7 * 2**20] * 3, 2]
        messages = [bytes([65 + number]) * (length - 1) + b"." for number, length in enumerate(lengths)]
        store.commit(outcome_of("clicks", *messages))

        parts = list(store.scan_rejects(ALL))

        assert [message for part in parts for message in part["payload"]] == messages
        assert all(sum(map(len, part["payload"])) <= 2**24 for part in parts)
        assert store.rejects(RejectQuery(limit=6))["payload"].to_list() == messages[:6]
        assert store.rejects(RejectQuery(positions=[Position("clicks_conversions", 0, 8)]))["payload"].len() == 1

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

    def test_rejects_are_resolved_and_reopened_and_no_count_changes(self, with_rejects: EventStore) -> None:
        before, ledger = with_rejects.rejects(ALL), with_rejects.ledger()
        first, second = (Position("ad_impressions", 0, offset) for offset in (0, 4))
        third = Position("avro_data_topic", 0, 1)

        with_rejects.mark_replayed({first: Position("ad_impressions", 0, 50)})
        with_rejects.mark_resolved({first: "r1", second: "r1", third: "r1", Position("nowhere", 0, 0): "r1"})
        with_rejects.mark_resolved({third: None, second: "r2"})
        with_rejects.mark_resolved({})

        after = with_rejects.rejects(ALL)
        assert after.drop("replayed_to", "resolution").equals(before.drop("replayed_to", "resolution"))
        assert with_rejects.ledger() == ledger
        found = with_rejects.rejects(RejectQuery(resolved=True)).select("offset", "resolution", "replayed_to").rows()
        assert found == [(0, "r1", "ad_impressions/0/50"), (4, "r2", None)]
        assert with_rejects.rejects(RejectQuery(resolved=False)).height == 9
        assert with_rejects.rejects(RejectQuery(resolved=True, replayed=False))["offset"].to_list() == [4]
        assert with_rejects.reject_counts(RejectQuery(resolved=False, feed="bids"))["count"].sum() == 3

    def test_marks_survive_reopening(self, reopen_store: OpenStore) -> None:
        with reopen_store() as store:
            store.commit(outcome_of("clicks", b"[]", b"{"))
            store.mark_replayed({Position("clicks_conversions", 0, 1): Position("clicks_conversions", 0, 50)})
            store.mark_resolved({Position("clicks_conversions", 0, 0): "r1"})
            before = store.rejects(ALL)
        with reopen_store(read_only=True) as store:
            assert store.rejects(ALL).equals(before)
            assert before["resolution"].to_list() == ["r1", None]
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

    def test_a_reject_can_always_be_stored(self, store: EventStore) -> None:
        """Whatever its offset, its time and its texts: otherwise its partition would never advance."""
        kept: dict[int, tuple[datetime, str, bytes]] = {}

        @settings(max_examples=8, deadline=None)
        @given(
            gap=st.sampled_from([0, 1, 2**31, 2**53, 10**17]),
            time=st.datetimes(datetime(1970, 1, 1), datetime(2262, 1, 1)),
            detail=st.text(st.characters(codec="utf-8"), min_size=1),
            payload=st.binary(min_size=1),
            longer=st.sampled_from([1, 40_000]),
        )
        @example(gap=0, time=datetime(1970, 1, 1), detail="\0", payload=b"\0", longer=3_000_000)
        @example(gap=0, time=datetime(2262, 1, 1), detail="\U0010ffff", payload=b"\xed\xa0\x80", longer=40_000)
        def check(gap: int, time: datetime, detail: str, payload: bytes, longer: int) -> None:
            done = store.positions().get(Partition("ad_impressions", 0), 0)
            outcome = outcome_of("impressions", b"x", start=done + gap)
            kept[done + gap] = (time, detail * min(longer, 2_000), payload * longer)
            values = zip(("ingested_at", "detail", "payload"), kept[done + gap], strict=True)
            rejects = outcome.rejects.with_columns(
                pl.lit(value, REJECT_COLUMNS[name]).alias(name) for name, value in values
            )
            assert store.commit(replace(outcome, span=replace(outcome.span, start=done), rejects=rejects)).rejected == 1

        check()
        stored = store.rejects(ALL).select("offset", "ingested_at", "detail", "payload")
        wrong = [offset for offset, *row in stored.iter_rows() if tuple(row) != kept[offset]]
        assert (stored.height, wrong) == (len(kept), [])


def positions(rejects: pl.DataFrame) -> list[tuple[str, int, int]]:
    return rejects.select("topic", "partition", "offset").rows()

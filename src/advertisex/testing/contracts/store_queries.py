"""Queries of an event store: ranges, columns, totals and text."""

from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest

from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore, Extent, Range, RejectQuery
from advertisex.testing.contracts.store_fixtures import ALL, EVERYTHING, StoreFixtures, events, outcome_of

#: Texts that a store may misread: empty, null, quotes, operators, wildcards, paths, control and combining characters.
TEXTS = (
    *("", " ", "null", "NULL", "None", "0", "-1", "1e3", "true", "\\N", "*", "%", "_", "?", "~", ".", ".."),
    *("'", '"', "`", "\\", "\\\\", "';--", "' OR '1'='1", "$1", "{}", "[]", "<b>", "&amp;", "a/b", "a:b", "../a"),
    *("\t", "\n", "\r\n", "\x00", "\x1f", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffd", "\u202e"),
    *("é", "e\u0301", "ﬁ", "İ", "ß", "٣", "日本", "\U0001f642", "\U0001f468\u200d\U0001f469", "Ω" * 1000),
)


class StoreQueries(StoreFixtures):
    """The contract of the queries of `EventStore`."""

    def test_a_range_includes_its_start_and_excludes_its_end(self, store: EventStore) -> None:
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

    def test_a_scan_returns_the_requested_columns_in_that_order(self, store: EventStore) -> None:
        store.commit(outcome_of("clicks", {}))

        (frame,) = store.scan("clicks", ["partition", "user_id", "processed_at", "event_id", "offset"], EVERYTHING)

        assert frame.columns == ["partition", "user_id", "processed_at", "event_id", "offset"]
        assert frame["processed_at"].dtype == pl.Datetime("us")
        assert [len(i) for i in frame["event_id"]] == [16]

    def test_user_totals_add_up_clicks_and_conversions(self, store: EventStore) -> None:
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

    def test_the_extent_of_a_feed(self, store: EventStore) -> None:
        assert store.extent("bids", EVERYTHING) == Extent(0, None, None)
        times = ("2026-03-01T00:00:00.000002Z", "2026-03-01T00:00:00.000001Z", "2025-12-31T23:59:59.999999Z")
        store.commit(outcome_of("bids", *({"timestamp": time} for time in times)))

        first, last = datetime(2025, 12, 31, 23, 59, 59, 999_999), datetime(2026, 3, 1, 0, 0, 0, 2)
        assert store.extent("bids", EVERYTHING) == Extent(3, first, last)
        assert store.extent("bids", Range(until=last)) == Extent(2, first, last - timedelta(microseconds=1))
        assert store.extent("bids", Range(since=last + timedelta(seconds=1))) == Extent()
        for until, expected in ((None, last), (last, last - timedelta(microseconds=1)), (datetime(2026, 1, 1), first)):
            assert store.last_time("bids", Range(until=until)) == expected
        assert store.last_time("bids", Range(until=first)) is None
        assert store.last_time("bids", Range(since=datetime(2026, 3, 2))) is None

    def test_events_can_be_queried_by_ingestion_time(self, store: EventStore) -> None:
        outcome = outcome_of("bids", *({"user_id": user} for user in "abcd"))
        first = datetime(2026, 3, 1)
        times = [first, first + timedelta(microseconds=1), first + timedelta(hours=1), first + timedelta(days=40)]
        moved = outcome.events.with_columns(ingested_at=pl.Series(times, dtype=pl.Datetime("us")))
        store.commit(replace(outcome, events=moved))

        def found(since: datetime | None, until: datetime | None) -> str:
            within = Range(ingested_since=since, ingested_until=until)
            users = "".join(sorted(events(store, "bids", within)["user_id"]))
            assert store.extent("bids", within).events == len(users)
            return users

        assert found(times[1], times[2]) == "b"
        assert found(None, times[1]) == "a"
        assert found(times[2], None) == "cd"
        assert found(times[3] + timedelta(microseconds=1), None) == ""

    @pytest.fixture
    def texts(self) -> list[str]:
        """Texts that a store returns unchanged; override it to test others."""
        return list(TEXTS)

    @pytest.mark.parametrize("feed", FEEDS)
    def test_texts_are_stored_and_read_back_equal(self, store: EventStore, texts: list[str], feed: str) -> None:
        outcome = outcome_of(feed, *({"user_id": f"u{number}"} for number in range(len(texts))))
        columns = [name for name, dtype in FEEDS[feed].columns.items() if dtype == pl.String]
        changed = outcome.events.with_columns(pl.Series(name, texts) for name in columns)

        store.commit(replace(outcome, events=changed))

        stored = events(store, feed)
        for name in columns:
            assert stored[name].to_list() == texts

    def test_texts_in_details_and_queries(self, store: EventStore, texts: list[str]) -> None:
        outcome = outcome_of("clicks", *([b"x"] * len(texts)))
        details = pl.Series("detail", texts)
        store.commit(replace(outcome, rejects=outcome.rejects.with_columns(details, details.alias("reason"))))

        assert store.rejects(ALL)["detail"].to_list() == texts
        for text in set(texts):
            assert store.rejects(RejectQuery(reason=text)).height == texts.count(text)
            assert store.user_totals(EVERYTHING, text).is_empty()

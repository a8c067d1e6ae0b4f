"""Events that a store counts by value, or selects by value, instead of returning all of them."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from advertisex.feeds import FEEDS
from advertisex.feeds.feed import AMOUNT
from advertisex.feeds.rules import with_own_fields
from advertisex.stores.contract import EventStore, Range
from advertisex.testing.contracts.store_fixtures import EVERYTHING, StoreFixtures, events, outcome_of
from advertisex.testing.contracts.store_queries import TEXTS

#: Texts of which a store may index only a part.
_LONG = ("x" * 8_191, "x" * 8_192, "x" * 8_192 + "y", "Ω" * 9_000)


class StoreCounts(StoreFixtures):
    """The contract of `EventStore.count`, and of the selections of `EventStore.scan`."""

    @pytest.mark.parametrize("column", ["website", "app", "user_agent"])
    def test_events_are_counted_by_text(self, store: EventStore, column: str) -> None:
        texts = [*TEXTS, *(_LONG if column != "app" else ()), None] * 2 + [TEXTS[3]] * 3
        outcome = outcome_of("impressions", *({"user_id": f"u{number}"} for number in range(len(texts))))
        changed = outcome.events.with_columns(pl.Series(column, texts), placement=pl.col("offset").cast(pl.String))
        store.commit(replace(outcome, events=changed.with_columns(placement=pl.col("placement").str.head(1))))

        for by in ([column], [column, "placement"], ["placement", "creative_id", column]):
            self._check(store, "impressions", by, EVERYTHING)
            self._check(store, "impressions", by, EVERYTHING, [datetime(2026, 1, 1), datetime(2027, 1, 1)])

    def test_events_are_counted_by_flags_and_counts(self, store: EventStore) -> None:
        feed = with_own_fields(FEEDS["clicks"], {"viewable": "flag", "seats": "count"})
        store.prepare({"clicks": feed})
        for partition, month in enumerate(("2026-01", "2026-02")):
            given: list[dict[str, Any]] = [{"viewable": flag} for flag in ("true", "false", "true", None)]
            given += [{"seats": seats} for seats in (0, -1, 2**62, 2**62, 2**53 + 1)]
            rows = [row | {"timestamp": f"{month}-01T00:00:{second:02}"} for second, row in enumerate(given)]
            store.commit(outcome_of(feed, *rows, partition=partition))

        for by in (["viewable"], ["seats", "viewable"], ["clicks", "conversions", "campaign_id", "seats"]):
            counted = self._check(store, "clicks", by, EVERYTHING)
            assert dict(counted.schema) == {name: feed.columns[name] for name in by} | {
                "_interval": pl.UInt32(), "_events": pl.Int64(),
            }  # fmt: skip

    def test_only_events_of_the_range_are_counted(self, store: EventStore) -> None:
        month = datetime(2026, 2, 1)
        times = [datetime(2025, 12, 31, 23, 59, 59, 999_999), datetime(2026, 1, 1), month, month.replace(microsecond=1)]
        rows = [{"timestamp": time.isoformat(), "creative_id": f"c{n % 2}"} for n, time in enumerate(times)]
        store.commit(outcome_of("bids", *rows))
        before = store.settled()
        store.commit(outcome_of("bids", {"timestamp": times[1].isoformat(), "creative_id": "late"}, start=len(rows)))

        for since in (None, *times):
            for until in (None, *times):
                for as_of in (None, before):
                    inside = [
                        time for time in times if (since is None or since < time) and (until is None or time < until)
                    ]
                    for edges in ([], inside, inside[1:]):
                        self._check(store, "bids", ["creative_id"], Range(since, until, as_of), edges)
        counted = store.count("bids", ["creative_id"], Range(as_of=before))
        assert dict(counted.drop("_interval").iter_rows()) == {"c0": 2, "c1": 2}
        assert store.count("bids", ["creative_id"], Range(until=datetime(2025, 1, 1))).is_empty()

    def test_events_can_be_selected_by_whether_they_have_an_amount(self, store: EventStore) -> None:
        amounts: list[dict[str, Any]] = [
            {}, {"cost": "0"}, {"clearing_price": "0.000000000001"}, {"cost": "1234567.5"},
            {"cost": "1", "clearing_price": "2"},
        ]  # fmt: skip
        rows = [given | {"user_id": f"u{number}"} for number, given in enumerate(amounts)]
        store.commit(outcome_of("impressions", *rows))

        def users(**selected: tuple[str, ...]) -> str:
            within = Range(**selected)  # type: ignore[arg-type]
            found = events(store, "impressions", within)["user_id"].str.strip_prefix("u")
            assert store.extent("impressions", within).events == len(found)
            self._check(store, "impressions", ["creative_id"], within)
            return "".join(sorted(found))

        assert users(having=("cost",)) == "134"
        assert users(having=("cost", "clearing_price")) == "1234"
        assert users(lacking=("cost",)) == "02"
        assert users(lacking=("cost", "clearing_price")) == "0"
        assert users(having=("clearing_price",), lacking=("cost",)) == "2"

    @pytest.mark.parametrize("column", ["auction_id", "user_id"])
    def test_events_can_be_selected_by_the_values_of_an_id(self, store: EventStore, column: str) -> None:
        ids = [text for text in TEXTS if text]
        outcome = outcome_of("impressions", *({"user_id": f"u{number}"} for number in range(len(ids))))
        store.commit(replace(outcome, events=outcome.events.with_columns(pl.Series(column, ids))))
        numbers = pl.Series([f"n{number}" for number in range(120_000)])

        def found(among: Collection[str]) -> list[str]:
            values = pl.concat([numbers, pl.Series(among, dtype=pl.String), numbers[:5]]).alias(column)
            frames = [*store.scan("impressions", [column, "offset"], EVERYTHING, among=values)]
            return sorted(value for frame in frames for value in frame[column])

        assert found([]) == []
        assert found(ids[3:9]) == sorted(ids[3:9])
        assert found([*ids, *ids]) == sorted(ids)
        nothing = pl.Series(column, [], dtype=pl.String)
        assert [*store.scan("impressions", [column], EVERYTHING, among=nothing)] == []

    def test_a_selection_by_value_reads_the_other_columns_and_ranges_as_any_scan(self, store: EventStore) -> None:
        times = [f"2026-0{month}-01T00:00:00" for month in range(1, 7)]
        rows = [
            {"timestamp": time, "auction_id": f"a{number % 3}", "amount": "1.5"} for number, time in enumerate(times)
        ]
        store.commit(outcome_of("bids", *rows))
        within = Range(datetime(2026, 2, 1), datetime(2026, 6, 1))
        wanted = pl.Series("auction_id", ["a1", "a2"])

        frame = pl.concat(store.scan("bids", ["amount", "auction_id", "event_time"], within, among=wanted))

        assert frame.columns == ["amount", "auction_id", "event_time"]
        assert frame["amount"].dtype == AMOUNT
        assert sorted(frame.iter_rows(), key=lambda row: row[2]) == [
            (Decimal("1.5"), f"a{month % 3}", datetime(2026, month + 1, 1)) for month in (1, 2, 4)
        ]

    def test_intervals_before_what_is_kept_are_empty(self, store: EventStore) -> None:
        rows = [{"timestamp": f"2026-0{month}-05T00:00:00", "creative_id": f"c{month}"} for month in (1, 2, 3, 4)]
        store.commit(outcome_of("bids", *rows))
        store.drop_before(store.period_start(datetime(2026, 3, 1)))

        edges = [datetime(2026, 1, 10), datetime(2026, 2, 10), datetime(2026, 4, 1)]
        counted = self._check(store, "bids", ["creative_id"], EVERYTHING, edges)
        assert sorted(counted.rows()) == [("c3", 2, 1), ("c4", 3, 1)]
        assert store.count("bids", ["creative_id"], Range(until=datetime(2026, 2, 1)), edges[:1]).is_empty()

    @staticmethod
    def _check(
        store: EventStore, feed: str, by: list[str], within: Range, edges: Sequence[datetime] = ()
    ) -> pl.DataFrame:
        """Check counts against a scan."""
        counted = store.count(feed, by, within, edges)
        read = Counter(
            (*row, bisect_right(edges, time))
            for frame in store.scan(feed, [*by, "event_time"], within)
            for *row, time in frame.iter_rows()
        )
        rows = [(tuple(keys), number) for *keys, number in counted.iter_rows()]
        assert dict(rows) == read
        assert len(rows) == len(read)
        return counted

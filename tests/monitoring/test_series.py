"""Tallies: correct counts, and incremental reads equal a single read."""

import statistics
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from advertisex.analysis.scan import scan
from advertisex.feeds import FEEDS
from advertisex.monitoring.series import TALLY, History, bucket_start, tally
from advertisex.stores.contract import Range
from advertisex.stores.duckdb.store import DuckdbStore
from tests.catalogues import catalogue_rows
from tests.monitoring.simulated_store import BUCKET, START, Traffic, World

KEYS = ["bucket", "feed", "campaign"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(tmp_path_factory.mktemp("series") / "store.duckdb", seed=1)
    made.play(12, Traffic(rejects=0.2, duplicates=0.2))
    return made


def test_tallies_match_a_count_of_single_events(world: World) -> None:
    found = tally(world.store, START, world.now, BUCKET)
    assert dict(found.schema) == TALLY
    events, clicks, conversions = Counter(), Counter(), Counter()
    delays = defaultdict(list)
    for feed in FEEDS:
        names = ["ingested_at", "event_time", *(["campaign_id"] if feed != "bids" else [])]
        names += ["clicks", "conversions"] if feed == "clicks" else []
        for row in pl.concat(scan(world.store, feed, names, Range())).iter_rows(named=True):
            bucket = bucket_start(row["ingested_at"], BUCKET)
            delays[bucket, feed].append((row["ingested_at"] - row["event_time"]).total_seconds())
            for campaign in {None, row.get("campaign_id")}:
                events[bucket, feed, campaign] += 1
                clicks[bucket, feed, campaign] += row.get("clicks", 0)
                conversions[bucket, feed, campaign] += row.get("conversions", 0)
    for row in found.iter_rows(named=True):
        key = (row["bucket"], row["feed"], row["campaign"])
        assert (row["events"], row["clicks"], row["conversions"]) == (events[key], clicks[key], conversions[key])
        expected = statistics.median(delays[key[:2]]) if row["campaign"] is None else None
        assert row["delay"] == (expected if expected is None else pytest.approx(expected))
    assert found["events"].sum() == sum(events.values())

    counts = sum((row.counts for row in world.store.ledger()), start=world.store.ledger()[0].counts.__class__())
    whole = found.filter(pl.col("campaign").is_null())
    assert whole["read"].sum() == counts.read
    assert whole["duplicate"].sum() == counts.duplicate
    assert whole["rejected"].sum() == counts.rejected
    assert found.select(KEYS).is_duplicated().sum() == 0


def test_incremental_reads_equal_a_single_read_and_old_tallies_are_dropped(world: World) -> None:
    at_once = tally(world.store, START, world.now, BUCKET).sort(KEYS)
    history = History(BUCKET, timedelta(days=5))
    for bucket in (1, 2, 2, 5, 12):
        history.extend(world.store, START + bucket * BUCKET)
    assert history.tallies.sort(KEYS).equals(at_once)

    history.extend(world.store, START + timedelta(days=6))
    assert history.tallies["bucket"].min() == START + timedelta(days=1)


def test_after_an_import_of_the_catalogue_all_campaigns_are_read_again(tmp_path: Path) -> None:
    world = World(tmp_path / "store.duckdb", seed=2)
    history = History(BUCKET, timedelta(days=5))
    world.play(2, then=lambda now: history.extend(world.store, bucket_start(now, BUCKET)))
    moved = catalogue_rows({"creative_id": ["c0", "c1"], "campaign_id": ["k9", "k1"], "advertiser_id": ["a", "a"]})

    world.store.import_catalogue(moved)
    history.extend(world.store, world.now)
    world.play(1)
    history.extend(world.store, world.now)

    impressions = history.tallies.filter(pl.col("feed") == "impressions")
    assert set(impressions["campaign"]) == {None, "k1", "k9"}
    assert history.tallies.sort(KEYS).equals(tally(world.store, START, world.now, BUCKET).sort(KEYS))


def test_an_empty_store_has_no_tallies(tmp_path: Path) -> None:
    with DuckdbStore(tmp_path / "store.duckdb") as store:
        assert tally(store, START, START + timedelta(days=2), BUCKET).is_empty()


def test_the_start_of_a_bucket() -> None:
    assert bucket_start(datetime(2026, 3, 2, 10, 29, 59), timedelta(minutes=15)) == datetime(2026, 3, 2, 10, 15)
    assert bucket_start(datetime(2026, 3, 2), timedelta(hours=3)) == datetime(2026, 3, 2)

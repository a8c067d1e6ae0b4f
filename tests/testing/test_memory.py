"""A log and a store in memory, and the clock that a test sets."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from advertisex.cli.options import opened_log, opened_store
from advertisex.errors import ConfigurationError, LogError, StoreMissing
from advertisex.feeds import FEEDS
from advertisex.logs.open import open_log
from advertisex.model import Counts
from advertisex.privacy.erasure import erase
from advertisex.processing.runner import Processing, process_log
from advertisex.settings.model import Settings
from advertisex.stores.contract import Range
from advertisex.stores.open import open_store
from advertisex.testing import ManualClock, memory_log, memory_store

CLICKS = [
    b'{"user_id": "u%d", "timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "click"}' % number
    for number in range(4)
]
START = datetime(2026, 1, 5, 12)


def test_events_are_processed_and_erased_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with memory_log() as log, memory_store() as store:
        log.append("clicks_conversions", CLICKS)
        process_log(log, store, Processing(FEEDS))
        erase("u1", log, store, FEEDS)

        (row,) = store.ledger()
        assert row.counts == Counts(read=4, stored=3, erased=1)
        assert store.extent("clicks", Range()).events == 3
        assert b"u1" not in b"".join(log.read("clicks_conversions", 0, 0, 10).payloads)
        assert [
            finding for finding in (*store.inspect(), *log.inspect(["clicks_conversions"])) if not finding.good
        ] == []
        assert log.size() == 0
    assert list(tmp_path.iterdir()) == []


def test_every_log_and_store_in_memory_is_another() -> None:
    with open_log("sqlite:///:memory:") as one, open_log("sqlite:///:memory:") as other:
        one.append("clicks_conversions", CLICKS)
        other.append("clicks_conversions", CLICKS[:1])
        assert one.identities(["clicks_conversions"]) != other.identities(["clicks_conversions"])
        assert (sum(one.end_offsets().values()), sum(other.end_offsets().values())) == (4, 1)
    with memory_store() as store, open_store("duckdb:///:memory:", read_only=False) as empty:
        store.take_note("some", {"key": b"{}"})
        assert empty.notes("some") == {}


def test_a_missing_log_or_store_in_memory_cannot_be_opened() -> None:
    with pytest.raises(LogError, match="not found"):
        open_log("sqlite:///:memory:", create=False)
    with pytest.raises(StoreMissing):
        open_store("duckdb:///:memory:", read_only=True)


def test_threads_can_append_to_a_log_in_memory_while_others_read_it() -> None:
    with memory_log() as log, ThreadPoolExecutor(4) as pool:

        def append(name: int) -> list[int]:
            runs = [log.append_each("t", [b"%d/%d/%d" % (name, run, i) for i in range(5)]) for run in range(50)]
            assert len(log.read("t", 0, runs[-1][0].offset, 5)) == 5
            return [position.offset for run in runs for position in run]

        offsets = list(pool.map(append, range(4)))
        batch = log.read("t", 0, 0, 10_000)
    assert sorted(offset for one in offsets for offset in one) == list(range(1000))
    for name, own in enumerate(offsets):
        expected = [b"%d/%d/%d" % (name, run, i) for run in range(50) for i in range(5)]
        assert [batch.payloads[offset] for offset in own] == expected


def test_the_clock_sets_the_times_of_appends_and_commits() -> None:
    clock = ManualClock(START)
    with memory_log(clock=clock.now) as log, memory_store(clock=clock.now) as store:
        log.append("clicks_conversions", CLICKS[:1])
        clock.advance(timedelta(minutes=5))
        process_log(log, store, Processing(FEEDS))

        (frame,) = store.scan("clicks", ["ingested_at", "processed_at"], Range())
        assert frame.rows() == [(START, START + timedelta(minutes=5))]
        assert store.settled() == clock.now()


def test_the_clock_moves_forward_and_back_and_reads_an_offset() -> None:
    clock = ManualClock(datetime.fromisoformat("2026-01-05T13:00:00+01:00"))
    assert clock.now() == START
    clock.sleep(1.5)
    clock.advance(timedelta(seconds=-2))
    assert clock.now() == START - timedelta(seconds=0.5)


def test_the_command_line_rejects_a_log_or_store_that_it_would_lose() -> None:
    settings = Settings(log="sqlite:///:memory:", store="duckdb:///:memory:")
    with pytest.raises(ConfigurationError, match="--log: sqlite:///:memory: would be lost"), opened_log(settings):
        pass
    with (
        pytest.raises(ConfigurationError, match="--store: duckdb:///:memory: would be lost"),
        opened_store(settings, read_only=False),
    ):
        pass

"""The promises of ARCHITECTURE.md, over a real log and a real store, for any mix of bytes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.codecs.avro_framing import HEADER
from advertisex.errors import LogError, StoreError
from advertisex.feeds import FEEDS
from advertisex.logs.contract import EventLog
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import EVENT_COLUMNS, REJECT_COLUMNS, Counts, LedgerRow
from advertisex.processing.policy import Policy
from advertisex.processing.runner import Committed, Processing, process_log
from advertisex.stores.contract import EventStore, Range, RejectQuery
from advertisex.stores.duckdb.store import DuckdbStore
from tests.budget import examples
from tests.processing.messages import GOOD, avro_message, written

POLICY = Policy(blocked_users=frozenset({"blocked"}), blocked_sites=frozenset({"blocked.example"}))

#: Values that give valid, invalid, filtered and repeated events of every feed.
VALUES: dict[str, list[Any]] = {
    "user_id": ["a", "b", "é", 7, "-7", "blocked", "null", "", None, "a\x00", 1.5, {}],
    "timestamp": ["2026-01-05T10:00:00Z", "2026-01-05 11:00:00+01:00", 1767607200.5, "2026-01-05T10:00:00.123456Z",
                  "0000-01-01T00:00:00Z", "x", None, -(10**11) + 1, [1]],
    "website": ["a.example.com", "https://blocked.example/x", "https://b.example.co.uk", "ftp://x", None, 5],
    "creative_id": ["c1", "", None, "c\n"],
    "campaign_id": ["k1", "k2", None, 3],
    "conversion_type": ["click", "signup", True, "0", None],
    "clicks": [1, "2", -1, "x", None, 2**63],
    "conversions": [0, 3, "-1", None],
    "value": [1.5, "2", "nan", "-1", None],
    "amount": [1.5, "0", -1, "1e999", None],
    "auction_id": ["a1", None, "\x7f"],
    "targeting": [{"k": "v"}, None, "t"],
}  # fmt: skip

#: Numbers of any size, and text that only looks like a number.
HUGE = st.integers() | st.sampled_from([2**63, 2**64, 2**127, -(2**127) - 1, 10**40, -(10**300)])
FLOATS = st.floats() | st.sampled_from([1e300, -1e308, 5e-324, -0.0])
WILD = (HUGE | FLOATS).map(json.dumps) | st.sampled_from(
    ["1e400", "-1e400", "1e-400", "-0", "1e99999999999999999999", "9" * 5000, "-" + "9" * 5000, '"' + "9" * 5000 + '"',
     '"1e400"', '"\\ud800"', '"\\u0000"', "[" * 992 + "]" * 992, "[" * 100_000 + "]" * 100_000]
)  # fmt: skip


def objects(feed: str) -> st.SearchStrategy[bytes]:
    """Nearly valid messages: a few fields of a valid one are replaced."""
    chosen = st.sets(st.sampled_from([f.name for f in FEEDS[feed].fields]), max_size=2)
    changes = chosen.flatmap(
        lambda names: st.fixed_dictionaries(
            {name: st.sampled_from(VALUES.get(name, [None])).map(json.dumps) | WILD for name in sorted(names)}
        )
    )
    return changes.map(lambda changed: written(feed, **changed))


def messages(feed: str) -> st.SearchStrategy[bytes]:
    binary = st.binary(max_size=30) | st.sampled_from([b"", b"[]", b"{}", b"null", b'{"user_id":"\\ud800"}'])
    if feed != "bids":
        return st.one_of(objects(feed), objects(feed), binary)
    times = st.sampled_from(["2026-01-05T10:00:00Z", "x", "1e400"]) | st.integers(-(2**63), 2**63 - 1)
    avro = st.builds(
        avro_message,
        st.sampled_from("ab") | HUGE.map(str),
        times,
        st.dictionaries(st.text(max_size=2), HUGE.map(str), max_size=1),
        amount=FLOATS | st.sampled_from([1.5, None]),
        creative_id=st.sampled_from(["c1", "\x00", "9" * 5000]),
    )
    return st.one_of(objects(feed), avro, avro.map(lambda whole: whole[:-3]), binary.map(lambda b: HEADER + b), binary)


TRAFFIC = st.lists(
    st.sampled_from(sorted(FEEDS)).flatmap(lambda feed: st.tuples(st.just(feed), messages(feed))), max_size=30
)
Traffic = Sequence[tuple[str, bytes]]


@contextmanager
def pipeline() -> Iterator[tuple[EventLog, EventStore]]:
    with (
        TemporaryDirectory() as folder,
        SqliteLog(Path(folder, "log.db")) as log,
        DuckdbStore(Path(folder, "store.duckdb"), memory="256MB") as store,
    ):
        yield log, store


def append(log: EventLog, traffic: Traffic, parts: int = 3) -> None:
    """Each feed's messages in order, in a few appends."""
    for feed in FEEDS.values():
        mine = [payload for name, payload in traffic if name == feed.name]
        step = len(mine) // parts + 1
        for start in range(0, len(mine), step):
            log.append(feed.topic, mine[start : start + step])


def process_all(log: EventLog, store: EventStore, batch_size: int = 7) -> Counts:
    return process_log(log, store, Processing(FEEDS, POLICY, batch_size=batch_size))


def stored(store: EventStore, feed: str, *, without: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    names = [n for n in (*EVENT_COLUMNS, *FEEDS[feed].columns, "topic", "partition") if n not in without]
    frames = list(store.scan(feed, names, Range()))
    return (
        sorted((row for frame in frames for row in frame.rows()), key=lambda row: row[names.index("offset")])
        if frames
        else []
    )


def contents(store: EventStore) -> dict[str, Any]:
    """Everything that is stored, except processing times."""
    return {
        **{feed: stored(store, feed) for feed in FEEDS},
        "rejects": store.rejects(RejectQuery()).select("topic", "partition", "feed", *REJECT_COLUMNS).rows(),
        "ledger": store.ledger(),
    }


# -- 1. the ledger balances ----------------------------------------------------------------------------------------


@settings(max_examples=examples(40))
@given(traffic=TRAFFIC, batch_size=st.integers(1, 12))
def test_the_ledger_balances_and_nothing_disappears(traffic: Traffic, batch_size: int) -> None:
    with pipeline() as (log, store):
        append(log, traffic)
        total = process_all(log, store, batch_size)
        ends = log.end_offsets()

        assert total.read == len(traffic)
        assert sum((row.counts for row in store.ledger()), Counts()) == total
        rejects = store.rejects(RejectQuery())
        for row in store.ledger():
            feed = next(f for f in FEEDS.values() if f.topic == row.topic)
            mine = rejects.filter(pl.col("topic") == row.topic)
            kinds = mine["kind"].to_list()
            assert row.counts.balanced
            assert row.next_offset == ends[row.topic, row.partition] == row.counts.read
            assert row.counts.stored == len(stored(store, feed.name))
            assert (row.counts.rejected, row.counts.filtered) == (kinds.count("rejected"), kinds.count("filtered"))
            assert set(mine["feed"]) <= {feed.name}
        for topic, partition, offset, payload in rejects.select("topic", "partition", "offset", "payload").iter_rows():
            assert list(log.read(topic, partition, offset, 1).payloads) == [payload]
        positions = [(topic, offset) for topic, offset in rejects.select("topic", "offset").iter_rows()]
        assert len(set(positions)) == len(positions)  # each position has at most one reject


# -- batches of any size -------------------------------------------------------------------------------------------


@settings(max_examples=examples(15))
@given(traffic=TRAFFIC, sizes=st.lists(st.integers(1, 40), min_size=2, max_size=3, unique=True))
def test_batches_of_any_size_give_equal_stores(traffic: Traffic, sizes: list[int]) -> None:
    found = []
    with TemporaryDirectory() as folder, SqliteLog(Path(folder, "log.db")) as log:
        append(log, traffic)
        for size in sizes:
            with DuckdbStore(Path(folder, f"{size}.duckdb"), memory="256MB") as store:
                process_all(log, store, size)
                found.append(contents(store))

    assert found == [found[0]] * len(sizes)


# -- 2. exactly once -----------------------------------------------------------------------------------------------


@settings(max_examples=examples(15))
@given(traffic=TRAFFIC)
def test_running_twice_adds_nothing(traffic: Traffic) -> None:
    with pipeline() as (log, store):
        append(log, traffic)
        process_all(log, store)
        before = contents(store)

        assert process_all(log, store) == Counts()
        assert contents(store) == before


@settings(max_examples=examples(15))
@given(traffic=TRAFFIC)
def test_the_same_messages_again_are_duplicates_and_rejects_and_add_no_events(traffic: Traffic) -> None:
    with pipeline() as (log, store):
        append(log, traffic)
        first = process_all(log, store)
        events = {feed: stored(store, feed) for feed in FEEDS}
        append(log, traffic, parts=2)

        again = process_all(log, store, batch_size=5)

        assert {feed: stored(store, feed) for feed in FEEDS} == events
        assert again == Counts(
            read=first.read,
            erased=first.erased,
            duplicate=first.stored + first.duplicate,
            filtered=first.filtered,
            rejected=first.rejected,
            conflict=first.conflict,
        )


#: Few users, times and campaigns, so that many rows are the same event.
ROWS = st.tuples(
    st.sampled_from(["a", "b", "1"]), st.integers(0, 3), st.sampled_from(["x", "y"]),
    st.sampled_from(["click", "signup"]),
    st.none() | st.sampled_from([0.5, 1.0]),
)  # fmt: skip


#: Columns that these rows do not vary.
OUTSIDE = ("currency", "transaction_id", "click_id", "app", "user_agent")


@settings(max_examples=examples(25))
@given(rows=st.lists(ROWS, max_size=60), batch_size=st.integers(1, 20))
def test_deduplication_equals_a_set_over_the_identity(rows: list[tuple[Any, ...]], batch_size: int) -> None:
    """The notation of times and numbers, and fields outside the identity, vary from row to row."""
    payloads = []
    for place, (user, minute, campaign, kind, value) in enumerate(rows):
        instant = datetime(2026, 1, 5, 10, minute)
        notation = (instant.isoformat() + "Z", instant.isoformat(" "), f"{instant + timedelta(hours=2):%FT%T}+02:00")[
            place % 3
        ]
        row = {"user_id": int(user) if user == "1" and place % 2 else user, "timestamp": notation, "campaign": campaign}
        row |= {"conversion_type": kind, "value": value if place % 2 else value and str(value)}
        row |= {"user_agent": str(place)}
        payloads.append(json.dumps(row).encode())

    with pipeline() as (log, store):
        append(log, [("clicks", payload) for payload in payloads])
        total = process_all(log, store, batch_size)
        found = stored(
            store, "clicks", without=("event_id", "user_slice", "ingested_at", "topic", "partition", *OUTSIDE)
        )
        conflicts = store.rejects(RejectQuery(kind="conflict"))

    first_of_each = {row: place for place, row in reversed(list(enumerate(rows)))}
    repeated = [place for place, row in enumerate(rows) if first_of_each[row] != place]
    counted = len(repeated)
    assert total == Counts(read=len(rows), stored=len(set(rows)), duplicate=counted, conflict=counted)
    assert conflicts["detail"].to_list() == [
        f"user_agent: '{place}' differs from the stored '{first_of_each[rows[place]]}'" for place in repeated
    ]
    assert conflicts["payload"].to_list() == [payloads[place] for place in repeated]
    assert found == [
        (place, user, datetime(2026, 1, 5, 10, minute), campaign, kind, kind == "click", kind != "click", value)
        for (user, minute, campaign, kind, value), place in sorted(first_of_each.items(), key=lambda item: item[1])
    ]


# -- the loop ------------------------------------------------------------------------------------------------------


def good(feed: str, count: int) -> list[tuple[str, bytes]]:
    return [(feed, json.dumps(GOOD[feed] | {"user_id": f"u{i}"}).encode()) for i in range(count)]


def test_topics_without_a_feed_are_ignored() -> None:
    with pipeline() as (log, store):
        log.append("someone_else's", [b"x"])
        append(log, good("bids", 2))

        assert process_all(log, store).read == 2
        assert [row.topic for row in store.ledger()] == ["avro_data_topic"]


def test_a_stop_ends_the_run_after_the_current_commit_and_the_next_run_continues_there() -> None:
    with pipeline() as (log, store):
        append(log, good("clicks", 50))
        stop, seen = Event(), list[Committed]()

        def on_commit(committed: Committed) -> None:
            seen.append(committed)
            if len(seen) == 2:
                stop.set()

        assert process_log(log, store, Processing(FEEDS, batch_size=10), stop=stop, on_commit=on_commit).stored == 20
        (log_id,) = log.identities(["clicks_conversions"]).values()
        (append_id,) = log.append_ids(store.positions()).values()
        assert store.ledger() == [LedgerRow("clicks_conversions", 0, 20, Counts(read=20, stored=20), log_id, append_id)]
        assert process_all(log, store).stored == 30
        assert [(one.outcome.span.start, one.counts.stored) for one in seen] == [(0, 10), (10, 10)]
        assert all(min(one.seconds.read, one.seconds.process, one.seconds.commit) > 0 for one in seen)


def test_after_an_interrupt_between_commits_the_next_run_continues() -> None:
    with pipeline() as (log, store):
        append(log, good("clicks", 50))

        def interrupt(committed: Committed) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            process_log(log, store, Processing(FEEDS, batch_size=10), on_commit=interrupt)
        assert process_all(log, store) == Counts(read=40, stored=40)


def test_following_processes_messages_appended_meanwhile() -> None:
    with pipeline() as (log, store):
        append(log, good("clicks", 3))
        stop, seen = Event(), list[int]()

        def on_commit(committed: Committed) -> None:
            seen.append(committed.counts.stored)
            if len(seen) == 1:
                append(log, good("bids", 2))
            else:
                stop.set()

        total = process_log(log, store, Processing(FEEDS, follow=True), stop=stop, on_commit=on_commit)

        assert (seen, total.stored) == ([3, 2], 5)


def test_an_error_of_the_log_is_raised_after_earlier_messages_are_committed() -> None:
    class Failing(SqliteLog):
        def read(self, topic: str, partition: int, offset: int, limit: int) -> Any:
            if offset:
                raise LogError("the disk is gone")
            return super().read(topic, partition, offset, limit)

    with TemporaryDirectory() as folder, DuckdbStore(Path(folder, "store.duckdb")) as store:
        with Failing(Path(folder, "log.db")) as log:
            append(log, good("clicks", 10))
            with pytest.raises(LogError, match="the disk is gone"):
                process_all(log, store, batch_size=4)
        assert [row.next_offset for row in store.ledger()] == [4]


def test_a_log_replaced_by_a_longer_one_is_not_read_from_the_middle() -> None:
    with TemporaryDirectory() as folder, DuckdbStore(Path(folder, "store.duckdb")) as store:
        with SqliteLog(Path(folder, "log.db")) as log:
            append(log, good("clicks", 10))
            process_all(log, store)
        with SqliteLog(Path(folder, "other.db")) as other:
            append(other, good("clicks", 30))
            with pytest.raises(StoreError, match="the ledger belongs to another log") as caught:
                process_all(other, store)
        assert "advertisex rebuild" in caught.value.hint
        with SqliteLog(Path(folder, "log.db")) as log:
            append(log, good("clicks", 15))
            assert process_all(log, store) == Counts(read=15, stored=5, duplicate=10)

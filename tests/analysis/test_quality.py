"""Delays, ledger history, discrepancies and suspects: against plain Python on small random data sets, and by hand."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA, is_crawler
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.quality import invalid_traffic
from advertisex.analysis.quality.crawlers import crawlers
from advertisex.analysis.quality.report import SUSPECTED_USERS, quality
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.model import EVENT_COLUMNS, Batch, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore, Range
from advertisex.stores.duckdb.store import DuckdbStore
from tests.analysis import quality_oracle as oracle
from tests.analysis.small_worlds import scopes
from tests.budget import examples
from tests.catalogues import catalogue_rows, with_campaign

Stored = Callable[..., EventStore]
Row = dict[str, Any]

EVERYTHING = Scope()
START = datetime(2026, 3, 1, 12)
#: Default ingestion time of a message.
INGESTED = datetime(2026, 5, 1)
#: Creative c2 moves to campaign k1 within the times of the random data sets.
CATALOGUE = catalogue_rows(
    {
        "creative_id": ["c1", "c2", "c2"],
        "campaign_id": ["k1", "k2", "k1"],
        "advertiser_id": ["a", "a", "a"],
        "valid_from": [None, None, datetime(2026, 3, 1, 12, 0, 1)],
    }
)
ROBOT, BROWSER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Mozilla/5.0 Firefox/140.0"
LEAST = {  # minimal message of each feed
    "impressions": {"user_id": "u", "website": "one.example", "creative_id": "c1"},
    "clicks": {"user_id": "u", "campaign_id": "k1", "conversion_type": "click"},
    "bids": {"user_id": "u"},
}


def after(**passed: float) -> str:
    return (START + timedelta(**passed)).isoformat() + "Z"


class Filled:
    """An in-memory store with events."""

    def __init__(self, store: DuckdbStore) -> None:
        self.store = store

    def commit(self, feed: str, *messages: Row | bytes) -> None:
        """Store messages, given as changes to the minimal one; `ingested` is the ingestion time."""
        start = sum(row.next_offset for row in self.store.ledger() if row.topic == FEEDS[feed].topic)
        payloads = [m if isinstance(m, bytes) else json.dumps(LEAST[feed] | m, default=str).encode() for m in messages]
        ingested = [INGESTED if isinstance(m, bytes) else m.get("ingested", INGESTED) for m in messages]
        micros = [(time - datetime(1970, 1, 1)) // timedelta(microseconds=1) for time in ingested]
        end = start + len(payloads)
        batch = Batch(Span(FEEDS[feed].topic, 0, start, end), range(start, end), payloads, micros)
        self.store.commit(process(batch, FEEDS[feed], Policy()))

    def rows(self, feed: str, scope: Scope = EVERYTHING) -> list[Row]:
        names = [*EVENT_COLUMNS, *FEEDS[feed].columns, "topic", "partition"]
        rows = [row for frame in self.store.scan(feed, names, scope.within) for row in frame.iter_rows(named=True)]
        rows = with_campaign(rows, self.store.catalogue(scope.as_of))
        return [row for row in rows if scope.campaign in (None, row["campaign_id"])]


@contextmanager
def filled(**feeds: Sequence[Row]) -> Iterator[Filled]:
    """A store with these events, and `CATALOGUE`."""
    with DuckdbStore(Path(":memory:")) as store:
        store.import_catalogue(CATALOGUE)
        data = Filled(store)
        for feed, messages in feeds.items():
            data.commit(feed, *messages)
        yield data


# -- against plain loops -----------------------------------------------------------------------------------------

DAYS_30 = 30 * 86_400_000_000
#: µs after the start: around the limits of every window, and close together.
PASSED = st.sampled_from([0, 1, 150_000, 299_999, 300_000, 450_000, 999_999, 1_000_000, 1_000_001]).flatmap(
    lambda near: st.sampled_from([0, 0, 0, 86_400_000_000, DAYS_30, -DAYS_30]).map(lambda far: near + far)
)
TIMES = PASSED.map(lambda passed: after(microseconds=passed))
USERS = st.sampled_from(["u1", "u1", "u1", "u2"])
AUCTIONS = st.sampled_from([None, "a1", "a2", "a3"])
AGENTS = st.sampled_from([None, BROWSER, ROBOT])
#: Stored in upper case if ISO 4217 has it, else as sent.
CURRENCIES = st.sampled_from([None, "EUR", "usd", "ZZZ", "eurr"])
LATE = st.integers(-5_000_000, 90_000_000).map(lambda late: START + timedelta(days=2, microseconds=late))
DATASETS = st.fixed_dictionaries(
    {
        "impressions": st.lists(
            st.fixed_dictionaries(
                {
                    "user_id": USERS,
                    "timestamp": TIMES,
                    "website": st.sampled_from([f"{name}.example" for name in "abcdefg"] + ["127.0.0.1"]),
                    "creative_id": st.sampled_from(["c1", "c1", "c2", "stray1", "stray2"]),
                    "auction_id": AUCTIONS,
                    "currency": CURRENCIES,
                    "user_agent": AGENTS,
                    "ingested": LATE,
                }
            ),
            max_size=25,
        ),
        "clicks": st.lists(
            st.fixed_dictionaries(
                {
                    "user_id": USERS,
                    "timestamp": TIMES,
                    "campaign_id": st.sampled_from(["k1", "k1", "k2", "misspelt"]),
                    "clicks": st.integers(0, 2),
                    "conversions": st.integers(0, 1),
                    "currency": CURRENCIES,
                    "user_agent": AGENTS,
                    "ingested": LATE,
                }
            ),
            min_size=1,
            max_size=20,
        ),
        "bids": st.lists(
            st.fixed_dictionaries(
                {
                    "timestamp": TIMES,
                    "creative_id": st.sampled_from([None, "c1", "stray1", "stray3"]),
                    "auction_id": AUCTIONS,
                    "currency": CURRENCIES,
                    "ingested": LATE,
                }
            ),
            max_size=10,
        ),
    }
)
BOUND = st.none() | PASSED.map(lambda passed: START + timedelta(microseconds=passed))
SCOPES = scopes(BOUND)


def ingested_after_event(dataset: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Ingest later events later, because events far in the future are rejected."""
    for rows in dataset.values():
        for row in rows:
            row["ingested"] += max(timedelta(0), datetime.fromisoformat(row["timestamp"][:-1]) - START)
    return dataset


@settings(max_examples=examples(30))
@given(DATASETS.map(ingested_after_event), SCOPES, st.sampled_from([0, 3, 100]))
def test_all_numbers_match_plain_loops(dataset: dict[str, list[Row]], scope: Scope, limit: int) -> None:
    with filled(**dataset) as data:
        every = {feed: data.rows(feed) for feed in FEEDS}
        before_end = {
            feed: [r for r in rows if scope.until is None or r["event_time"] < scope.until]
            for feed, rows in every.items()
        }
        own = {feed: data.rows(feed, scope) for feed in FEEDS}
        if not any(own.values()):
            with pytest.raises(AnalysisError, match="no events"):
                quality(data.store, scope)
            return
        answer = quality(data.store, scope, limit=limit)

    assert answer.parameters["limit"] == limit
    assert answer.computed_from == {feed: len(rows) for feed, rows in own.items()}
    assert_delays(answer, own)
    assert_discrepancies(answer, own, before_end, every["bids"], limit)
    assert_suspects(answer, own, before_end["impressions"], limit)


def shown(feed: str, row: Row) -> tuple[Any, ...]:
    """The listed columns of an event."""
    place = (row[name] for name in ("user_id", "campaign_id", "topic", "partition", "offset"))
    return feed, row["event_time"], row["event_id"].hex(), *place


def assert_delays(answer: Answer, own: dict[str, list[Row]]) -> None:
    expected = []
    for feed, rows in own.items():
        late = [(r["ingested_at"] - r["event_time"]) // timedelta(microseconds=1) for r in rows]
        if late:
            quantiles = [min(late), *(oracle.percentile(late, percent) for percent in (50, 90, 95, 99)), max(late)]
            seconds = [Decimal(q).scaleb(-6) for q in quantiles]
            expected.append((feed, len(late), sum(x < 0 for x in late), *seconds))
    assert answer.table("delays").rows() == expected


def assert_discrepancies(
    answer: Answer, own: dict[str, list[Row]], before_end: dict[str, list[Row]], bids: list[Row], limit: int
) -> None:
    clicks = [r for r in own["clicks"] if r["clicks"] > 0]
    conversions = [r for r in own["clicks"] if r["conversions"] > 0]
    named = [r for r in own["impressions"] if r["auction_id"] is not None]
    found = {
        "clicks_without_impression": oracle.clicks_without_impression(own["clicks"], before_end["impressions"]),
        "conversions_without_touch": oracle.conversions_without_touch(
            own["clicks"], before_end["clicks"], before_end["impressions"]
        ),
        "impressions_without_bid": oracle.impressions_without_bid(own["impressions"], bids),
        "impressions_without_auction": [r for r in own["impressions"] if r["auction_id"] is None],
    }
    known = set(CATALOGUE["campaign_id"])
    campaigns = oracle.campaigns_without_creative(own["clicks"], known)
    orphaned = oracle.creatives_without_campaign(own["impressions"], own["bids"])
    creatives = {r["creative_id"] for feed in ("impressions", "bids") for r in own[feed]} - {None}
    rows = {row[0]: row[1:] for row in answer.table("discrepancies").iter_rows()}
    impressions = len(own["impressions"])
    assert {name: (count, of) for name, (count, of, _) in rows.items()} == {
        "clicks_without_impression": (len(found["clicks_without_impression"]), len(clicks)),
        "conversions_without_touch": (len(found["conversions_without_touch"]), len(conversions)),
        "creatives_without_campaign": (len(orphaned), len(creatives)),
        "campaigns_without_creative": (len(campaigns), len({r["campaign_id"] for r in own["clicks"]})),
        "impressions_without_bid": (len(found["impressions_without_bid"]), len(named)),
        "impressions_without_auction": (impressions - len(named), impressions),
    }
    assert all(share == (count / of if of else None) for count, of, share in rows.values())
    suspect = [
        (name, *shown("impressions" if name.startswith("impressions") else "clicks", row))
        for name, those in found.items()
        for row in sorted(those, key=oracle.place)[:limit]
    ]
    assert answer.table("suspect").rows() == suspect
    most = sorted(orphaned.items(), key=lambda one: (-sum(one[1]), one[0]))
    table = [(creative, *counts) for creative, counts in most[:limit]]
    assert answer.table("creatives_without_campaign").rows() == table
    assert answer.table("campaigns_without_creative").rows() == by_count(campaigns.items())[:limit]
    currencies = oracle.unknown_currencies(own, {"EUR", "USD"})
    assert answer.table("currencies").rows() == [(*name, n) for name, n in by_count(currencies.items())[:limit]]
    ids = {"creatives": [sum(counts) for counts in orphaned.values()], "campaigns": list(campaigns.values())}
    assert {
        name: fact for name, fact in answer.facts.items() if name not in ("suspected_events", "invalid_events")
    } == {f"unknown_{kind}": {"ids": len(events), "events": sum(events)} for kind, events in ids.items() if events}


def by_count(counts: Iterable[tuple[Any, int]]) -> list[tuple[Any, int]]:
    """Most events first, then by name."""
    return sorted(counts, key=lambda one: (-one[1], one[0]))


def assert_suspects(answer: Answer, own: dict[str, list[Row]], impressions: list[Row], limit: int) -> None:
    found = {
        ("impossible_speed", "impressions"): oracle.runs(own["impressions"], on_domains=True),
        ("impossible_speed", "clicks"): oracle.runs(own["clicks"], on_domains=False),
        ("instant_click", "clicks"): oracle.instant_clicks(own["clicks"], own["impressions"], impressions),
        ("rate_outlier", "impressions"): set(),
        ("rate_outlier", "clicks"): set(),
        **{
            ("crawler", feed): {r["event_id"] for r in own[feed] if r["user_agent"] == ROBOT}
            for feed in ("impressions", "clicks")
        },
    }
    unknown = {reason for (reason, _), ids in found.items() if ids is None}
    assert unknown <= {"instant_click"}
    assert ("not_evaluated" in answer.parameters["instant_click"]) == bool(unknown)
    of = {r["event_id"]: r for feed in ("impressions", "clicks") for r in own[feed]}
    table = answer.table("suspected").rows()
    assert table == [
        (reason, KINDS[reason], feed, None, None, len(own[feed]), None) if ids is None else
        (reason, KINDS[reason], feed, len(ids), len({of[i]["user_id"] for i in ids}), len(own[feed]),
         len(ids) / len(own[feed]) if own[feed] else None)
        for (reason, feed), ids in found.items()
    ]  # fmt: skip
    suspects = {key: ids or set() for key, ids in found.items()}
    flagged = []
    for reason in KINDS:
        rows = [(feed, of[i]) for (why, feed), ids in suspects.items() if why == reason for i in ids]
        first = sorted(rows, key=lambda one: oracle.place(one[1]))[:limit]
        flagged += [(reason, *shown(feed, row)) for feed, row in first]
    assert answer.table("flagged").rows() == flagged
    distinct = {
        feed: set().union(*(ids for (_, f), ids in suspects.items() if f == feed)) for feed in invalid_traffic.LEAST
    }
    assert answer.facts["suspected_events"] == {feed: len(ids) for feed, ids in distinct.items()}
    general = {feed: suspects["crawler", feed] for feed in distinct}
    assert answer.facts["invalid_events"] == {
        "general": {feed: len(ids) for feed, ids in general.items()},
        "sophisticated": {feed: len(ids - general[feed]) for feed, ids in distinct.items()},
    }
    users = []
    for user in {of[i]["user_id"] for ids in suspects.values() for i in ids}:
        counts = [
            None if reason in unknown else
            sum(of[i]["user_id"] == user for (why, _), ids in suspects.items() if why == reason for i in ids)
            for reason in KINDS
        ]  # fmt: skip
        users.append((user, sum(of[i]["user_id"] == user for ids in distinct.values() for i in ids), *counts))
    assert answer.table("suspected_users").rows() == sorted(users, key=lambda u: (-u[1], u[0]))[:SUSPECTED_USERS]


#: The reasons that apply without addresses, in the order of answers.
KINDS = dict.fromkeys(("impossible_speed", "instant_click", "rate_outlier"), "sophisticated") | {"crawler": "general"}


# -- by hand -----------------------------------------------------------------------------------------------------


def suspected(answer: Answer) -> dict[tuple[str, str], int]:
    return {(reason, feed): events for reason, _, feed, events, *_ in answer.table("suspected").iter_rows() if events}


def counted(answer: Answer) -> dict[str, int]:
    return dict(answer.table("discrepancies").select("discrepancy", "count").iter_rows())


@pytest.mark.parametrize(("millis", "is_run"), [(200, True), (249, True), (250, False), (251, False)])
def test_five_clicks_in_less_than_a_second_are_suspect(millis: int, is_run: bool) -> None:
    clicks = [{"timestamp": after(seconds=0.7, milliseconds=n * millis)} for n in range(5)]
    slow = {"timestamp": after(seconds=9)}
    of_others = [{"user_id": f"u{n}", "timestamp": after()} for n in range(9)]
    with filled(clicks=[*clicks, slow, *of_others]) as data:
        answer = quality(data.store, Scope())

    assert suspected(answer) == ({("impossible_speed", "clicks"): 5} if is_run else {})


def test_five_sites_at_once_are_a_run_but_many_ads_on_one_page_are_not() -> None:
    page = [{"user_id": "a", "timestamp": after(milliseconds=n), "creative_id": f"c{n}"} for n in range(30)]
    sites = [{"user_id": "b", "timestamp": after(milliseconds=n), "website": f"s{n}.example"} for n in range(5)]
    tabs = [{"user_id": "c", "timestamp": after(milliseconds=n), "website": f"s{n % 4}.example"} for n in range(30)]
    with filled(impressions=[*page, *sites, *tabs]) as data:
        answer = quality(data.store, Scope())

    assert suspected(answer) == {("impossible_speed", "impressions"): 5}
    assert answer.table("suspected_users")["user_id"].to_list() == ["b"]


@pytest.mark.parametrize(
    ("seen", "clicked", "is_instant"),
    [
        (1, 1, False), (1, 2, True), (1, 300_000, True), (1, 300_001, False), (999_999, 1_000_001, True),
        (0, 150_000, False), (900_000, 1_000_000, False),
    ],
)  # fmt: skip
def test_instant_clicks_are_suspect(seen: int, clicked: int, is_instant: bool) -> None:
    """Neither a click at the time of its impression, nor one with a whole second on either side."""
    other = {"user_id": "other", "timestamp": after(microseconds=123), "campaign_id": "k2"}
    impressions = [{"timestamp": after(microseconds=seen)}, other]
    with filled(impressions=impressions, clicks=[{"timestamp": after(microseconds=clicked)}, other]) as data:
        answer = quality(data.store, Scope())

    assert suspected(answer) == ({("instant_click", "clicks"): 1} if is_instant else {})
    assert "not_evaluated" not in answer.parameters["instant_click"]


@pytest.mark.parametrize(
    ("seen", "clicked", "why"),
    [
        (0, 0, "all times of clicks and impressions are in whole seconds"),
        (1, 0, "all times of clicks are in whole seconds"),
        (0, 1, "all times of impressions are in whole seconds"),
    ],
)
def test_instant_clicks_need_times_with_fractions(seen: int, clicked: int, why: str) -> None:
    impressions = [{"timestamp": after(seconds=n, microseconds=seen)} for n in range(3)]
    clicks = [{"timestamp": after(seconds=n, microseconds=clicked)} for n in range(3)]
    with filled(impressions=impressions, clicks=clicks) as data:
        answer = quality(data.store, Scope())

    assert answer.parameters["instant_click"]["not_evaluated"] == why
    assert f"instant_click cannot be evaluated: {why}." in answer.notes
    rows = {row["reason"]: row for row in answer.table("suspected").rows(named=True) if row["feed"] == "clicks"}
    assert rows["instant_click"] == {
        "reason": "instant_click", "kind": "sophisticated", "feed": "clicks", "events": None, "users": None, "of": 3,
        "share": None,
    }  # fmt: skip
    assert rows["impossible_speed"]["events"] == 0


def test_times_outside_the_scope_do_not_matter_to_instant_clicks() -> None:
    times = [after(), after(days=1, microseconds=5)]
    with filled(
        impressions=[{"timestamp": time} for time in times], clicks=[{"timestamp": time} for time in times]
    ) as data:
        first = quality(data.store, Scope(until=START + timedelta(days=1)))
        every = quality(data.store, Scope())

    assert ["not_evaluated" in each.parameters["instant_click"] for each in (first, every)] == [True, False]


def population(users: int, heavy: int) -> list[Row]:
    """Users with one to three clicks a day and one heavy user, all at normal speed."""
    rows = [
        {"user_id": f"u{user}", "timestamp": after(minutes=n)} for user in range(users - 1) for n in range(1 + user % 3)
    ]
    return rows + [{"user_id": "heavy", "timestamp": after(minutes=n)} for n in range(heavy)]


@pytest.mark.parametrize(
    ("users", "heavy", "flagged"), [(100, 23, 23), (100, 22, 0), (99, 500, 0), (150, 60, 60), (100, 3, 0)]
)
def test_rate_outliers_are_suspect(users: int, heavy: int, flagged: int) -> None:
    """The median is 2 clicks a day and the spread ln 2, so the limit is 2 · exp(3.5 · ln 2) = 22.6."""
    with filled(clicks=population(users, heavy)) as data:
        answer = quality(data.store, Scope())
        rows = data.rows("clicks")

    assert suspected(answer) == ({("rate_outlier", "clicks"): flagged} if flagged else {})
    assert answer.parameters["rate_outlier"]["from"] == {"clicks": 23 if users >= 100 else None, "impressions": None}
    if users >= 100:
        found, first = oracle.outliers(rows, "clicks", 20)
        assert (len(found), first) == (flagged, 23)


@settings(max_examples=examples(10))
@given(st.lists(st.integers(1, 300), min_size=100, max_size=130), st.integers(1, 5))
def test_rates_match_plain_loops(numbers: list[int], spread: int) -> None:
    rows = [
        {"user_id": f"u{user}", "timestamp": after(days=user % spread), "clicks": number}
        for user, number in enumerate(numbers)
    ]
    few = [{"user_id": f"v{n}", "timestamp": after(days=n % 2), "clicks": 1 + n % 2} for n in range(150)]
    with filled(clicks=[*rows[: len(rows) // 3], *few]) as data:
        answer = quality(data.store, Scope())
        found, first = oracle.outliers(data.rows("clicks"), "clicks", 20)

    assert answer.parameters["rate_outlier"]["from"]["clicks"] == first
    assert suspected(answer).get(("rate_outlier", "clicks"), 0) == len(found)


def test_impressions_have_their_own_rate() -> None:
    ordinary = [{"user_id": f"u{n}", "timestamp": after()} for n in range(120)]
    heavy = [{"user_id": "heavy", "timestamp": after(seconds=5 * n)} for n in range(100)]
    with filled(impressions=[*ordinary, *heavy]) as data:
        answer = quality(data.store, Scope())
        found, first = oracle.outliers(data.rows("impressions"), None, 100)

    assert (len(found), first) == (100, 100)
    assert suspected(answer) == {("rate_outlier", "impressions"): 100}


def test_discrepancy_windows_are_inclusive() -> None:
    shown = [{"user_id": "a", "timestamp": after()}, {"user_id": "b", "timestamp": after(microseconds=-1)}]
    clicks = [{"user_id": user, "timestamp": after(days=30)} for user in "ab"]
    buys = [
        {"user_id": user, "timestamp": after(days=1), "conversion_type": "buy", "campaign_id": "k2"} for user in "ab"
    ]
    late = {"ingested": START + timedelta(days=40)}
    with filled(impressions=shown, clicks=[row | late for row in (*clicks, *buys)]) as data:
        answer = quality(data.store, Scope())

    counts = counted(answer)
    assert (counts["clicks_without_impression"], counts["conversions_without_touch"]) == (1, 1)
    users = answer.table("suspect").select("discrepancy", "user_id").rows()[:2]
    assert users == [("clicks_without_impression", "b"), ("conversions_without_touch", "b")]


def test_listed_events_have_the_campaign_of_the_catalogue_at_that_time() -> None:
    moved = catalogue_rows({"creative_id": ["c1"], "campaign_id": ["k9"]})
    with filled(impressions=[{"timestamp": after()}], clicks=[{"timestamp": after(days=1), "user_id": "v"}]) as data:
        earlier = data.store.settled()
        data.store.import_catalogue(moved)
        before, now = (quality(data.store, Scope(as_of=as_of)) for as_of in (earlier, None))

    campaigns = [answer.table("suspect").select("discrepancy", "campaign_id").rows() for answer in (before, now)]
    assert campaigns == [
        [("clicks_without_impression", "k1"), ("impressions_without_auction", campaign)] for campaign in ("k1", "k9")
    ]


def test_names_that_the_catalogue_does_not_have_come_with_a_hint() -> None:
    shown = [{"timestamp": after(seconds=n), "creative_id": "stray"} for n in range(3)]
    clicks = [{"timestamp": after(seconds=n, microseconds=5), "campaign_id": "misspelt"} for n in range(2)]
    with filled(impressions=shown, clicks=clicks, bids=[{"timestamp": after(), "creative_id": "stray"}]) as data:
        before = data.store.settled()
        first = quality(data.store, Scope())
        names = {"creative_id": ["stray", "c"], "campaign_id": ["k3", "misspelt"]}
        data.store.import_catalogue(catalogue_rows(names))
        then, now = (quality(data.store, Scope(as_of=as_of)) for as_of in (before, None))

    for answer in (first, then):
        assert answer.facts["unknown_creatives"] == {"ids": 1, "events": 4}
        assert answer.facts["unknown_campaigns"] == {"ids": 1, "events": 2}
        assert answer.table("creatives_without_campaign").rows() == [("stray", 3, 1)]
        assert answer.table("campaigns_without_creative").rows() == [("misspelt", 2)]
        hints = [note for note in answer.notes if "advertisex catalogue import" in note]
        assert [name in hint for name, hint in zip(("stray", "misspelt"), hints, strict=True)] == [True, True]
    assert not any("catalogue" in note for note in now.notes)
    assert set(now.facts) == {"suspected_events", "invalid_events"}
    assert (counted(now)["creatives_without_campaign"], counted(now)["campaigns_without_creative"]) == (0, 0)


def test_currencies_that_iso_4217_does_not_have_are_listed() -> None:
    paid = [{"timestamp": after(seconds=n), "currency": code} for n, code in enumerate(("EUR", "eur", "Gold", "Gold"))]
    with filled(impressions=paid, clicks=paid[2:3]) as data:
        answer = quality(data.store, Scope())
        none = quality(data.store, Scope(until=START + timedelta(seconds=2)))

    assert answer.table("currencies").rows() == [("impressions", "Gold", 2), ("clicks", "Gold", 1)]
    assert none.table("currencies").is_empty()


def test_events_before_the_scope_still_count() -> None:
    with filled(impressions=[{"timestamp": after(), "auction_id": "a"}]) as data:
        data.commit("bids", {"timestamp": after(seconds=-1), "auction_id": "a", "creative_id": "c1"})
        data.commit("clicks", {"timestamp": after(days=2)}, {"timestamp": after(days=2), "conversion_type": "buy"})
        inside = quality(data.store, Scope(since=START + timedelta(days=1)))
        edge = quality(data.store, Scope(since=START))

    assert counted(inside)["clicks_without_impression"] == 0
    assert counted(edge)["impressions_without_bid"] == 0


def test_untouched_conversions_are_unattributed(stored: Stored) -> None:
    store = stored(
        CATALOGUE,
        impressions=[{"user_id": "a", "timestamp": "2026-01-05T09:00:00Z"}],
        clicks=[
            {"user_id": "a", "conversion_type": "buy"},
            {"user_id": "b", "conversion_type": "buy"},
            {"user_id": "c", "clicks": 1, "conversions": 1},
        ],
    )

    facts = attribute(store, Scope()).facts

    assert counted(quality(store, Scope()))["conversions_without_touch"] == 1
    assert facts["conversions"] - facts["attributed"] == 1


def test_ledger_and_reject_counts() -> None:
    with filled() as data:
        data.commit(
            "clicks",
            {"timestamp": after()},
            {"timestamp": after()},
            b"nonsense",
            {"user_id": "-5", "timestamp": after()},
        )
        data.commit("clicks", {"timestamp": after()}, {"timestamp": after(), "user_id": "null"})
        answer = quality(data.store, Scope())
        hours = data.store.commits()["committed_at"].dt.truncate("1h").unique().to_list()
        earlier = data.store.commits()["committed_at"][0]
        first = quality(data.store, Scope(as_of=earlier))
        nothing = Scope(since=datetime(2020, 1, 1), until=datetime(2020, 1, 2))
        with pytest.raises(AnalysisError, match="no events") as caught:
            quality(data.store, nothing)

    assert caught.value.where == nothing.text()
    assert answer.table("ledger").rows() == [("clicks", 6, 1, 2, 1, 2, 0, 0, 0, 2 / 6, 1 / 6, 2 / 6, 0.0)]
    assert answer.table("ledger_hours")["hour"].to_list() == hours
    assert answer.table("ledger_hours")["read"].sum() == 6
    assert first.table("ledger").select("read", "stored", "duplicate", "filtered", "rejected").rows() == [
        (4, 1, 1, 1, 1)
    ]
    assert answer.table("rejects").rows() == [
        ("clicks", "filtered", "negative_user_id", 1, 1 / 3),
        ("clicks", "rejected", "placeholder_user_id", 1, 1 / 3),
        ("clicks", "rejected", "undecodable", 1, 1 / 3),
    ]
    assert answer.table("reject_hours")["hour"].unique().to_list() == [INGESTED]


def test_conflicts_are_counted_beside_rejects() -> None:
    """A conflict is a duplicate: it changes neither the rejected messages nor their shares."""
    click = {"timestamp": after(), "user_agent": BROWSER}
    with filled() as data:
        data.commit("clicks", click, {"timestamp": after(), "user_agent": ROBOT}, b"nonsense", b"nonsense too")
        data.commit("clicks", click | {"user_agent": "another"}, click)
        answer = quality(data.store, Scope())

    ledger = answer.table("ledger").row(0, named=True)
    assert {name: ledger[name] for name in ("read", "stored", "duplicate", "rejected", "conflict")} == {
        "read": 6, "stored": 1, "duplicate": 3, "rejected": 2, "conflict": 2,
    }  # fmt: skip
    assert (ledger["duplicate_share"], ledger["rejected_share"], ledger["conflict_share"]) == (3 / 6, 2 / 6, 2 / 6)
    assert answer.table("ledger_hours")["conflict"].sum() == 2
    assert answer.table("rejects").rows() == [
        ("clicks", "conflict", "conflicting_duplicate", 2, 1.0),
        ("clicks", "rejected", "undecodable", 2, 1.0),
    ]
    assert answer.table("reject_hours")["kind"].to_list() == ["conflict", "rejected"]


def test_ledger_history_always_covers_the_whole_store() -> None:
    with filled() as data:
        data.commit("clicks", {"timestamp": after()}, {"timestamp": after()}, b"nonsense")
        data.commit("bids", {"timestamp": after(days=9), "ingested": START + timedelta(days=9)})
        whole = quality(data.store, Scope())
        of_a_day = quality(data.store, Scope(since=START, until=START + timedelta(days=1)))
        of_a_campaign = quality(data.store, Scope(campaign="k1"))

    assert of_a_day.computed_from["bids"] == of_a_campaign.computed_from["bids"] == 0
    for name, clock in [("ledger", ""), ("ledger_hours", "processing"), ("rejects", ""), ("reject_hours", "ingestion")]:
        assert not whole.table(name).is_empty()
        for answer in (of_a_day, of_a_campaign):
            assert answer.table(name).equals(whole.table(name))
            (title,) = (table.title for table in answer.tables if table.name == name)
            assert clock in title
            assert "whole store (all times and campaigns)" in title


def test_rejects_alone_do_not_match_a_narrowed_scope() -> None:
    with filled() as data:
        data.commit("bids", b"nonsense")
        for scope in (Scope(since=START), Scope(until=INGESTED), Scope(campaign="k1")):
            with pytest.raises(AnalysisError, match="no events found"):
                quality(data.store, scope)


def test_all_suspect_and_suspected_events_can_be_listed() -> None:
    clicks = [{"user_id": f"u{n:03}", "timestamp": after(minutes=n, microseconds=2)} for n in range(120)]
    seen = [{"user_id": f"u{n:03}", "timestamp": after(minutes=n, microseconds=1)} for n in range(120)]
    with filled(impressions=seen, clicks=clicks) as data:
        some, every = quality(data.store, Scope()), quality(data.store, Scope(), limit=1_000)

    for answer, listed in ((some, 100), (every, 120)):
        assert suspected(answer) == {("instant_click", "clicks"): 120}
        flagged = answer.table("flagged")
        assert flagged["user_id"].to_list() == [f"u{n:03}" for n in range(listed)]
        assert flagged["topic"].unique().to_list() == [FEEDS["clicks"].topic]
        assert flagged["offset"].to_list() == list(range(listed))
        assert counted(answer)["impressions_without_auction"] == 120
        assert answer.table("suspect")["offset"].to_list() == list(range(listed))
        assert answer.to_dict()["rows_in_all"] == {
            "suspect": 120,
            "creatives_without_campaign": 0,
            "campaigns_without_creative": 0,
            "currencies": 0,
            "flagged": 120,
        }


def test_a_negative_limit_is_rejected() -> None:
    with filled(clicks=[{"timestamp": after()}]) as data, pytest.raises(ConfigurationError, match="-1") as caught:
        quality(data.store, Scope(), limit=-1)

    assert caught.value.hint


def test_a_store_with_rejects_only_is_evaluated() -> None:
    with filled() as data:
        data.commit("bids", b"nonsense")
        answer = quality(data.store, Scope())

    assert answer.table("delays").is_empty()
    assert answer.table("ledger")["rejected_share"].to_list() == [1.0]
    assert answer.horizon is None
    assert sum(answer.table("suspected")["events"]) == 0


def test_an_unknown_campaign_is_an_error() -> None:
    with filled() as data:
        data.commit("bids", b"nonsense")
        with pytest.raises(AnalysisError, match="no events found") as caught:
            quality(data.store, Scope(campaign="nope"))

    assert caught.value.where == "campaign nope"


def test_an_empty_store_is_an_error() -> None:
    with filled() as data, pytest.raises(AnalysisError, match="no events found") as caught:
        quality(data.store, Scope())

    assert caught.value.hint


def test_crawlers_match_the_list() -> None:
    agents = [agent for crawler in CRAWLER_USER_AGENTS_DATA for agent in crawler.get("instances", [])[:1]]
    agents += [
        BROWSER,
        "",
        "robotic arm",
        "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
    ]

    found = crawlers(pl.Series([*agents, None]))

    assert found.to_list() == [*map(is_crawler, agents), False]
    assert found.sum() > 1000
    assert crawlers(pl.Series([], dtype=pl.String)).to_list() == []


def test_suspected_events_are_not_dropped() -> None:
    with filled(impressions=[{"timestamp": after(), "user_agent": ROBOT}]) as data:
        quality(data.store, Scope())

        assert data.store.extent("impressions", Range()).events == 1


def test_answer_as_json() -> None:
    with filled(impressions=[{"timestamp": after(), "ingested": START + timedelta(seconds=2.5)}]) as data:
        document = json.loads(json.dumps(quality(data.store, Scope()).to_dict(), default=float))

    assert document["question"] == "quality"
    assert document["definition"] == "quality/4"
    assert document["delays"] == [
        {"feed": "impressions", "events": 1, "ahead": 0}
        | dict.fromkeys(("min", "p50", "p90", "p95", "p99", "max"), 2.5)
    ]
    assert document["discrepancies"][-1] == {
        "discrepancy": "impressions_without_auction", "count": 1, "of": 1, "share": 1.0,
    }  # fmt: skip

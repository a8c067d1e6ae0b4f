"""Every question has the same answer, to the last digit, from every store and however the events were committed."""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any

import polars as pl
import pytest

from advertisex.analysis.answer import Answer
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.event_list import list_events
from advertisex.analysis.funnel import funnel
from advertisex.analysis.journeys.report import journeys
from advertisex.analysis.overview.report import overview
from advertisex.analysis.pacing.curve import CURVES, CurveName
from advertisex.analysis.pacing.report import pacing
from advertisex.analysis.performance.measures import COUNTS
from advertisex.analysis.performance.report import performance
from advertisex.analysis.quality.report import quality
from advertisex.analysis.reach.report import reach
from advertisex.analysis.reconciliation.partner_report import REPORT_ROWS, PartnerReport
from advertisex.analysis.reconciliation.reconcile import reconcile
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import AMOUNT, OwnKind
from advertisex.feeds.rules import with_own_fields
from advertisex.model import Batch, Partition, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore
from tests.budget import some, usually
from tests.catalogues import campaign_rows, catalogue_rows
from tests.contracts.store_places import STORES

BEGIN = datetime(2026, 1, 5)
#: In the middle of the events, c2 moves to another campaign and c3 to another advertiser. c6 and c7 are unknown.
CATALOGUE = catalogue_rows(
    {
        "creative_id": [*(f"c{n}" for n in range(6)), "c2", "c3"],
        "campaign_id": [*(f"k{n % 4}" for n in range(6)), "k3", "k3"],
        "advertiser_id": ["a", "b", "a", "b", "a", None, "a", "a"],
        "valid_from": [None] * 6 + [BEGIN + timedelta(days=4, seconds=1), BEGIN + timedelta(days=5)],
    }
)
#: The catalogue that is imported later: c0 has moved, c1 moves on the fourth day, c5 is gone, and c6 is known.
MOVED = catalogue_rows(
    {
        "creative_id": ["c0", "c1", "c1", "c2", "c3", "c4", "c6"],
        "campaign_id": ["k1", "k1", "k0", "k2", "k3", "k0", "k5"],
        "advertiser_id": ["b", "b", "a", "a", "b", "a", "c"],
        "valid_from": [None, None, BEGIN + timedelta(days=3), None, None, None, None],
    }
)
#: Flights that touch, of several currencies; those of the later import differ.
FLIGHTS, LATER_FLIGHTS = (
    campaign_rows(
        *(
            {"campaign_id": campaign, "start": start, "end": end, **dict.fromkeys(COUNTS, count)}
            | {"budget": budget, "rate_type": rate_type, "rate": "0.37", "currency": currency}
            for campaign, rate_type, currency in (("k0", "cpm", "EUR"), ("k1", "cpa", "USD"), ("k3", "fixed", "JPY"))
            for start, end in ((BEGIN - timedelta(days=20), BEGIN + timedelta(days=3)),
                               (BEGIN + timedelta(days=3), BEGIN + timedelta(days=12)))
        )
    )
    for count, budget in ((50, "99.5"), (20, None))
)  # fmt: skip
OWN: dict[str, OwnKind] = {"region": "text", "viewable": "flag"}
FEEDS_WITH_OWN = {name: with_own_fields(feed, OWN) for name, feed in FEEDS.items()}
AMOUNTS = [0.1, 0.2, 0.7, 3.3, 1e9, "8977679486.31", "0.000000000001", "999999999999.999999999999"]
CURRENCIES = ["EUR", "usd", "USD", "JPY", "Gold", None]
Message = tuple[str, bytes, int]


@dataclass(frozen=True)
class Filled:
    """A store, and a time when the first part of the messages was processed, but not the second."""

    store: EventStore
    between: datetime


def messages(seed: int, count: int) -> list[Message]:
    """Feed, payload, ingestion time (µs): users see the same ads at the same times, and some messages are invalid.

    Which of two events with the same identity is stored depends on the order, so the events are distinct. A tenth is
    repeated, and one impression also comes in a conflicting version, whose placement no question reads.
    """
    chance = random.Random(seed)
    made = {}
    for _ in range(count):
        feed, fields, when = event(chance)
        identity = json.dumps([feed, *(fields.get(name) for name in ("timestamp", *FEEDS[feed].identity))])
        ingested = when + timedelta(seconds=chance.randrange(5_000))
        made[identity] = (feed, fields, int(ingested.replace(tzinfo=UTC).timestamp() * 1_000_000))
    valid = [one for one in made.values() if one[0] == "impressions" and one[1]["user_id"].startswith("u")]
    feed, fields, ingested_at = valid[0]
    fields["placement"] = "top"
    conflict = (feed, json.dumps(fields | {"placement": "another"}).encode(), ingested_at)
    first, *others = [(feed, json.dumps(fields).encode(), time) for feed, fields, time in (valid[0], *made.values())]
    others = [message for message in others if message != first]
    return [first, conflict, *others, *chance.choices(others, k=count // 10)]


def event(chance: random.Random) -> tuple[str, dict[str, Any], datetime]:
    """Feed, fields and time of a random event."""
    feed = chance.choice(["impressions", "impressions", "clicks", "bids"])
    when = BEGIN + timedelta(seconds=chance.randrange(0, 10 * 86_400, 1_800), microseconds=chance.choice([0, 1]))
    fields: dict[str, Any] = {"user_id": f"u{chance.randrange(12)}", "timestamp": when.isoformat() + "Z"}
    if chance.random() < 0.05:
        fields["user_id"] = chance.choice(["", "-3"])
    fields |= {
        "app": chance.choice([None, "app-1", "app-1"]),
        "currency": chance.choice(CURRENCIES),
        "region": chance.choice(["north", "north", "south", None]),
        "viewable": chance.choice([True, True, False, None]),
    }
    if feed == "clicks":
        fields |= click(chance)
    else:
        fields["creative_id"] = f"c{chance.randrange(8)}"
        fields["website"] = f"https://{chance.choice('abc')}.example.com/{chance.randrange(3)}"
        fields["auction_id"] = chance.choice([None, f"x{chance.randrange(60)}"])
    if feed == "impressions":
        fields |= {"placement": chance.choice(["top", None]), "cost": chance.choice([*AMOUNTS, None])}
    if feed == "bids":
        fields |= {"amount": chance.choice([*AMOUNTS, None]), "price_paid": chance.choice([*AMOUNTS, None])}
    if feed != "bids" and chance.random() < 0.1:
        fields["user_agent"] = chance.choice(["Googlebot/2.1", "Mozilla/5.0"])
    return feed, fields, when


def click(chance: random.Random) -> dict[str, Any]:
    """The fields of a click, a conversion, counts of both, or a refund."""
    fields: dict[str, Any] = {
        "campaign_id": f"k{chance.randrange(7)}",
        "transaction_id": chance.choice([None, f"t{chance.randrange(9)}"]),
        "click_id": chance.choice([None, f"g{chance.randrange(9)}"]),
    }
    if chance.random() < 0.15:
        return fields | {"conversion_type": "refund", "value": f"-{chance.choice([0.1, 3.3, '0.000000000001'])}"}
    fields["conversion_type"] = chance.choice(["click", "click", "signup"])
    if chance.random() < 0.5:
        fields["value"] = chance.choice(AMOUNTS)
    if chance.random() < 0.1:
        fields |= {"clicks": chance.randrange(4), "conversions": chance.randrange(3)}
    return fields


def commit(store: EventStore, batch: Sequence[Message], feed: str, partition: int) -> None:
    topic = FEEDS[feed].topic
    start = store.positions().get(Partition(topic, partition), 0)
    end = start + len(batch)
    payloads, times = [m[1] for m in batch], [m[2] for m in batch]
    read = Batch(Span(topic, partition, start, end), range(start, end), payloads, times)
    store.commit(process(read, FEEDS_WITH_OWN[feed], Policy()))


def fill(store: EventStore, parts: Sequence[Sequence[Message]], size: int, partitions: int, seed: int) -> Filled:
    """Commit the parts one after the other, each in a different order, with a catalogue before or after its events."""
    chance = random.Random(seed)
    store.prepare(FEEDS_WITH_OWN)
    moments = []
    catalogues = ((CATALOGUE, FLIGHTS), (MOVED, LATER_FLIGHTS))
    for part, catalogue in zip(parts, catalogues, strict=True):
        is_first = seed % 2 == 0
        if is_first:
            store.import_catalogue(*catalogue)
        for feed in chance.sample(sorted(FEEDS), len(FEEDS)):
            mine = [message for message in part if message[0] == feed]
            if partitions > 1:
                chance.shuffle(mine)
            for number, start in enumerate(range(0, len(mine), size)):
                commit(store, mine[start : start + size], feed, number % partitions)
        if not is_first:
            store.import_catalogue(*catalogue)
        time.sleep(0.002)
        moments.append(datetime.now(UTC).replace(tzinfo=None))
        time.sleep(0.002)
    return Filled(store, moments[0])


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Filled]]:
    """The same messages in every kind of store; twice, in different orders, in the embedded one, which is fast."""
    parts = messages(1, 500), messages(2, 120)
    ways = dict.fromkeys(STORES, (100, 3, 7)) | {"duckdb": (1_000, 1, 0), "duckdb, in small batches": (17, 2, 9)}
    with ExitStack() as opened:
        filled = {}
        for way, (size, partitions, seed) in ways.items():
            new_place = opened.enter_context(STORES[way.split(",")[0]](request, tmp_path_factory))
            store = opened.enter_context(new_place().open())
            filled[way] = fill(store, parts, size, partitions, seed)
        yield filled


Ask = Callable[[Filled, Scope], Answer]
NO_ALERTS = pl.DataFrame(schema={"rule": pl.String, "campaign": pl.String})
PLAIN: dict[str, Callable[[EventStore, Scope], Answer]] = {
    "summary": summarise,
    "summary by day": partial(summarise, by="day"),
    "correlation": correlate,
    "correlation by day": partial(correlate, by="day"),
    "performance": performance,
    **{
        f"performance by {by}": partial(performance, by=by)
        for by in ("campaign_id", "creative_id", "website", "conversion_type", "region", "day", "week")
    },
    "funnel": funnel,
    "funnel by campaign": partial(funnel, by="campaign_id"),
    "funnel by creative": partial(funnel, by="creative_id"),
    "funnel by website": partial(funnel, by="website"),
    "funnel by hour": partial(funnel, by="hour"),
    "funnel by day": partial(funnel, by="day"),
    "funnel by region": partial(funnel, by="region"),
    "attribution": attribute,
    "attribution by website": partial(attribute, by="website", split_journeys=True, view_window=timedelta(days=7)),
    "attribution by creative": partial(attribute, by="creative_id", within_campaign=True),
    "journeys": journeys,
    "journeys by website": partial(journeys, by="website", windows=[timedelta(hours=12), timedelta(days=3)], limit=5),
    "journeys by creative": partial(journeys, by="creative_id", within_campaign=True),
    "reach": reach,
    "reach by week": partial(reach, by="week"),
    "reach by flight": partial(reach, by="flight"),
    "bids": bids,
    "quality": quality,
    "events": list_events,
    "events that convert": partial(list_events, of="conversions", limit=7),
}
SCOPES = {
    "everything": Scope(),
    "a range": Scope(since=BEGIN + timedelta(days=2), until=BEGIN + timedelta(days=6, microseconds=1)),
    "a campaign": Scope(campaign="k1"),
    "a field": Scope(where={"app": "app-1"}),
    "own fields": Scope(where={"region": "north", "viewable": True}),
}


def plain(answer: Answer) -> dict[str, Any]:
    """All parts of an answer that do not depend on how events were committed: types, order and every digit."""
    # of two events in conflict, the one that came first is stored: they differ in placement
    provenance = {"processed_at", "topic", "partition", "offset", "message", "placement"}
    return {
        "what": (answer.question, answer.definition, replace(answer.scope, as_of=None)),
        "of": (dict(answer.horizons), dict(answer.computed_from)),
        "parameters": {name: value for name, value in answer.parameters.items() if name not in {"from", "to"}},
        "facts": dict(answer.facts),
        "notes": list(answer.notes),
        "charts": list(answer.charts),
        **{
            table.name: (dict(table.rows.schema), table.rows.drop(provenance, strict=False).rows())
            for table in answer.tables
            if table.name != "ledger_hours"  # hours of processing
        },
    }


def check(stores: dict[str, Filled], ask: Ask, scope: Scope) -> None:
    (first, expected), *others = ((name, plain(ask(filled, scope))) for name, filled in stores.items())
    for name, found in others:
        for part, value in expected.items():
            assert found[part] == value, f"{part}: {name} differs from {first}"
        assert found.keys() == expected.keys()
    assert sum(expected["of"][1].values()) > 20


@pytest.mark.parametrize(("question", "scope"), some(product(PLAIN, SCOPES), 2 * len(PLAIN) + 1))
def test_a_question_has_one_answer(stores: dict[str, Filled], question: str, scope: str) -> None:
    check(stores, lambda filled, asked: PLAIN[question](filled.store, asked), SCOPES[scope])


@pytest.mark.parametrize("question", some(PLAIN, 12))
def test_a_question_about_the_past_has_one_answer(stores: dict[str, Filled], question: str) -> None:
    def as_it_was(filled: Filled, scope: Scope) -> Answer:
        return PLAIN[question](filled.store, replace(scope, as_of=filled.between))

    check(stores, as_it_was, Scope())
    some = next(iter(stores.values()))
    assert plain(as_it_was(some, Scope())) != plain(PLAIN[question](some.store, Scope()))


WHOLE_FLIGHTS = {
    "everything": Scope(),
    "a time": Scope(until=BEGIN + timedelta(days=6, microseconds=1), zone="America/New_York"),
    "a campaign": Scope(campaign="k1"),
}


@pytest.mark.parametrize("scope", WHOLE_FLIGHTS)
@pytest.mark.parametrize("curve", CURVES)
def test_pacing_has_one_answer(stores: dict[str, Filled], curve: CurveName, scope: str) -> None:
    def now(filled: Filled, asked: Scope) -> Answer:
        return pacing(filled.store, asked, curve=curve)

    def as_it_was(filled: Filled, asked: Scope) -> Answer:
        return pacing(filled.store, replace(asked, as_of=filled.between), curve=curve)

    check(stores, now, WHOLE_FLIGHTS[scope])
    check(stores, as_it_was, WHOLE_FLIGHTS[scope])


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_the_overview_has_one_answer(stores: dict[str, Filled], zone: str) -> None:
    check(stores, lambda filled, asked: overview(filled.store, asked, alerts=NO_ALERTS), Scope(zone=zone))


@pytest.mark.parametrize("scope", SCOPES)
def test_a_restatement_has_one_answer(stores: dict[str, Filled], scope: str) -> None:
    def since_then(filled: Filled, asked: Scope) -> Answer:
        return restatement(filled.store, asked, start=filled.between, end=datetime(2100, 1, 1))

    check(stores, since_then, SCOPES[scope])


@pytest.mark.parametrize("scope", usually(["a range"], thorough=["everything", "a range", "a campaign"]))
def test_a_reconciliation_has_one_answer(stores: dict[str, Filled], scope: str) -> None:
    some = next(iter(stores.values())).store
    chance = random.Random(3)
    days = [BEGIN.date() + timedelta(days=number) for number in range(10)]
    own = {day: funnel(some, day_scope(day), by="campaign_id").table("rows") for day in days}
    rows = [
        {"campaign_id": row["campaign_id"], "day": day, "currency": chance.choice(["EUR", "USD", "CHF"]), "cost": "1.5"}
        | {name: row[name] + chance.choice([0, 0, 1]) for name in ("impressions", "clicks", "conversions")}
        | {"revenue": "0.000000000001"}
        for day, table in own.items()
        for row in table.to_dicts()
        if row["campaign_id"] is not None
    ]
    table = pl.DataFrame(rows).with_columns(pl.col("cost", "revenue").cast(AMOUNT)).select(*REPORT_ROWS)
    report = PartnerReport("partner.csv", table, ("impressions", "clicks", "conversions", "cost", "revenue"))

    check(stores, lambda filled, asked: reconcile(filled.store, report, asked, limit=30), SCOPES[scope])
    causes = set(reconcile(some, report).table("causes")["cause"])
    assert {"unknown_creative", "unexplained"} <= causes


def day_scope(day: date) -> Scope:
    begin = datetime.combine(day, datetime.min.time())
    return Scope(begin, begin + timedelta(days=1))


def test_the_events_cover_what_could_differ(stores: dict[str, Filled]) -> None:
    some = next(iter(stores.values()))
    answer, restated = quality(some.store), restatement(some.store, start=some.between)
    kinds = dict(answer.table("rejects").group_by("kind").agg(pl.col("count").sum()).iter_rows())

    assert kinds["conflict"] == 2
    assert set(answer.table("currencies")["currency"]) == {"Gold"}
    assert set(answer.table("creatives_without_campaign")["creative_id"]) == {"c5", "c7"}
    assert restated.facts["moved"]["impressions"] > 20 < restated.facts["late"]["impressions"]
    assert any(value < 0 for value in restated.table("late_events")["value"].drop_nulls())
    assert restated.table("catalogue_changes")["valid_from"].drop_nulls().len() > 0

"""Changes between two times and the events that caused them: against plain loops and against earlier answers."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.funnel import funnel
from advertisex.analysis.journeys.report import journeys
from advertisex.analysis.keys import KEYS
from advertisex.analysis.quality.report import quality
from advertisex.analysis.reach.report import reach
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.model import CATALOGUE_COLUMNS, EVENT_COLUMNS, Batch, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore
from tests.analysis.auctions_oracle import winners
from tests.analysis.small_worlds import expected_period, scopes
from tests.budget import examples, usually
from tests.catalogues import catalogue_rows, with_campaign

Row = dict[str, Any]
Step = dict[str, list[Row]]

INGESTED = 1_790_000_000_000_000  # 2026-09-21
BEGINNING = datetime(2020, 1, 1)
OWNERS = ("campaign_id", "advertiser_id")
MEASURES = ("impressions", "bids", "clicks", "conversions")
MESSAGE = {
    "impressions": {"website": "one.example", "creative_id": "c1"},
    "clicks": {"campaign_id": "k1", "conversion_type": "click"},
    "bids": {},
}


def entry(creative: str, campaign: str, *, valid_from: datetime | None = None, advertiser: str = "a") -> Row:
    return {
        "creative_id": creative, "campaign_id": campaign, "advertiser_id": advertiser, "valid_from": valid_from,
    }  # fmt: skip


CATALOGUE = [entry("c1", "k1"), entry("c2", "k2")]


def commit(store: DuckdbStore, step: Step) -> datetime:
    """Import the catalogue and store the events of one step; returns a time after it and before the next."""
    if step.get("catalogue"):
        store.import_catalogue(catalogue_of(step["catalogue"]))
    for feed, messages in step.items():
        if feed == "catalogue" or not messages:
            continue
        start = sum(row.next_offset for row in store.ledger() if row.topic == FEEDS[feed].topic)
        payloads = [json.dumps({"user_id": "u"} | MESSAGE[feed] | m).encode() for m in messages]
        end = start + len(payloads)
        batch = Batch(Span(FEEDS[feed].topic, 0, start, end), range(start, end), payloads, [INGESTED] * len(payloads))
        store.commit(process(batch, FEEDS[feed], Policy()))
    return datetime.now(UTC).replace(tzinfo=None)


def catalogue_of(entries: list[Row]) -> pl.DataFrame:
    rows = sorted(entries, key=lambda entry: (entry["creative_id"], entry["valid_from"] or BEGINNING))
    return catalogue_rows({name: [entry[name] for entry in rows] for name in CATALOGUE_COLUMNS})


def rows_of(store: DuckdbStore, scope: Scope) -> list[Row]:
    found = []
    for feed in FEEDS:
        names = [*EVENT_COLUMNS, *FEEDS[feed].columns, "processed_at", "topic", "partition"]
        for frame in store.scan(feed, names, scope.within):
            found += [{"feed": feed, "zone": scope.zone, **row} for row in frame.iter_rows(named=True)]
    found = with_campaign(found, store.catalogue(scope.as_of))
    return [row for row in found if scope.campaign in (None, row["campaign_id"])]


# -- in plain loops ----------------------------------------------------------------------------------------------


def won_by(store: DuckdbStore, scope: Scope) -> list[Row]:
    """The bids of the scope that won, considering the impressions and bids of all campaigns."""
    everything = rows_of(store, Scope(as_of=scope.as_of))
    bids, impressions = ([row for row in everything if row["feed"] == feed] for feed in ("bids", "impressions"))
    won = winners(bids, impressions)
    return [row for row in rows_of(store, scope) if row["feed"] == "bids" and row["event_id"] in won]


def decided(store: DuckdbStore, before: Scope, after: Scope) -> list[Row]:
    """The bids of the scope that won as of only one of two times."""
    first, last = ({row["event_id"] for row in won_by(store, Scope(each.since, each.until, None, each.as_of))}
                   for each in (before, after))  # fmt: skip
    both = [*won_by(store, before), *won_by(store, after)]
    return [row for row in both if row["event_id"] in first ^ last]


def moved(store: DuckdbStore, before: Scope, after: Scope) -> list[tuple[Row, Row]]:
    """The events known at the first time that another campaign or advertiser has, as of both times.

    They are in the scope at one of the times at least.
    """
    first, last = (
        {(row["feed"], row["event_id"]): row for row in rows_of(store, replace(each, campaign=None))}
        for each in (before, after)
    )
    pairs = [(row, last[key]) for key, row in first.items()]
    return [
        (old, new)
        for old, new in pairs
        if any(old.get(name) != new.get(name) for name in OWNERS)
        and (before.campaign is None or before.campaign in (old["campaign_id"], new["campaign_id"]))
    ]


def outside(store: DuckdbStore, scope: Scope, start: datetime, changed: list[Row]) -> list[Row]:
    """The late events outside the scope that belong to auctions with changed bids inside it."""
    own = {(row["feed"], row["event_id"]) for row in rows_of(store, scope)}
    reach = {"impressions": timedelta(days=1), "bids": timedelta(days=2)}
    return [
        row
        for row in rows_of(store, Scope(as_of=scope.as_of))
        if row["feed"] in reach
        and row["processed_at"] > start
        and (row["feed"], row["event_id"]) not in own
        and any(
            bid["auction_id"] == row["auction_id"] and abs(bid["event_time"] - row["event_time"]) <= reach[row["feed"]]
            for bid in changed
        )
    ]


Numbers = dict[str, int | Decimal]


def numbers(rows: Sequence[Row], won: Sequence[Row]) -> dict[Any, Numbers]:
    """Sums by campaign and day; money by currency, net of refunds."""
    found: dict[Any, Numbers] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        added = found[place(row)]
        if row["feed"] != "clicks":
            added[row["feed"]] += 1
            continue
        added["clicks"] += row["clicks"]
        added["conversions"] += row["conversions"]
        if row["value"] is not None and (row["conversions"] or row["conversion_type"] == "refund"):
            added["value" if row["currency"] is None else f"value_{row['currency']}"] += row["value"]
    for row in won:
        added = found[place(row)]
        added["won"] += 1
        if row["amount"] is not None:
            added["bid_value_won_EUR"] += row["amount"]
    return found


def place(row: Row) -> tuple[str | None, date]:
    return row["campaign_id"], expected_period(row["event_time"], "day", row["zone"])


def listed(answer: Answer) -> dict[Any, dict[str, Numbers]]:
    """The numbers before, after, and the change for each campaign and day of the answer, without zeros."""
    found = {}
    for row in answer.table("restated").iter_rows(named=True):
        sides: dict[str, Numbers] = {"before": {}, "after": {}, "change": {}}
        for name, value in row.items():
            measure, _, side = name.rpartition("_")
            if side in sides and value:
                sides[side][measure] = value
        found[row["campaign_id"], row["day"]] = sides
    return found


def nonzero(numbers: Numbers) -> Numbers:
    return {name: number for name, number in numbers.items() if number}


def difference(after: Numbers, before: Numbers) -> Numbers:
    return {name: after.get(name, 0) - before.get(name, 0) for name in {**before, **after}}


def key(row: Row) -> tuple[Any, ...]:
    campaign = row["campaign_id"]
    return campaign is None, campaign or "", place(row)[1], row["feed"], row["event_time"], row["event_id"]


TIMES = st.builds(lambda day, hour: f"2026-03-{day:02}T{hour:02}:00:00Z", st.integers(1, 3), st.integers(0, 23))
BOUND = st.none() | st.builds(lambda day, hour: datetime(2026, 3, day, hour), st.integers(1, 3), st.integers(0, 23))
AMOUNTS = st.none() | st.integers(0, 3 * 10**12).map(lambda units: f"{Decimal(units).scaleb(-12):f}")
AUCTIONS = st.sampled_from([None, "x", "x", "y"])
CURRENCIES = st.sampled_from([None, "EUR", "USD"])
IMPRESSIONS = st.fixed_dictionaries(
    {"timestamp": TIMES, "creative_id": st.sampled_from(["c1", "c2", "stray"]), "auction_id": AUCTIONS}
)
CLICKS = st.fixed_dictionaries(
    {
        "timestamp": TIMES,
        "campaign_id": st.sampled_from(["k1", "k2"]),
        "clicks": st.integers(0, 2),
        "conversions": st.integers(0, 1),
        "value": AMOUNTS,
        "currency": CURRENCIES,
    }
)
REFUNDS = st.fixed_dictionaries(
    {
        "timestamp": TIMES,
        "campaign_id": st.sampled_from(["k1", "k2"]),
        "conversion_type": st.just("refund"),
        "value": AMOUNTS.map(lambda amount: f"-{amount or 0}"),
        "currency": CURRENCIES,
    }
)
BIDS = st.fixed_dictionaries(
    {
        "timestamp": TIMES,
        "creative_id": st.sampled_from(["c1", "c2", None]),
        "auction_id": AUCTIONS,
        "amount": AMOUNTS,
        "currency": st.just("EUR"),
    }
)
ENTRIES = st.fixed_dictionaries(
    {
        "creative_id": st.sampled_from(["c1", "c2"]),
        "campaign_id": st.sampled_from(["k1", "k2"]),
        "advertiser_id": st.sampled_from(["a", "b"]),
        "valid_from": BOUND,
    }
)
CATALOGUES = st.lists(ENTRIES, max_size=4, unique_by=lambda entry: (entry["creative_id"], entry["valid_from"]))
STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "catalogue": CATALOGUES,
            "impressions": st.lists(IMPRESSIONS, max_size=4),
            "clicks": st.lists(CLICKS | REFUNDS, max_size=4),
            "bids": st.lists(BIDS, max_size=3),
        }
    ),
    min_size=2,
    max_size=4,
)
SCOPES = scopes(BOUND)


@settings(max_examples=examples(25))
@given(STEPS, SCOPES, st.data())
def test_restated_numbers_are_the_difference(steps: list[Step], scope: Scope, data: st.DataObject) -> None:
    with DuckdbStore(Path(":memory:")) as store:
        times = [BEGINNING, *(commit(store, step) for step in steps)]
        first = data.draw(st.integers(0, len(times) - 2))
        last = data.draw(st.integers(first + 1, len(times) - 1))
        start, end = times[first], times[last]
        old_scope, new_scope = (replace(scope, as_of=as_of) for as_of in (start, end))
        before, after = rows_of(store, old_scope), rows_of(store, new_scope)
        if not before and not after:
            with pytest.raises(AnalysisError, match="no events"):
                restatement(store, scope, start=start, end=end)
            return
        answer = restatement(store, scope, start=start, end=end, limit=5)
        old_won, new_won = won_by(store, old_scope), won_by(store, new_scope)
        elsewhere = outside(store, new_scope, start, decided(store, old_scope, new_scope))
        moves = moved(store, old_scope, new_scope)
        entries = pl.concat(store.catalogue(time) for time in (start, end)).drop_nulls("valid_from")

    old, new = numbers(before, old_won), numbers(after, new_won)
    late = sorted((row for row in after if row["processed_at"] > start), key=key)
    changes = {where: difference(new.get(where, {}), old.get(where, {})) for where in {**old, **new}}
    changed = {where for where, change in changes.items() if nonzero(change)}
    assert listed(answer) == {
        where: {
            "before": nonzero(old.get(where, {})),
            "after": nonzero(new.get(where, {})),
            "change": nonzero(changes[where]),
        }
        for where in changed
    }
    check_days(answer, before, late, moves)
    check_facts(answer, changes, late, moves)
    check_events(answer, late, elsewhere)
    starts: dict[str, set[datetime]] = defaultdict(set)
    for creative, time in entries.select("creative_id", "valid_from").rows():
        starts[creative].add(time)
    check_moves(answer, moves, starts)
    entered = [row for old, row in moves if scope.campaign not in (None, old["campaign_id"])]
    places = {place(row) for row in late}
    places |= {place(row) for pair in moves if place(pair[0]) != place(pair[1]) for row in pair}
    for won, others in ((old_won, new_won), (new_won, old_won)):
        same = {(other["event_id"], place(other)) for other in others}
        places |= {place(row) for row in won if (row["event_id"], place(row)) not in same}
    known = [row for row in before if place(row) in places]
    assert answer.computed_from == {
        feed: sum(row["feed"] == feed for row in (*known, *late, *entered)) for feed in FEEDS
    }


def check_days(answer: Answer, before: list[Row], late: list[Row], moves: list[tuple[Row, Row]]) -> None:
    known = {place(row) for row in before}
    for campaign, day, is_new, late_events, moved_events in (
        answer.table("restated").select("campaign_id", "day", "new", "late_events", "moved_events").rows()
    ):
        assert is_new == ((campaign, day) not in known)
        assert late_events == sum(place(row) == (campaign, day) for row in late)
        assert moved_events == sum(
            ((campaign, day) == place(old)) + ((campaign, day) == place(new))
            for old, new in moves
            if place(old) != place(new)
        )


def check_facts(answer: Answer, changes: dict[Any, Numbers], late: list[Row], moves: list[tuple[Row, Row]]) -> None:
    facts, restated = answer.facts, answer.table("restated")
    assert facts["late"] == {feed: sum(row["feed"] == feed for row in late) for feed in FEEDS}
    assert facts["moved"] == {feed: sum(row["feed"] == feed for row, _ in moves) for feed in FEEDS}
    assert facts["new_days"] + facts["restated_days"] == restated.height
    assert facts["new_days"] == restated["new"].sum()
    total: Numbers = defaultdict(int)
    for change in changes.values():
        for name, number in change.items():
            total[name] += number
    assert {name: facts["change"][name] for name in (*MEASURES, "won")} == {
        name: total[name] for name in (*MEASURES, "won")
    }
    for amount in ("value", "bid_value_won"):
        money = {f"{amount}_{currency}".rstrip("_"): sum_ for currency, sum_ in facts["change"][amount].items() if sum_}
        assert money == nonzero({name: number for name, number in total.items() if name.startswith(amount)})


def check_events(answer: Answer, late: list[Row], elsewhere: list[Row]) -> None:
    events = answer.table("late_events")
    assert answer.facts["late_elsewhere"] == len(elsewhere)
    expected_rows = sorted([*late, *elsewhere], key=key)[:5]
    assert [bytes.fromhex(i) for i in events["event_id"]] == [row["event_id"] for row in expected_rows]
    assert events["in_scope"].to_list() == [row not in elsewhere for row in expected_rows]
    for name in ("feed", "event_time", "processed_at", "ingested_at", "topic", "partition", "offset", "campaign_id"):
        assert events[name].to_list() == [row[name] for row in expected_rows], name


def check_moves(answer: Answer, moves: list[tuple[Row, Row]], starts: dict[str, set[datetime]]) -> None:
    """Compare the changes of the catalogue with loops, given the times from which entries of a creative are valid."""
    counts: Counter[tuple[Any, ...]] = Counter()
    for old, new in moves:
        begun = [time for time in starts.get(old["creative_id"], ()) if time <= old["event_time"]]
        owners = [row[name] for name in OWNERS for row in (old, new)]
        counts[old["creative_id"], max(begun, default=None), *owners] += 1
    expected = sorted(counts.items(), key=lambda one: (-one[1], one[0][0], one[0][1] or BEGINNING))
    assert answer.table("catalogue_changes").rows() == [(*change, events) for change, events in expected[:5]]
    assert [table.of for table in answer.tables if table.name == "catalogue_changes"] == [len(expected)]


QUESTIONS: dict[str, Callable[[EventStore, Scope], Answer]] = {
    "summary": summarise,
    "summary by day": partial(summarise, by="day"),
    "correlation": correlate,
    "correlation by day": partial(correlate, by="day"),
    "funnel": funnel,
    **{
        f"funnel by {by}": partial(funnel, by=by)
        for by in ("campaign_id", "creative_id", "website", "app", "hour", "day")
    },
    **{f"attribution by {by}": partial(attribute, by=by) for by in KEYS},
    "attribution, split journeys": partial(attribute, split_journeys=True),
    "journeys": journeys,
    "reach by day": partial(reach, by="day"),
    "bids": bids,
    "quality": quality,
}


@settings(max_examples=usually(2, thorough=3))
@given(STEPS)
def test_an_invoice_can_be_explained_a_month_later(steps: list[Step]) -> None:
    def answers(as_of: datetime | None) -> dict[str, dict[str, Any] | str]:
        return {name: answer(question, Scope(as_of=as_of)) for name, question in QUESTIONS.items()}

    def answer(question: Callable[[EventStore, Scope], Answer], scope: Scope) -> dict[str, Any] | str:
        try:
            document = question(store, scope).to_dict()
        except AnalysisError as error:
            return error.what
        document.pop("range")
        return document

    with DuckdbStore(Path(":memory:")) as store:
        earlier = []
        for step in steps:
            time = commit(store, step)
            if store.ledger():
                earlier.append((time, answers(None)))

        for time, document_then in earlier:
            again = answers(time)
            for name in QUESTIONS:
                assert again[name] == document_then[name], name


# -- by hand -----------------------------------------------------------------------------------------------------


def test_worked_example_of_a_late_conversion_and_a_new_day() -> None:
    with DuckdbStore(Path(":memory:")) as store:
        start = commit(
            store,
            {
                "catalogue": CATALOGUE,
                "impressions": [{"timestamp": f"2026-03-01T0{n}:00:00Z"} for n in range(3)],
                "clicks": [{"timestamp": "2026-03-01T02:00:00Z", "conversions": 1, "value": 0.1, "currency": "EUR"}],
            },
        )
        end = commit(
            store,
            {
                "impressions": [{"timestamp": "2026-03-02T00:00:00Z"}],
                "clicks": [
                    {"timestamp": "2026-03-01T05:00:00Z", "conversion_type": "buy", "value": 0.2, "currency": "EUR"},
                    {"timestamp": "2026-03-01T00:00:00Z"},  # a duplicate
                ],
            },
        )
        commit(store, {"clicks": [{"timestamp": "2026-03-01T06:00:00Z"}]})
        answer = restatement(store, start=start, end=end)

    days = answer.table("restated").rows(named=True)
    assert [(day["campaign_id"], day["day"], day["new"], day["late_events"]) for day in days] == [
        ("k1", date(2026, 3, 1), False, 2), ("k1", date(2026, 3, 2), True, 1),
    ]  # fmt: skip
    euros = [days[0][f"value_EUR_{side}"] for side in ("before", "after", "change")]
    assert euros == [Decimal("0.1"), Decimal("0.3"), Decimal("0.2")]
    assert [days[0][f"conversions_{side}"] for side in ("before", "after", "change")] == [1, 2, 1]
    assert [days[0][f"clicks_{side}"] for side in ("before", "after", "change")] == [1, 2, 1]
    assert answer.facts["late"] == {"impressions": 1, "clicks": 2, "bids": 0}
    assert answer.facts["restated_days"] == answer.facts["new_days"] == 1
    assert answer.scope.as_of == end
    assert answer.to_dict()["parameters"] == {
        "from": start.isoformat() + "Z",
        "to": end.isoformat() + "Z",
        "limit": 100,
    }


def late_impression_after_midnight(store: DuckdbStore) -> tuple[datetime, datetime]:
    """Store a bid of the 6th, then an impression of its auction of the 7th."""
    bid = {"timestamp": "2026-03-06T23:59:00Z", "creative_id": "c1", "auction_id": "x", "amount": 7, "currency": "EUR"}
    start = commit(store, {"catalogue": CATALOGUE, "bids": [bid]})
    return start, commit(store, {"impressions": [{"timestamp": "2026-03-07T00:10:00Z", "auction_id": "x"}]})


@pytest.mark.parametrize("scope", [Scope(), Scope(until=datetime(2026, 3, 7)), Scope(campaign="k1")])
def test_a_late_impression_changes_the_cost_of_the_day_of_its_bid(scope: Scope) -> None:
    with DuckdbStore(Path(":memory:")) as store:
        start, end = late_impression_after_midnight(store)
        answer = restatement(store, scope, start=start, end=end)

    day = answer.table("restated").row(0, named=True)
    assert (day["campaign_id"], day["day"], day["new"]) == ("k1", date(2026, 3, 6), False)
    assert [day[f"won_{side}"] for side in ("before", "after", "change")] == [0, 1, 1]
    assert [day[f"bid_value_won_EUR_{side}"] for side in ("before", "after", "change")] == [
        None,
        Decimal(7),
        Decimal(7),
    ]
    event = answer.table("late_events").row(0, named=True)
    is_inside = scope.until is None
    assert (event["feed"], event["auction_id"], event["in_scope"]) == ("impressions", "x", is_inside)
    assert answer.facts["late_elsewhere"] == (not is_inside)


def shown_and_won(day: int, *, creative: str = "c1", amount: int = 7) -> Step:
    """An impression of a day in March, and the bid that won it."""
    event = {"timestamp": f"2026-03-0{day}T10:00:00Z", "creative_id": creative, "auction_id": f"x{day}{creative}"}
    return {"impressions": [event], "bids": [event | {"amount": amount, "currency": "EUR"}]}


def days(answer: Answer, *measures: str) -> dict[Any, list[Any]]:
    """The restated campaigns and days of the month: `new`, then each measure before and after."""
    names = [f"{measure}_{side}" for measure in measures for side in ("before", "after")]
    return {
        (row["campaign_id"], row["day"].day): [row["new"], *(row[name] for name in names)]
        for row in answer.table("restated").rows(named=True)
    }


def test_a_creative_that_moves_takes_its_events_wins_and_bid_value_won_along() -> None:
    """From the 2nd on, c1 belongs to k2; nothing arrived meanwhile."""
    with DuckdbStore(Path(":memory:")) as store:
        commit(store, {"catalogue": CATALOGUE} | shown_and_won(1))
        start = commit(store, shown_and_won(2))
        moved = [*CATALOGUE, entry("c1", "k2", valid_from=datetime(2026, 3, 2))]
        end = commit(store, {"catalogue": moved})
        answer = restatement(store, start=start)
        of_k1, of_k2 = (restatement(store, Scope(campaign=k), start=start, end=end) for k in ("k1", "k2"))
        where_k2 = restatement(store, Scope(where={"campaign_id": "k2"}), start=start, end=end)

    assert days(answer, "impressions", "bids", "won", "bid_value_won_EUR") == {
        ("k1", 2): [False, 1, 0, 1, 0, 1, 0, Decimal(7), None],
        ("k2", 2): [True, 0, 1, 0, 1, 0, 1, None, Decimal(7)],
    }
    assert days(answer) == days(of_k1) | days(of_k2)
    assert where_k2.table("restated").equals(of_k2.table("restated"))
    assert (where_k2.facts, where_k2.computed_from) == (of_k2.facts, of_k2.computed_from)
    assert answer.table("restated").select("late_events", "moved_events").rows() == [(0, 2), (0, 2)]
    change = {
        "creative_id": "c1", "valid_from": datetime(2026, 3, 2), "campaign_id_before": "k1", "campaign_id_after": "k2",
        "advertiser_id_before": "a", "advertiser_id_after": "a", "events": 2,
    }  # fmt: skip
    for each, sign, computed_from in ((answer, 0, 1), (of_k1, -1, 1), (of_k2, 1, 1)):
        assert each.table("catalogue_changes").rows(named=True) == [change]
        assert each.facts["moved"] == {"impressions": 1, "clicks": 0, "bids": 1}
        assert each.facts["late_elsewhere"] == sum(each.facts["late"].values()) == 0
        assert each.computed_from == {"impressions": computed_from, "clicks": 0, "bids": computed_from}
        assert [each.facts["change"][name] for name in ("impressions", "bids", "won")] == [sign] * 3
        assert each.facts["change"]["bid_value_won"].get("EUR", 0) == sign * 7


def test_a_campaign_that_lost_all_its_events_is_restated() -> None:
    with DuckdbStore(Path(":memory:")) as store:
        start = commit(store, {"catalogue": CATALOGUE} | shown_and_won(1))
        commit(store, {"catalogue": [entry("c1", "k2")]})
        answer = restatement(store, Scope(campaign="k1"), start=start)

    assert days(answer, "impressions", "bid_value_won_EUR") == {("k1", 1): [False, 1, 0, Decimal(7), None]}


def test_the_first_catalogue_gives_events_their_campaign() -> None:
    with DuckdbStore(Path(":memory:")) as store:
        start = commit(store, shown_and_won(1))
        commit(store, {"catalogue": CATALOGUE})
        answer = restatement(store, start=start)

    assert days(answer, "bids") == {("k1", 1): [True, 0, 1], (None, 1): [False, 1, 0]}
    assert answer.table("catalogue_changes").row(0, named=True)["campaign_id_before"] is None
    assert answer.table("catalogue_changes")["valid_from"].to_list() == [None]


def test_a_late_event_counts_in_the_campaign_of_the_later_catalogue() -> None:
    with DuckdbStore(Path(":memory:")) as store:
        start = commit(store, {"catalogue": CATALOGUE} | shown_and_won(1))
        commit(store, {"catalogue": [entry("c1", "k2")]} | shown_and_won(2))
        answer = restatement(store, start=start)

    assert days(answer, "impressions", "bid_value_won_EUR") == {
        ("k1", 1): [False, 1, 0, Decimal(7), None],
        ("k2", 1): [True, 0, 1, None, Decimal(7)],
        ("k2", 2): [True, 0, 1, None, Decimal(7)],
    }
    assert answer.table("late_events")["campaign_id"].to_list() == ["k2", "k2"]


def test_an_import_that_changes_nothing_of_the_scope_restates_nothing() -> None:
    unused = [*CATALOGUE, entry("c9", "k9"), entry("c1", "k1", valid_from=datetime(2026, 3, 1))]
    with DuckdbStore(Path(":memory:")) as store:
        start = commit(store, {"catalogue": CATALOGUE} | shown_and_won(1))
        commit(store, {"catalogue": unused})
        answer = restatement(store, start=start)

    assert answer.table("restated").is_empty()
    assert answer.table("catalogue_changes").is_empty()


def test_another_advertiser_is_listed_but_changes_no_campaign() -> None:
    with DuckdbStore(Path(":memory:")) as store:
        start = commit(store, {"catalogue": CATALOGUE} | shown_and_won(1))
        commit(store, {"catalogue": [entry("c1", "k1", advertiser="b")]})
        answer = restatement(store, start=start)

    assert answer.table("restated").is_empty()
    change = answer.table("catalogue_changes").row(0, named=True)
    assert (change["advertiser_id_before"], change["advertiser_id_after"], change["events"]) == ("a", "b", 2)


def test_the_limit_applies_to_the_changes_of_the_catalogue() -> None:
    steps = [
        shown_and_won(day, creative=creative) for creative, last in (("c1", 1), ("c2", 3)) for day in range(1, last + 1)
    ]
    with DuckdbStore(Path(":memory:")) as store:
        for step in steps:
            start = commit(store, step)
        commit(store, {"catalogue": CATALOGUE})
        answer = restatement(store, start=start, limit=1)

    assert answer.table("catalogue_changes").select("creative_id", "events").rows() == [("c2", 6)]
    assert answer.to_dict()["rows_in_all"] == {"late_events": 0, "catalogue_changes": 2}


def test_a_late_bid_that_decides_nothing_is_not_listed_although_the_campaign_of_the_winner_changed() -> None:
    late = {"timestamp": "2026-03-01T09:00:00Z", "creative_id": "c2", "auction_id": "x1c1", "amount": 1}
    with DuckdbStore(Path(":memory:")) as store:
        start = commit(store, {"catalogue": CATALOGUE} | shown_and_won(1))
        commit(store, {"catalogue": [entry("c1", "k3"), entry("c2", "k2")], "bids": [late]})
        answer = restatement(store, Scope(campaign="k3"), start=start)

    assert days(answer, "won") == {("k3", 1): [True, 0, 1]}
    assert answer.facts["late_elsewhere"] == 0


def test_a_late_refund_reduces_the_net_value() -> None:
    buy = {"timestamp": "2026-03-01T10:00:00Z", "conversion_type": "buy", "value": "0.000000000003", "currency": "EUR"}
    refund = {"timestamp": "2026-03-01T11:00:00Z", "conversion_type": "refund", "currency": "EUR"}
    with DuckdbStore(Path(":memory:")) as store:
        start = commit(store, {"clicks": [buy]})
        commit(store, {"clicks": [refund | {"value": "-0.000000000001"}, refund | {"value": -1, "currency": "USD"}]})
        answer = restatement(store, start=start)

    assert days(answer, "clicks", "conversions", "value_EUR", "value_USD") == {
        ("k1", 1): [False, 0, 0, 1, 1, Decimal("0.000000000003"), Decimal("0.000000000002"), None, Decimal(-1)]
    }
    assert answer.facts["change"]["value"] == {"EUR": Decimal("-0.000000000001"), "USD": Decimal(-1)}


def test_bid_value_won_that_is_gone_is_restated() -> None:
    """A late bid at the time of the impression wins instead of the only bid before, which had an amount."""
    late = {"timestamp": "2026-03-01T10:00:00Z", "creative_id": "c1", "auction_id": "x"}
    early = {
        "timestamp": "2026-03-01T09:00:00Z",
        "creative_id": "c1",
        "auction_id": "x",
        "amount": 3,
        "currency": "EUR",
    }
    with DuckdbStore(Path(":memory:")) as store:
        start = commit(store, {"catalogue": CATALOGUE, "impressions": [late], "bids": [early]})
        commit(store, {"bids": [late]})
        answer = restatement(store, start=start)

    assert days(answer, "won", "bid_value_won_EUR") == {("k1", 1): [False, 1, 1, Decimal(3), None]}
    assert answer.table("restated")["bid_value_won_EUR_change"].to_list() == [Decimal(-3)]


def test_an_unknown_campaign_is_an_error() -> None:
    with DuckdbStore(Path(":memory:")) as store:
        start, end = late_impression_after_midnight(store)
        with pytest.raises(AnalysisError, match="no events found") as caught:
            restatement(store, Scope(campaign="nope"), start=start, end=end)

    assert "campaign nope" in (caught.value.where or "")


def test_no_late_events_give_empty_tables() -> None:
    with DuckdbStore(Path(":memory:")) as store:
        time = commit(store, {"bids": [{"timestamp": "2026-03-01T00:00:00Z"}]})
        answer = restatement(store, start=time, end=time + timedelta(days=1))

    assert answer.table("restated").is_empty()
    assert answer.table("late_events").is_empty()
    assert answer.facts["change"] == dict.fromkeys(MEASURES, 0) | {"won": 0, "value": {}, "bid_value_won": {}}


@pytest.mark.parametrize(
    ("start", "end", "limit"),
    [(BEGINNING + timedelta(1), BEGINNING, 1), (BEGINNING, BEGINNING + timedelta(1), -1)],
)
def test_invalid_options_are_rejected(start: datetime, end: datetime, limit: int) -> None:
    with DuckdbStore(Path(":memory:")) as store, pytest.raises(ConfigurationError) as caught:
        restatement(store, start=start, end=end, limit=limit)

    assert caught.value.hint


def test_times_before_the_first_commit_are_an_error() -> None:
    with DuckdbStore(Path(":memory:")) as store:
        commit(store, {"bids": [{"timestamp": "2026-03-01T00:00:00Z"}]})
        with pytest.raises(AnalysisError, match="no events found") as caught:
            restatement(store, start=BEGINNING, end=BEGINNING + timedelta(days=1))

    assert caught.value.hint
    assert caught.value.where == "as of 2020-01-02T00:00:00Z"

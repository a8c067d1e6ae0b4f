"""Changes between two times and the events that caused them: against plain loops and against earlier answers."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.attribution.touches import Key
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.funnel import By, funnel
from advertisex.analysis.quality.report import quality
from advertisex.analysis.reach import reach
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.model import EVENT_COLUMNS, Batch, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore
from tests.analysis.auctions_oracle import winners
from tests.analysis.small_worlds import scopes
from tests.catalogues import catalogue_rows

Row = dict[str, Any]
Step = dict[str, list[Row]]

INGESTED = 1_790_000_000_000_000  # 2026-09-21
BEGINNING = datetime(2020, 1, 1)
CATALOGUE = catalogue_rows({"creative_id": ["c1", "c2"], "campaign_id": ["k1", "k2"], "advertiser_id": ["a", "a"]})
MEASURES = ("impressions", "bids", "clicks", "conversions")
MESSAGE = {
    "impressions": {"website": "one.example", "creative_id": "c1"},
    "clicks": {"campaign_id": "k1", "conversion_type": "click"},
    "bids": {},
}


def commit(store: DuckdbStore, step: Step) -> datetime:
    """Store the events of one step; returns a time after it and before the next."""
    for feed, messages in step.items():
        if not messages:
            continue
        start = sum(row.next_offset for row in store.ledger() if row.topic == FEEDS[feed].topic)
        payloads = [json.dumps({"user_id": "u"} | MESSAGE[feed] | m).encode() for m in messages]
        end = start + len(payloads)
        batch = Batch(Span(FEEDS[feed].topic, 0, start, end), range(start, end), payloads, [INGESTED] * len(payloads))
        store.commit(process(batch, FEEDS[feed], Policy()))
    return datetime.now(UTC).replace(tzinfo=None)


def rows_of(store: DuckdbStore, scope: Scope) -> list[Row]:
    found = []
    for feed in FEEDS:
        names = [*EVENT_COLUMNS, *FEEDS[feed].columns, "processed_at", "topic", "partition"]
        for frame in store.scan(feed, names, scope.within):
            found += [{"feed": feed, **row} for row in frame.iter_rows(named=True)]
    return [row for row in found if scope.campaign in (None, row["campaign_id"])]


# -- in plain loops ----------------------------------------------------------------------------------------------


def won_by(store: DuckdbStore, scope: Scope) -> list[Row]:
    """The bids of the scope that won, considering the impressions and bids of all campaigns."""
    everything = rows_of(store, Scope(as_of=scope.as_of))
    bids, impressions = ([row for row in everything if row["feed"] == feed] for feed in ("bids", "impressions"))
    won = winners(bids, impressions)
    return [row for row in rows_of(store, scope) if row["feed"] == "bids" and row["event_id"] in won]


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


def numbers(rows: Sequence[Row], won: Sequence[Row]) -> dict[Any, Counter[str]]:
    """Sums by campaign and day; money in millionths by currency."""
    found: dict[Any, Counter[str]] = defaultdict(Counter)
    for row in rows:
        added = found[row["campaign_id"], row["event_time"].replace(hour=0, minute=0, second=0, microsecond=0)]
        if row["feed"] != "clicks":
            added[row["feed"]] += 1
            continue
        added["clicks"] += row["clicks"]
        added["conversions"] += row["conversions"]
        if row["conversions"] and row["value"] is not None:
            name = "value" if row["currency"] is None else f"value_{row['currency']}"
            added[name] += int(Decimal(str(row["value"])).scaleb(6))
    for row in won:
        added = found[row["campaign_id"], row["event_time"].replace(hour=0, minute=0, second=0, microsecond=0)]
        added["won"] += 1
        if row["amount"] is not None:
            added["spend_EUR"] += int(Decimal(str(row["amount"])).scaleb(6))
    return found


def listed(answer: Answer) -> dict[Any, dict[str, dict[str, int]]]:
    """The numbers before, after, and the change for each campaign and day of the answer, without zeros."""
    found = {}
    for row in answer.table("restated").iter_rows(named=True):
        sides: dict[str, dict[str, int]] = {"before": {}, "after": {}, "change": {}}
        for name, value in row.items():
            measure, _, side = name.rpartition("_")
            if side in sides and value:
                sides[side][measure] = int(value.scaleb(6)) if isinstance(value, Decimal) else value
        found[row["campaign_id"], row["day"]] = sides
    return found


def nonzero(counter: Counter[str]) -> dict[str, int]:
    return {name: number for name, number in counter.items() if number}


def key(row: Row) -> tuple[Any, ...]:
    campaign = row["campaign_id"]
    return campaign is None, campaign or "", row["event_time"].date(), row["feed"], row["event_time"], row["event_id"]


TIMES = st.builds(lambda day, hour: f"2026-03-{day:02}T{hour:02}:00:00Z", st.integers(1, 3), st.integers(0, 23))
AMOUNTS = st.none() | st.integers(0, 3_000_000).map(lambda micros: micros / 1_000_000)
AUCTIONS = st.sampled_from([None, "x", "x", "y"])
STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "impressions": st.lists(
                st.fixed_dictionaries(
                    {"timestamp": TIMES, "creative_id": st.sampled_from(["c1", "c2", "stray"]), "auction_id": AUCTIONS}
                ),
                max_size=4,
            ),
            "clicks": st.lists(
                st.fixed_dictionaries(
                    {
                        "timestamp": TIMES,
                        "campaign_id": st.sampled_from(["k1", "k2"]),
                        "clicks": st.integers(0, 2),
                        "conversions": st.integers(0, 1),
                        "value": AMOUNTS,
                        "currency": st.sampled_from([None, "EUR", "USD"]),
                    }
                ),
                max_size=4,
            ),
            "bids": st.lists(
                st.fixed_dictionaries(
                    {
                        "timestamp": TIMES,
                        "creative_id": st.sampled_from(["c1", "c2", None]),
                        "auction_id": AUCTIONS,
                        "amount": AMOUNTS,
                        "currency": st.just("EUR"),
                    }
                ),
                max_size=3,
            ),
        }
    ),
    min_size=2,
    max_size=4,
)
BOUND = st.none() | st.builds(lambda day, hour: datetime(2026, 3, day, hour), st.integers(1, 3), st.integers(0, 23))
SCOPES = scopes(BOUND)


@settings(max_examples=25)
@given(STEPS, SCOPES, st.data())
def test_restated_numbers_are_the_difference(steps: list[Step], scope: Scope, data: st.DataObject) -> None:
    with DuckdbStore(Path(":memory:")) as store:
        times = [BEGINNING, *(commit(store, step) for step in steps)]
        first = data.draw(st.integers(0, len(times) - 2))
        last = data.draw(st.integers(first + 1, len(times) - 1))
        start, end = times[first], times[last]
        before, after = (
            rows_of(store, Scope(scope.since, scope.until, scope.campaign, as_of)) for as_of in (start, end)
        )
        if not after:
            with pytest.raises(AnalysisError, match="no events"):
                restatement(store, scope, start=start, end=end)
            return
        answer = restatement(store, scope, start=start, end=end, limit=5)
        known_won, won = (
            won_by(store, Scope(scope.since, scope.until, scope.campaign, as_of)) for as_of in (start, end)
        )
        lost_or_won = [row for row in known_won if row not in won] + [row for row in won if row not in known_won]
        elsewhere = outside(store, Scope(scope.since, scope.until, scope.campaign, end), start, lost_or_won)

    late = sorted((row for row in after if row["processed_at"] > start), key=key)
    old, new = numbers(before, known_won), numbers(after, won)
    added = {where: Counter(new[where]) for where in new}
    for where, counts in added.items():
        counts.subtract(old.get(where, Counter()))
    changed = {where for where in new if nonzero(new[where]) != nonzero(old.get(where, Counter()))}
    assert listed(answer) == {
        where: {
            "before": nonzero(old.get(where, Counter())),
            "after": nonzero(new[where]),
            "change": nonzero(added[where]),
        }
        for where in changed
    }
    known = {(row["campaign_id"], row["event_time"].date()) for row in before}
    for campaign, day, is_new, events in (
        answer.table("restated").select("campaign_id", "day", "new", "late_events").rows()
    ):
        assert is_new == ((campaign, day.date()) not in known)
        assert events == sum((r["campaign_id"], r["event_time"].date()) == (campaign, day.date()) for r in late)
    assert answer.facts["late"] == {feed: sum(row["feed"] == feed for row in late) for feed in FEEDS}
    assert answer.facts["new_days"] + answer.facts["restated_days"] == len(changed)
    assert answer.facts["new_days"] == answer.table("restated")["new"].sum()
    events = answer.table("late_events")
    assert answer.facts["late_elsewhere"] == len(elsewhere)
    expected_rows = sorted([*late, *elsewhere], key=key)[:5]
    assert [bytes.fromhex(i) for i in events["event_id"]] == [row["event_id"] for row in expected_rows]
    assert events["in_scope"].to_list() == [row not in elsewhere for row in expected_rows]
    for name in ("feed", "event_time", "processed_at", "ingested_at", "topic", "partition", "offset", "campaign_id"):
        assert events[name].to_list() == [row[name] for row in expected_rows], name
    total: Counter[str] = Counter()
    for counts in added.values():
        total.update(counts)
    assert {name: answer.facts["change"][name] for name in MEASURES} == {name: total[name] for name in MEASURES}
    spend = answer.facts["change"]["spend"].get("EUR", Decimal(0))
    assert (answer.facts["change"]["won"], int(spend.scaleb(6))) == (total["won"], total["spend_EUR"])
    money = {
        ("value_" + currency).rstrip("_"): int(sum_.scaleb(6))
        for currency, sum_ in answer.facts["change"]["value"].items()
    }
    assert {name: amount for name, amount in money.items() if amount} == {
        name: amount for name, amount in total.items() if name.startswith("value") and amount
    }


QUESTIONS: dict[str, Callable[[EventStore, Scope], Answer]] = {
    "summary": summarise,
    "summary by day": partial(summarise, by="day"),
    "correlation": correlate,
    "correlation by day": partial(correlate, by="day"),
    "funnel": funnel,
    **{f"funnel by {by}": partial(funnel, by=by) for by in get_args(By)},
    **{f"attribution by {by}": partial(attribute, by=by) for by in get_args(Key)},
    "attribution, split journeys": partial(attribute, split_journeys=True),
    "reach": reach,
    "bids": bids,
    "quality": quality,
}


@settings(max_examples=3)
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
        ("k1", datetime(2026, 3, 1), False, 2), ("k1", datetime(2026, 3, 2), True, 1),
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
    start = commit(store, {"bids": [bid]})
    return start, commit(store, {"impressions": [{"timestamp": "2026-03-07T00:10:00Z", "auction_id": "x"}]})


@pytest.mark.parametrize("scope", [Scope(), Scope(until=datetime(2026, 3, 7)), Scope(campaign="k1")])
def test_a_late_impression_changes_the_spend_of_the_day_of_its_bid(scope: Scope) -> None:
    with DuckdbStore(Path(":memory:")) as store:
        start, end = late_impression_after_midnight(store)
        answer = restatement(store, scope, start=start, end=end)

    day = answer.table("restated").row(0, named=True)
    assert (day["campaign_id"], day["day"], day["new"]) == ("k1", datetime(2026, 3, 6), False)
    assert [day[f"won_{side}"] for side in ("before", "after", "change")] == [0, 1, 1]
    assert [day[f"spend_EUR_{side}"] for side in ("before", "after", "change")] == [None, Decimal(7), Decimal(7)]
    event = answer.table("late_events").row(0, named=True)
    is_inside = scope.until is None
    assert (event["feed"], event["auction_id"], event["in_scope"]) == ("impressions", "x", is_inside)
    assert answer.facts["late_elsewhere"] == (not is_inside)


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
    assert answer.facts["change"] == dict.fromkeys(MEASURES, 0) | {"won": 0, "value": {}, "spend": {}}


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

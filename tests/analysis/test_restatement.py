"""What changed between two times, and by which events: against plain loops, and against what was answered then."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer
from advertisex.analysis.funnel import funnel
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.batches import EVENT_COLUMNS, Batch, Span
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.processing.enrich import Catalogue
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.duckdb import DuckdbStore

Row = dict[str, Any]
Step = dict[str, list[Row]]

INGESTED = 1_790_000_000_000_000  # 2026-09-21
BEGINNING = datetime(2020, 1, 1)
CATALOGUE = Catalogue(
    pl.DataFrame({"creative_id": ["c1", "c2"], "campaign_id": ["k1", "k2"], "advertiser_id": ["a", "a"]})
)
MEASURES = ("impressions", "bids", "clicks", "conversions")
MESSAGE = {
    "impressions": {"website": "one.example", "creative_id": "c1"},
    "clicks": {"campaign_id": "k1", "conversion_type": "click"},
    "bids": {},
}


def commit(store: DuckdbStore, step: Step) -> datetime:
    """Store what one step brought; returns a time after it and before the next."""
    for feed, messages in step.items():
        if not messages:
            continue
        start = sum(row.next_offset for row in store.ledger() if row.topic == FEEDS[feed].topic)
        made = [json.dumps({"user_id": "u"} | MESSAGE[feed] | m).encode() for m in messages]
        end = start + len(made)
        batch = Batch(Span(FEEDS[feed].topic, 0, start, end), range(start, end), made, [INGESTED] * len(made))
        store.commit(process(batch, FEEDS[feed], Policy(), CATALOGUE))
    return datetime.now(UTC).replace(tzinfo=None)


def rows_of(store: DuckdbStore, scope: Scope) -> list[Row]:
    found = []
    for feed in FEEDS:
        names = [*EVENT_COLUMNS, *FEEDS[feed].columns, "processed_at", "topic", "partition"]
        for frame in store.scan(feed, names, scope.within):
            found += [{"feed": feed, **row} for row in frame.iter_rows(named=True)]
    return [row for row in found if scope.campaign in (None, row["campaign_id"])]


# -- in plain loops ----------------------------------------------------------------------------------------------


def numbers(rows: Sequence[Row]) -> dict[Any, Counter[str]]:
    """For each campaign and day what its rows add up to; money in millionths, under its currency."""
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
    return found


def listed(answer: Answer) -> dict[Any, dict[str, dict[str, int]]]:
    """For each campaign and day in the answer the numbers before, after, and the change, without zeros."""
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
STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "impressions": st.lists(
                st.fixed_dictionaries({"timestamp": TIMES, "creative_id": st.sampled_from(["c1", "c2", "stray"])}),
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
                st.fixed_dictionaries({"timestamp": TIMES, "creative_id": st.sampled_from(["c1", None])}), max_size=2
            ),
        }
    ),
    min_size=2,
    max_size=4,
)
BOUND = st.none() | st.builds(lambda day, hour: datetime(2026, 3, day, hour), st.integers(1, 3), st.integers(0, 23))
SCOPES = st.builds(Scope, since=BOUND, until=BOUND, campaign=st.sampled_from([None, None, "k1"]))


@settings(max_examples=25, deadline=None)
@given(STEPS, SCOPES, st.data())
def test_what_is_listed_is_the_difference(steps: list[Step], scope: Scope, data: st.DataObject) -> None:
    with DuckdbStore(Path(":memory:")) as store:
        times = [BEGINNING, *(commit(store, step) for step in steps)]
        first = data.draw(st.integers(0, len(times) - 2))
        last = data.draw(st.integers(first + 1, len(times) - 1))
        start, end = times[first], times[last]
        before, after = (
            rows_of(store, Scope(scope.since, scope.until, scope.campaign, as_of)) for as_of in (start, end)
        )
        if not rows_of(store, Scope(scope.since, scope.until, None, end)):
            with pytest.raises(AnalysisError, match="no event"):
                restatement(store, scope, start, end)
            return
        answer = restatement(store, scope, start, end, limit=5)

    late = sorted((row for row in after if row["processed_at"] > start), key=key)
    old, new, added = numbers(before), numbers(after), numbers(late)
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
    assert [bytes.fromhex(i) for i in events["event_id"]] == [row["event_id"] for row in late[:5]]
    for name in ("feed", "event_time", "processed_at", "ingested_at", "topic", "partition", "offset", "campaign_id"):
        assert events[name].to_list() == [row[name] for row in late[:5]], name
    total: Counter[str] = sum(added.values(), Counter())
    assert {name: answer.facts["change"][name] for name in MEASURES} == {name: total[name] for name in MEASURES}
    money = {
        ("value_" + currency).rstrip("_"): int(sum_.scaleb(6))
        for currency, sum_ in answer.facts["change"]["value"].items()
    }
    assert {name: amount for name, amount in money.items() if amount} == {
        name: amount for name, amount in total.items() if name.startswith("value") and amount
    }


@settings(max_examples=10, deadline=None)
@given(STEPS)
def test_an_invoice_can_be_explained_a_month_later(steps: list[Step]) -> None:
    def answers(as_of: datetime | None) -> list[dict[str, Any]]:
        scope = Scope(as_of=as_of)
        documents = [summarise(store, scope).to_dict(), funnel(store, scope, by="campaign_id").to_dict()]
        for document in documents:
            document.pop("range")
        return documents

    with DuckdbStore(Path(":memory:")) as store:
        given_then = []
        for step in steps:
            time = commit(store, step)
            if store.ledger():
                given_then.append((time, answers(None)))

        for time, answer in given_then:
            assert answers(time) == answer


# -- by hand -----------------------------------------------------------------------------------------------------


def test_a_late_conversion_and_a_new_day_by_hand() -> None:
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
                    {"timestamp": "2026-03-01T00:00:00Z"},  # known already, when it comes once more
                ],
            },
        )
        commit(store, {"clicks": [{"timestamp": "2026-03-01T06:00:00Z"}]})
        answer = restatement(store, Scope(), start, end)

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


def test_where_nothing_came_late_nothing_is_listed() -> None:
    with DuckdbStore(Path(":memory:")) as store:
        time = commit(store, {"bids": [{"timestamp": "2026-03-01T00:00:00Z"}]})
        answer = restatement(store, Scope(), time, time + timedelta(days=1))

    assert answer.table("restated").is_empty()
    assert answer.table("late_events").is_empty()
    assert answer.facts["change"] == dict.fromkeys(MEASURES, 0) | {"value": {}}


@pytest.mark.parametrize(
    ("start", "end", "limit"),
    [(BEGINNING, BEGINNING, 1), (BEGINNING + timedelta(1), BEGINNING, 1), (BEGINNING, BEGINNING + timedelta(1), -1)],
)
def test_what_cannot_be_asked_is_said(start: datetime, end: datetime, limit: int) -> None:
    with DuckdbStore(Path(":memory:")) as store, pytest.raises(ConfigurationError) as caught:
        restatement(store, Scope(), start, end, limit=limit)

    assert caught.value.mend


def test_before_anything_was_stored_is_a_message() -> None:
    with DuckdbStore(Path(":memory:")) as store:
        commit(store, {"bids": [{"timestamp": "2026-03-01T00:00:00Z"}]})
        with pytest.raises(AnalysisError, match="no event was stored") as caught:
            restatement(store, Scope(), BEGINNING, BEGINNING + timedelta(days=1))

    assert caught.value.mend
    assert caught.value.where == "as of 2020-01-02T00:00:00Z"

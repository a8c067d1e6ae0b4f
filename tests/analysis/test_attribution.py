"""Attribution: against plain Python on small random data sets, and worked examples."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer
from advertisex.analysis.arguments import LONGEST
from advertisex.analysis.attribution import journeys as journeys_module
from advertisex.analysis.attribution.attribute import MODELS, attribute
from advertisex.analysis.attribution.credit import check_sums, credited, weights
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.model import Batch, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore, Range
from advertisex.stores.duckdb.store import DuckdbStore
from tests.analysis.attribution_oracle import (
    CREDIT,
    MONEY,
    Expected,
    Question,
    attributed,
    effects_by_value,
    largest_remainder,
    removal_effects,
)
from tests.analysis.small_worlds import owners
from tests.budget import examples
from tests.catalogues import catalogue_rows

Stored = Callable[..., EventStore]
Messages = dict[str, list[dict[str, Any]]]

INGESTED = 1_790_000_000_000_000  # 2026-09-21
START = datetime(2026, 3, 1)
CATALOGUE = catalogue_rows(
    {
        "creative_id": ["c1", "c2", "c3"],
        "campaign_id": ["k1", "k2", "k1"],
        "advertiser_id": ["a1", "a1", "a1"],
    }
)
#: c2 moves to another campaign and advertiser.
MOVING = catalogue_rows(
    {
        "creative_id": ["c1", "c2", "c2", "c3"],
        "campaign_id": ["k1", "k2", "k1", "k1"],
        "advertiser_id": ["a1", "a1", "a2", "a1"],
        "valid_from": [None, None, START + timedelta(hours=20), None],
    }
)
RULE_BASED = [model for model in MODELS if model != "markov"]


def at(hours: int) -> str:
    return (START + timedelta(hours=hours)).isoformat() + "Z"


# -- small random data sets --------------------------------------------------------------------------------------

USERS, HOURS = st.sampled_from(["u1", "u1", "u2"]), st.integers(0, 40).map(at)
IMPRESSION = st.fixed_dictionaries(
    {
        "user_id": USERS,
        "timestamp": HOURS,
        "website": st.sampled_from(["a.example", "b.example"]),
        "creative_id": st.sampled_from(["c1", "c2", "c3", "of no campaign"]),
    },
    optional={"app": st.sampled_from(["app-1", "app-2"])},
)
CLICK = st.fixed_dictionaries(
    {
        "user_id": USERS,
        "timestamp": HOURS,
        "campaign_id": st.sampled_from(["k1", "k2"]),
        "clicks": st.integers(0, 2),
        "conversions": st.sampled_from([0, 1, 1, 3]),
    },
    optional={
        "value": st.sampled_from([0, 0.1, 10, 33.333333, "0.000000000001", "999999999999999999.999999999999"]),
        "currency": st.sampled_from(["EUR", "USD"]),
        "app": st.sampled_from(["app-1", "app-2"]),
    },
)
REFUND = st.fixed_dictionaries(
    {
        "user_id": USERS,
        "timestamp": HOURS,
        "campaign_id": st.sampled_from(["k1", "k2"]),
        "conversion_type": st.just("refund"),
        "value": st.sampled_from([0, -0.1, "-999999999999.000000000001"]),
        "currency": st.sampled_from(["EUR", "CHF"]),
    },
)
DATASETS: st.SearchStrategy[Messages] = st.fixed_dictionaries(
    {
        "impressions": st.lists(IMPRESSION, min_size=5, max_size=14),
        "clicks": st.lists(CLICK | CLICK | REFUND, min_size=4, max_size=10),
    }
)
QUESTIONS = st.builds(
    Question,
    by=st.sampled_from(["campaign_id", "creative_id", "website", "app", "advertiser_id"]),
    within_campaign=st.booleans(),
    split_journeys=st.booleans(),
    click_window=st.sampled_from([timedelta(hours=h) for h in (0, 12, 40)]),
    view_window=st.sampled_from([timedelta(hours=h) for h in (0, 8, 30)]),
    half_life=st.sampled_from([timedelta(hours=h) for h in (1, 10)]),
    since=st.sampled_from([None, None, START + timedelta(hours=15)]),
    until=st.sampled_from([None, None, START + timedelta(hours=30)]),
    campaign=st.sampled_from([None, "k1"]),
)


@dataclass
class Small:
    """An in-memory store and its reference results."""

    store: DuckdbStore
    offset: int = 0

    def commit(self, feed: str, messages: Sequence[dict[str, Any]]) -> None:
        payloads = [json.dumps(message).encode() for message in messages]
        span = Span(FEEDS[feed].topic, self.offset, 0, len(payloads))
        self.offset += 1  # one partition per commit
        batch = Batch(span, range(len(payloads)), payloads, [INGESTED] * len(payloads))
        self.store.commit(process(batch, FEEDS[feed], Policy()))

    def rows(self, feed: str) -> list[dict[str, Any]]:
        columns = ["event_id", *FEEDS[feed].columns]
        rows = [row for frame in self.store.scan(feed, columns, Range()) for row in frame.iter_rows(named=True)]
        return [row if feed == "clicks" else row | owners(row, MOVING.rows(named=True)) for row in rows]

    def expected(self, question: Question) -> Expected:
        return attributed(self.rows("impressions"), self.rows("clicks"), question)


@contextmanager
def small(messages: Messages) -> Any:
    with DuckdbStore(Path(":memory:")) as store:
        data = Small(store)
        store.import_catalogue(MOVING)
        for feed, rows in messages.items():
            data.commit(feed, rows)
        yield data


def ask(store: EventStore, question: Question, as_of: datetime | None = None, **options: Any) -> Answer:
    bounds = ("since", "until", "campaign")
    own = {f.name: getattr(question, f.name) for f in fields(question) if f.name not in bounds}
    scope = Scope(question.since, question.until, question.campaign, as_of)
    return attribute(store, scope, **own, **options)


def found(answer: Answer, table: str, model: str, units: int) -> dict[Any, int]:
    """The credits of a model in integer units, without zeros."""
    rows = answer.table(table)
    keys = rows.columns[: rows.columns.index("first")]
    return {
        (row[:-1] if len(keys) > 1 else row[0]): int(Fraction(row[-1]) * units)
        for row in rows.select(*keys, model).iter_rows()
        if row[-1]
    }


def units_of(money: dict[str, Decimal]) -> dict[str, int]:
    return {currency: int(Fraction(amount) * MONEY) for currency, amount in money.items()}


def without_zeros(units: dict[Any, int]) -> dict[Any, int]:
    return {key: amount for key, amount in units.items() if amount}


@settings(max_examples=examples(30))
@given(DATASETS, QUESTIONS)
def test_all_numbers_match_plain_loops(messages: Messages, question: Question) -> None:
    with small(messages) as data:
        expected = data.expected(question)
        if not expected.conversions:
            with pytest.raises(AnalysisError, match="no conversions"):
                ask(data.store, question)
            return

        answer = ask(data.store, question)

    facts = answer.facts
    assert (facts["conversions"], facts["attributed"]) == (expected.conversions, expected.attributed)
    assert units_of(facts["value_gross"]) == expected.value_gross
    assert units_of(facts["value_net"]) == expected.value_net
    assert without_zeros(units_of(facts["value_attributed"])) == without_zeros(expected.value_attributed)
    assert sum(facts["touches"].values()) == len(expected.touched)
    for model in RULE_BASED:
        assert found(answer, "credits", model, CREDIT) == without_zeros(expected.credits[model]), model
        assert found(answer, "value", model, MONEY) == without_zeros(expected.value[model]), model
    assert_markov(answer, expected)
    assert_totals_match(answer)


def assert_markov(answer: Answer, expected: Expected) -> None:
    if not expected.attributed:
        assert answer.table("credits").is_empty()
        return
    effects = removal_effects(expected.walks)
    keys = sorted(effects, key=lambda key: (key is None, key))
    shares = largest_remainder(expected.attributed * CREDIT, [effects[key] for key in keys])
    credited = found(answer, "credits", "markov", CREDIT)
    for key, share in zip(keys, shares, strict=True):
        assert credited.get(key, 0) == pytest.approx(share, abs=2)  # the solution is rounded, at 10⁻¹²


@settings(max_examples=examples(30))
@given(DATASETS, QUESTIONS)
def test_value_is_divided_by_a_chain_of_each_currency(messages: Messages, question: Question) -> None:
    with small(messages) as data:
        expected = data.expected(question)
        if not expected.conversions:
            return
        answer = ask(data.store, question, weight="value")
        by_conversions = ask(data.store, question)

    assert_totals_match(answer)
    assert answer.table("credits").equals(by_conversions.table("credits"))
    for model in RULE_BASED:
        assert found(answer, "value", model, MONEY) == found(by_conversions, "value", model, MONEY)
    found_value = found(answer, "value", "markov", MONEY)
    for currency, walks in expected.valued.items():
        total = sum(int(value) for value, _, _ in walks)
        if not total:
            continue
        effects = effects_by_value(expected, currency)
        for key, effect in effects.items():
            share = total * effect / sum(effects.values())
            assert found_value.get((key, currency), 0) == pytest.approx(int(share), abs=2 + total // 10**10)


@settings(max_examples=examples(10))
@given(DATASETS, QUESTIONS)
def test_equal_values_weigh_as_much_as_conversions(messages: Messages, question: Question) -> None:
    """A chain does not depend on the unit of money."""
    for row in messages["clicks"]:
        if row.get("conversion_type") != "refund":
            row |= {"value": row["conversions"] * Decimal("0.07"), "currency": "EUR"}
            row["value"] = str(row["value"])
    with small(messages) as data:
        if not data.expected(question).conversions:
            return
        by_value, by_conversions = (ask(data.store, question, weight=weight) for weight in ("value", "conversions"))
    for ours, theirs in zip(by_value.table("value")["markov"], by_conversions.table("value")["markov"], strict=True):
        assert ours == pytest.approx(theirs, abs=Decimal("0.00000001"))


def assert_totals_match(answer: Answer) -> None:
    facts = answer.facts
    assert facts["attributed"] + facts["unattributed"] == facts["conversions"]
    gross, attributed, other = (units_of(facts[f"value_{name}"]) for name in ("gross", "attributed", "unattributed"))
    assert {currency: attributed[currency] + other[currency] for currency in gross} == gross
    value = answer.table("value").with_columns(pl.col("currency").fill_null(""))
    for model in answer.parameters["models"]:
        assert sum(answer.table("credits")[model]) == facts["attributed"], model
        by_currency: dict[str, int] = Counter()
        for currency, amount in value.select("currency", model).iter_rows():
            by_currency[currency] += int(Fraction(amount) * MONEY)
        assert without_zeros(by_currency) == without_zeros(attributed), model


@settings(max_examples=examples(10))
@given(DATASETS, QUESTIONS, st.randoms(use_true_random=False))
def test_order_and_lateness_of_events_do_not_matter(messages: Messages, question: Question, random: Any) -> None:
    shuffled = {feed: random.sample(rows, len(rows)) for feed, rows in messages.items()}
    early = {feed: rows[: len(rows) // 2] for feed, rows in shuffled.items()}
    with small(messages) as data, small(early) as late:
        before = answer_or_none(late.store, question)
        then = max(late.store.commits()["committed_at"])
        for feed in ("clicks", "impressions"):
            late.commit(feed, shuffled[feed])  # includes the early ones again: they are duplicates

        assert answer_or_none(late.store, question) == answer_or_none(data.store, question)
        assert answer_or_none(late.store, question, then) == before


def answer_or_none(store: EventStore, question: Question, as_of: datetime | None = None) -> dict[str, Any] | None:
    try:
        return ask(store, question, as_of).to_dict() | {"range": None}
    except AnalysisError:
        return None


@settings(max_examples=examples(6))
@given(DATASETS, QUESTIONS)
def test_chunk_size_does_not_matter(messages: Messages, question: Question) -> None:
    with small(messages) as data, pytest.MonkeyPatch.context() as patch:
        whole = answer_or_none(data.store, question)
        patch.setattr(journeys_module, "_MAX_PAIRS", 2)
        assert answer_or_none(data.store, question) == whole


@settings(max_examples=examples(6))
@given(DATASETS, QUESTIONS, st.sets(st.sampled_from(MODELS), min_size=1))
def test_a_model_does_not_depend_on_the_other_models(messages: Messages, question: Question, models: set[Any]) -> None:
    with small(messages) as data:
        if not data.expected(question).conversions:
            return
        some, all_ = ask(data.store, question, models=sorted(models)), ask(data.store, question)
    for model in models:
        assert [*some.table("credits").columns[1:]] == sorted(models)
        credits_alone = {
            row[0]: row[1] for row in some.table("credits").select(question.column, model).iter_rows() if row[1]
        }
        assert credits_alone == {
            row[0]: row[1] for row in all_.table("credits").select(question.column, model).iter_rows() if row[1]
        }


# -- by hand -----------------------------------------------------------------------------------------------------

#: u1 sees c1, c2, c3's ads at 0 h, 2 h and 4 h, clicks k1's at 5 h, and converts at 10 h.
JOURNEY: Messages = {
    "impressions": [
        {"timestamp": at(0), "creative_id": "c1", "website": "a.example"},
        {"timestamp": at(2), "creative_id": "c2", "website": "b.example"},
        {"timestamp": at(4), "creative_id": "of no campaign", "website": "b.example"},
    ],
    "clicks": [
        {"timestamp": at(5), "campaign_id": "k1"},
        {
            "timestamp": at(10), "campaign_id": "k2", "conversion_type": "purchase", "value": 10, "currency": "EUR",
        },
    ],
}  # fmt: skip


def shop(stored: Stored, **events: Any) -> EventStore:
    """c1's and c2's ads cost 2 € and 3 €, one of no campaign 1 $; the purchase is of 10 €."""
    costs = [{"cost": 2, "currency": "EUR"}, {"cost": 3, "currency": "EUR"}, {"cost": 1, "currency": "USD"}]
    shown = [row | cost for row, cost in zip(JOURNEY["impressions"], costs, strict=True)]
    return stored(CATALOGUE, **JOURNEY | {"impressions": [*shown, *events.get("impressions", [])]})


def test_costs_beside_each_model(stored: Stored) -> None:
    answer = attribute(shop(stored), Scope(), models=["first", "linear"])

    assert answer.table("costs").rows() == [
        ("k1", "EUR", 2, 2.0, 5.0, 4.0, 2.5),
        ("k2", "EUR", 3, None, 0.0, 12.0, 2.5 / 3),
        (None, "USD", 1, None, 0.0, 4.0, 0.0),
    ]
    assert answer.table("costs").columns[3:] == ["cpa_first", "roas_first", "cpa_linear", "roas_linear"]
    assert answer.facts["spend"] == {"EUR": 5, "USD": 1}


def test_spend_in_several_currencies_has_no_ratio(stored: Stored) -> None:
    other = {"timestamp": at(1), "creative_id": "c1", "website": "a.example", "cost": 1, "currency": "USD"}
    store = shop(stored, impressions=[other])

    rows = attribute(store, Scope(), models=["first"]).table("costs").rows()

    assert rows[:2] == [("k1", "EUR", 2, None, None), ("k1", "USD", 1, None, None)]


def test_costs_are_those_of_the_scope(stored: Stored) -> None:
    """Touches before the range are credited, and cost nothing in it; a type selects conversions and no costs."""
    store = shop(stored)

    later = attribute(store, Scope(START + timedelta(hours=2)), models=["first"])
    of_type = attribute(store, Scope(where={"conversion_type": "purchase"}), models=["first"])

    assert credits_of(later, "first") == {"k1": 1}
    assert later.table("costs").select(pl.first(), "spend").rows() == [("k2", 3), (None, 1)]
    assert of_type.table("costs").equals(attribute(store, Scope(), models=["first"]).table("costs"))
    assert attribute(store, Scope(campaign="k2"), models=["first"]).facts["spend"] == {"EUR": 3}


COSTS = st.tuples(st.sampled_from([None, 0, "0.1", "2.5", "0.000000000001"]), st.sampled_from(["EUR", "USD", None]))


@settings(max_examples=examples(20))
@given(DATASETS, QUESTIONS, st.lists(COSTS, min_size=14, max_size=14))
def test_costs_match_fractions(messages: Messages, question: Question, costs: list[Any]) -> None:
    shown = [row | {"cost": c, "currency": of} for row, (c, of) in zip(messages["impressions"], costs, strict=False)]
    with small(messages | {"impressions": shown}) as data:
        expected = data.expected(question)
        if not expected.conversions:
            return
        answer, views = ask(data.store, question, models=RULE_BASED), data.rows("impressions")
    spend: dict[Any, dict[Any, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for view in views:
        in_range = (question.since or START) <= view["event_time"] < (question.until or START + timedelta(days=9))
        if in_range and view["cost"] is not None and question.campaign in (None, view["campaign_id"]):
            spend[view[question.column]][view["currency"]] += Fraction(view["cost"])

    rows = {(row[question.column], row["currency"]): row for row in answer.table("costs").iter_rows(named=True)}

    assert {where: Fraction(row["spend"]) for where, row in rows.items()} == {
        (key, currency): amount for key, parts in spend.items() for currency, amount in parts.items()
    }
    for (key, currency), row in rows.items():
        spent = None if len(spend[key]) > 1 else spend[key][currency]
        for model in RULE_BASED:
            credit = Fraction(expected.credits[model][key], CREDIT)
            value = Fraction(expected.value[model][key, currency], MONEY)
            assert row[f"cpa_{model}"] == (None if spent is None or not credit else float(spent / credit))
            assert row[f"roas_{model}"] == (float(value / spent) if spent else None)


def credits_of(answer: Answer, model: str) -> dict[Any, float]:
    keys = answer.table("credits").columns[0]
    return {key: float(credit) for key, credit in answer.table("credits").select(keys, model).iter_rows()}


def test_worked_example_of_each_model(stored: Stored) -> None:
    answer = attribute(stored(CATALOGUE, **JOURNEY), Scope(), half_life=timedelta(hours=1))

    assert answer.table("credits").columns == ["campaign_id", *MODELS]
    assert credits_of(answer, "first") == {"k1": 1, "k2": 0, None: 0}
    assert credits_of(answer, "last") == {"k1": 1, "k2": 0, None: 0}
    assert credits_of(answer, "last_click") == {"k1": 1, "k2": 0, None: 0}
    assert credits_of(answer, "linear") == {"k1": 0.5, "k2": 0.25, None: 0.25}
    assert credits_of(answer, "position") == {"k1": 0.8, "k2": 0.1, None: 0.1}
    # ages relative to the click: 5, 3, 1 and 0 hours: weights 1/32, 1/8, 1/2 and 1, which sum to 53/32
    assert credits_of(answer, "time_decay") == pytest.approx({"k1": 33 / 53, "k2": 4 / 53, None: 16 / 53}, abs=1e-9)
    # all walks start at k1 and convert; half of them go on to k2 and null. Effects: 1, 1/2, 1/2
    assert credits_of(answer, "markov") == {"k1": 0.5, "k2": 0.25, None: 0.25}
    assert credits_of(answer, "shapley") == pytest.approx({"k1": 1 / 3, "k2": 1 / 3, None: 1 / 3}, abs=1e-9)
    assert answer.facts == {
        "conversions": 1,
        "attributed": 1,
        "unattributed": 0,
        "value_gross": {"EUR": 10},
        "value_net": {"EUR": 10},
        "value_attributed": {"EUR": 10},
        "value_unattributed": {"EUR": 0},
        "touches": {"clicks": 1, "views": 3},
        "spend": {},
    }
    assert answer.computed_from == {"impressions": 3, "clicks": 2}
    assert answer.horizon == START + timedelta(hours=4)


def test_remainders_go_to_the_earlier_touch(stored: Stored) -> None:
    answer = attribute(stored(CATALOGUE, **JOURNEY), Scope(), models=["shapley"])

    assert dict(answer.table("credits").iter_rows()) == {
        "k1": Decimal("0.333333334"), "k2": Decimal("0.333333333"), None: Decimal("0.333333333"),
    }  # fmt: skip
    assert answer.table("value").rows() == [
        ("k1", "EUR", Decimal("3.333333333334")), ("k2", "EUR", Decimal("3.333333333333")),
        (None, "EUR", Decimal("3.333333333333")),
    ]  # fmt: skip


def test_a_click_is_credited_to_its_matched_impression(stored: Stored) -> None:
    store = stored(CATALOGUE, **JOURNEY)

    by_creative, by_website = (
        attribute(store, Scope(), by=by, models=["last", "linear"]) for by in ("creative_id", "website")
    )

    assert credits_of(by_creative, "last")["c1"] == 1
    assert credits_of(by_creative, "linear") == {"c1": 0.5, "c2": 0.25, "of no campaign": 0.25}
    assert credits_of(by_website, "linear") == {"a.example": 0.5, "b.example": 0.5}


def test_within_campaign_credits_only_the_conversions_own_campaign(stored: Stored) -> None:
    answer = attribute(stored(CATALOGUE, **JOURNEY), Scope(), within_campaign=True)

    assert all(credits_of(answer, model) == {"k2": 1} for model in MODELS)
    assert answer.parameters["scope"] == "campaign"


def test_both_windows_are_inclusive(stored: Stored) -> None:
    store = stored(CATALOGUE, **JOURNEY)

    def touches(click: timedelta, view: timedelta) -> Any:
        return attribute(store, Scope(), click_window=click, view_window=view).facts["touches"]

    microsecond = timedelta(microseconds=1)
    assert touches(timedelta(hours=5), timedelta(hours=10)) == {"clicks": 1, "views": 3}
    assert touches(timedelta(hours=5) - microsecond, timedelta(hours=10) - microsecond) == {"clicks": 0, "views": 2}
    assert touches(LONGEST, timedelta(0)) == {"clicks": 1, "views": 0}


def test_touches_before_the_scope_count_but_conversions_do_not(stored: Stored) -> None:
    store = stored(CATALOGUE, **JOURNEY)

    answer = attribute(store, Scope(since=START + timedelta(hours=10)))

    assert answer.facts["touches"] == {"clicks": 1, "views": 3}
    with pytest.raises(AnalysisError, match="no conversions"):
        attribute(store, Scope(since=START + timedelta(hours=11)))
    with pytest.raises(AnalysisError, match="no conversions"):
        attribute(store, Scope(until=START + timedelta(hours=10)))
    assert attribute(store, Scope(since=datetime(1, 1, 2))).facts["attributed"] == 1


def test_without_a_click_the_last_click_is_the_last_view(stored: Stored) -> None:
    purchase = JOURNEY["clicks"][1]

    answer = attribute(stored(CATALOGUE, impressions=JOURNEY["impressions"], clicks=[purchase]), Scope())

    assert credits_of(answer, "last_click") == {"k1": 0, "k2": 0, None: 1}


def test_a_click_that_converts_is_a_touch_of_its_own_and_of_later_conversions(stored: Stored) -> None:
    both = [
        {"timestamp": at(0), "campaign_id": "k1", "clicks": 1, "conversions": 1},
        {"timestamp": at(0), "campaign_id": "k2", "clicks": 1, "conversions": 1},
        {"timestamp": at(1), "campaign_id": "k2", "conversion_type": "signup"},
    ]
    store = stored(CATALOGUE, clicks=both)

    assert credits_of(attribute(store, Scope()), "linear") == {"k1": 1.5, "k2": 1.5}
    split = attribute(store, Scope(), split_journeys=True)
    assert credits_of(split, "linear") == {"k1": 1, "k2": 1}  # the first two end the journey of the third
    assert split.facts["unattributed"] == 1


def test_a_conversion_of_another_campaign_ends_the_journey_too(stored: Stored) -> None:
    clicks = [
        {"timestamp": at(0), "campaign_id": "k1"},
        {"timestamp": at(1), "campaign_id": "k2", "conversion_type": "signup"},
        {"timestamp": at(2), "campaign_id": "k1", "conversion_type": "signup"},
    ]
    store = stored(CATALOGUE, clicks=clicks)
    scope = Scope(since=START + timedelta(hours=2), campaign="k1")

    assert attribute(store, scope).facts["attributed"] == 1
    assert attribute(store, scope, split_journeys=True).facts["attributed"] == 0
    assert attribute(store, scope, split_journeys=True, within_campaign=True).facts["attributed"] == 1


def test_a_campaign_filters_conversions_but_not_touches(stored: Stored) -> None:
    signup = {"timestamp": at(11), "campaign_id": "k1", "conversion_type": "signup"}
    store = stored(CATALOGUE, impressions=JOURNEY["impressions"], clicks=[*JOURNEY["clicks"], signup])

    answer = attribute(store, Scope(campaign="k1"))

    assert (answer.facts["conversions"], answer.facts["value_gross"]) == (1, {})
    assert credits_of(answer, "linear") == {"k1": 0.5, "k2": 0.25, None: 0.25}
    assert credits_of(attribute(store, Scope(campaign="k1"), within_campaign=True), "linear") == {"k1": 1}


def test_weights_of_time_decay_are_rounded_at_the_twelfth_place() -> None:
    touches = pl.DataFrame({"conversion": [0, 0, 0], "age": [8_000_000, 7_000_000, 6_000_000]})

    decay = weights(timedelta(seconds=2))["time_decay"]

    # relative to the last touch: 1/2, 1/√2 = 0.7071067811865475… and 1
    assert touches.select(decay).to_series().to_list() == [500_000_000_000, 707_106_781_187, 10**12]


def test_conversions_without_a_touch_stay_unattributed(stored: Stored) -> None:
    purchase = {"conversion_type": "purchase", "value": 0.1, "currency": "EUR"}

    answer = attribute(stored(CATALOGUE, clicks=[purchase, {**purchase, "value": 0.2}]), Scope())

    assert answer.facts["unattributed"] == answer.facts["conversions"] == 2
    assert answer.facts["value_unattributed"] == {"EUR": Decimal("0.3")}
    assert answer.table("credits").is_empty()
    assert answer.table("credits").schema["markov"] == pl.Decimal(38, 9)
    assert answer.table("value").columns == ["campaign_id", "currency", *MODELS]


def test_the_largest_counts_and_amounts_are_exact(stored: Stored) -> None:
    most = {"conversion_type": "purchase", "conversions": 10**9, "value": 10**18, "currency": "EUR"}
    purchases = [most | {"timestamp": at(10), "campaign_id": name} for name in ("k1", "k2", "k3")]
    views = [{"timestamp": at(hour), "creative_id": creative} for hour in range(3) for creative in ("c1", "c2", "x")]

    answer = attribute(stored(CATALOGUE, impressions=views, clicks=purchases), Scope())

    assert answer.facts["attributed"] == 3 * 10**9
    assert answer.facts["value_attributed"] == {"EUR": 3 * 10**18}
    assert_totals_match(answer)


def test_answer_as_json(stored: Stored) -> None:
    document = attribute(stored(CATALOGUE, **JOURNEY), Scope(), models=["linear"]).to_dict()

    assert json.loads(json.dumps(document, default=float)) == document
    assert document["parameters"] == {
        "by": "campaign_id",
        "scope": "any",
        "split_journeys": False,
        "models": ["linear"],
        "click_window_seconds": 30 * 86_400,
        "view_window_seconds": 86_400,
        "half_life_seconds": 7 * 86_400,
        "weight": "conversions",
    }
    assert document["credits"][0] == {"campaign_id": "k1", "linear": 0.5}
    assert document["value"][0] == {"campaign_id": "k1", "currency": "EUR", "linear": 5}


@pytest.mark.parametrize(
    "options",
    [
        {"by": "user_id"},
        {"models": []},
        {"models": ["best"]},
        {"click_window": timedelta(-1)},
        {"view_window": timedelta(-1)},
        {"half_life": timedelta(0)},
        {"half_life": timedelta(days=300_000_000)},
        {"click_window": timedelta(days=36_526)},
        {"view_window": timedelta.max, "by": "website"},
    ],
)
def test_invalid_options_are_rejected(stored: Stored, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        attribute(stored(CATALOGUE, **JOURNEY), Scope(), **options)


@pytest.mark.parametrize("by", ["campaign_id", "website"])
def test_longest_windows_and_half_lives(stored: Stored, by: Any) -> None:
    long = {"click_window": LONGEST, "view_window": LONGEST, "half_life": LONGEST}

    answer = attribute(stored(CATALOGUE, **JOURNEY), Scope(since=START), by=by, **long)

    assert {sum(answer.table("credits")[model]) for model in MODELS} == {answer.facts["attributed"]}
    assert sum(credits_of(answer, "time_decay").values()) == pytest.approx(1)


def test_credits_that_do_not_add_up_are_an_error() -> None:
    conversions = pl.DataFrame({"conversions": [1, 2], "value": [5, 5], "currency": ["EUR", "USD"]})
    touches = conversions.with_columns(conversion=pl.Series([0, 1]), key=pl.Series([0, 0], dtype=pl.UInt32))
    whole = credited(touches, pl.lit(1))

    check_sums(whole, conversions, "linear")
    lacking = (
        credited(touches, pl.lit(None, pl.Int64)),
        whole.with_columns(credit=pl.col("credit") - 1),
        whole.with_columns(currency=pl.lit("EUR")),
        whole.with_columns(value=pl.col("value") + 1),
    )
    for shares in lacking:
        with pytest.raises(AnalysisError, match="linear"):
            check_sums(shares, conversions, "linear")


def test_amounts_in_a_document_are_exact(stored: Stored) -> None:
    bought = {"timestamp": at(10), "campaign_id": "k2", "conversion_type": "purchase", "currency": "EUR"}
    lost = bought | {"user_id": "alone", "value": 0.000001}
    clicks = [*JOURNEY["clicks"][:1], bought | {"value": 10**12}, bought | {"value": 10**12, "timestamp": at(11)}, lost]

    document = attribute(stored(CATALOGUE, impressions=JOURNEY["impressions"], clicks=clicks), Scope()).to_dict()

    assert document["value_gross"] == {"EUR": Decimal("2000000000000.000001")}
    assert document["value_attributed"] == {"EUR": 2 * 10**12}
    for model in MODELS:
        assert sum(row[model] for row in document["credits"]) == document["attributed"]
        assert sum(row[model] for row in document["value"]) == document["value_attributed"]["EUR"]

"""Scopes: values of fields, and times that the store does not know."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from advertisex.analysis.answer import Answer
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.funnel import funnel
from advertisex.analysis.performance.report import performance
from advertisex.analysis.quality.report import quality
from advertisex.analysis.reach.report import reach
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import Feed, OwnKind
from advertisex.feeds.rules import with_own_fields
from advertisex.model import Batch, Span
from advertisex.processing.pipeline import process
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore
from tests.analysis.conftest import GOOD, INGESTED
from tests.analysis.test_arguments import QUESTIONS, Question, each_question
from tests.budget import some, usually
from tests.catalogues import catalogue_rows

OWN: dict[str, OwnKind] = {"device": "text", "viewable": "flag", "depth": "count", "weight": "amount"}
#: `device` is a field of bids anyway.
FEEDS_WITH_OWN = {
    name: with_own_fields(feed, {own: kind for own, kind in OWN.items() if own not in feed.columns})
    for name, feed in FEEDS.items()
}
CATALOGUE = catalogue_rows({"creative_id": ["c1", "c2"], "campaign_id": ["k1", "k2"], "advertiser_id": ["a1", "a2"]})

PHONE = {"device": "phone", "viewable": True, "depth": 3, "weight": "0.10"}
TABLET = {"device": "Phone", "viewable": False, "depth": 4, "weight": "0.2"}
#: Two users, each with a device, on each feed; a third one without any of the own fields.
EVENTS: dict[str, list[dict[str, Any]]] = {
    "impressions": [
        {"user_id": "u1", "creative_id": "c1", "placement": "top", "auction_id": "x1"} | PHONE,
        {"user_id": "u2", "creative_id": "c2", "placement": "side", "auction_id": "x2"} | TABLET,
        {"user_id": "u3", "creative_id": "c1"},
    ],
    "clicks": [
        {"user_id": user, "campaign_id": campaign, "clicks": 1, "conversions": 1, "value": value, "currency": "EUR"}
        | own
        for user, campaign, value, own in (("u1", "k1", 10, PHONE), ("u2", "k2", 5, TABLET), ("u3", "k1", 1, {}))
    ] + [{"user_id": "u1", "conversion_type": "refund", "value": -4, "currency": "EUR"} | PHONE],
    "bids": [
        {"user_id": "u1", "creative_id": "c1", "auction_id": "x1", "amount": 1} | PHONE,
        {"user_id": "u2", "creative_id": "c2", "auction_id": "x2", "amount": 2} | TABLET,
        {"user_id": "u3", "creative_id": "c1", "auction_id": "x3", "amount": 4},
    ],
}  # fmt: skip


def fill(
    store: DuckdbStore, events: Mapping[str, list[dict[str, Any]]], feeds: Mapping[str, Feed] = FEEDS_WITH_OWN
) -> None:
    store.prepare(feeds)
    for name, changes in events.items():
        payloads = [json.dumps(GOOD[name] | changed).encode() for changed in changes]
        span = Span(FEEDS[name].topic, 0, 0, len(payloads))
        outcome = process(Batch(span, range(span.end), payloads, [INGESTED] * len(payloads)), feeds[name])
        assert outcome.events.height == len(payloads), outcome.rejects.rows()
        store.commit(outcome)


@pytest.fixture(scope="module")
def store() -> Iterator[EventStore]:
    with DuckdbStore(Path(":memory:")) as filled:
        filled.import_catalogue(CATALOGUE)
        fill(filled, EVENTS)
        yield filled


@pytest.fixture(scope="module")
def of_one_user() -> dict[Question, Answer]:
    """The answers about the events of u1 alone, once they are known."""
    return {}


#: Values in each notation of each type; every question takes the first of each type, and one of them all.
VALUES: list[dict[str, Any]] = [
    {"device": "phone"}, {"viewable": True}, {"depth": 3}, {"weight": Decimal("0.1")},
    {"device": "phone", "viewable": "TRUE"}, {"viewable": "yes"}, {"depth": "3"}, {"weight": "0.1000"},
    {"weight": "1e-1"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "where"),
    [
        pytest.param(question, where, id=f"{question.__name__}-{where}")
        for question in QUESTIONS
        for where in (VALUES if question is summarise else usually(VALUES[:5], thorough=VALUES))
    ],
)
def test_every_question_takes_values_of_own_fields(
    store: EventStore, of_one_user: dict[Question, Answer], question: Question, where: dict[str, Any]
) -> None:
    options = QUESTIONS[question] | ({"start": datetime(2026, 1, 1)} if question is restatement else {})
    if question not in of_one_user:
        with DuckdbStore(Path(":memory:")) as alone:
            alone.import_catalogue(CATALOGUE)
            fill(alone, {feed: [row for row in rows if row["user_id"] == "u1"] for feed, rows in EVENTS.items()})
            of_one_user[question] = question(alone, **options)
    expected = of_one_user[question]

    found = question(store, Scope(where=where), **options)

    assert found.to_dict()["range"]["where"].keys() == where.keys()
    if question is quality:  # it also describes the ledger, which has no fields
        assert found.table("discrepancies").equals(expected.table("discrepancies"))
    else:
        assert found.facts == expected.facts
    if question is not attribute:  # touches are not filtered, but those of other users never count
        assert found.computed_from == expected.computed_from


def test_values_are_text_exactly(store: EventStore) -> None:
    assert summarise(store, Scope(where={"device": "Phone"})).facts["counts"]["bids"] == 1
    for absent in ("PHONE", " phone", "phon"):
        with pytest.raises(AnalysisError, match="no events found") as caught:
            summarise(store, Scope(where={"device": absent}))
        assert caught.value.where == f"device={absent}"


def test_a_campaign_or_an_advertiser_of_the_catalogue_is_a_field(store: EventStore) -> None:
    by_advertiser = reach(store, Scope(where={"advertiser_id": "a1"}))

    assert by_advertiser.facts == reach(store, Scope(campaign="k1")).facts
    assert summarise(store, Scope(where={"campaign_id": "k2"})).facts == summarise(store, Scope(campaign="k2")).facts
    assert bids(store, Scope(where={"advertiser_id": "a2"})).facts["bid_value_won"] == {"": 2}


@pytest.mark.parametrize(
    ("question", "where", "feed", "hint"),
    [
        (summarise, {"placement": "top"}, "clicks", "feeds.clicks.extra"),
        (funnel, {"country": "de"}, "impressions", "feeds.impressions.extra"),
        (bids, {"country": "de"}, "impressions", "feeds.impressions.extra"),
        (correlate, {"creative_id": "c1"}, "clicks", "feeds.clicks.extra"),
        (attribute, {"advertiser_id": "a1"}, "clicks", "catalogue"),
        (reach, {"event_time": "2026-01-01"}, "impressions", "feeds.impressions.extra"),
        (reach, {"topic": "ad_impressions"}, "impressions", "feeds.impressions.extra"),
    ],
)
def test_a_feed_without_the_field_is_an_error(
    store: EventStore, question: Question, where: dict[str, Any], feed: str, hint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        question(store, Scope(where=where))

    assert f"{feed} have no field {next(iter(where))!r}" in str(caught.value)
    assert hint in caught.value.hint


# -- fields of the clicks feed alone -------------------------------------------------------------------------------

#: `tier` is a field of clicks only.
FEEDS_WITH_TIER = FEEDS | {"clicks": with_own_fields(FEEDS["clicks"], {"tier": "text"})}
CLICKED: list[dict[str, Any]] = [
    {"conversion_type": "click"},
    {"conversion_type": "click", "clicks": 3, "conversions": 0, "tier": "gold"},
    {"conversion_type": "banner", "clicks": 2, "conversions": 0},
    {"conversion_type": "signup", "tier": "gold"},
    {"conversion_type": "signup", "clicks": 5, "conversions": 2, "value": 6, "currency": "EUR"},
    {"conversion_type": "purchase", "value": 7, "currency": "EUR", "transaction_id": "t", "tier": "gold"},
    {"conversion_type": "refund", "value": -2, "currency": "EUR", "transaction_id": "t", "tier": "gold"},
    {"conversion_type": "refund", "value": -1, "currency": "EUR"},
]
IN_FULL = {"impressions": EVENTS["impressions"], "bids": EVENTS["bids"]}


def counts_only_clicks(row: dict[str, Any]) -> bool:
    return row["conversion_type"] in ("click", "banner")


def is_of_type(row: dict[str, Any], kind: str) -> bool:
    return row["conversion_type"] == kind or counts_only_clicks(row)


def is_sold_as(row: dict[str, Any], kind: str) -> bool:
    """Performance counts a refund under the conversion of its transaction."""
    return is_of_type(row | {"conversion_type": "purchase"} if row.get("transaction_id") else row, kind)


@contextmanager
def store_with(clicks: Sequence[dict[str, Any]]) -> Iterator[DuckdbStore]:
    rows = [row | {"timestamp": f"2026-01-05T11:00:0{CLICKED.index(row)}Z"} for row in clicks]
    own = {feed: [{k: v for k, v in row.items() if k not in OWN} for row in rows] for feed, rows in IN_FULL.items()}
    with DuckdbStore(Path(":memory:")) as store:
        store.import_catalogue(CATALOGUE)
        fill(store, own | {"clicks": rows}, FEEDS_WITH_TIER)
        yield store


@pytest.fixture(scope="module")
def clicked() -> Iterator[EventStore]:
    with store_with(CLICKED) as store:
        yield store


@pytest.mark.parametrize(
    ("question", "selected"),
    some(
        product(
            [summarise, correlate, funnel, performance, quality, restatement],
            [*(("conversion_type", kind) for kind in ("signup", "purchase", "refund", "click")), ("tier", "gold")],
        ),
        13,
    ),
)
def test_a_field_of_clicks_filters_clicks_and_nothing_else(
    clicked: EventStore, question: Question, selected: tuple[str, str]
) -> None:
    """A type also keeps the rows that count only clicks."""
    field, value = selected
    belongs = is_sold_as if question is performance else is_of_type
    kept = [row for row in CLICKED if (row.get("tier") == value if field == "tier" else belongs(row, value))]
    options = {"start": datetime(2026, 1, 1)} if question is restatement else {}
    with store_with(kept) as alone:
        found = question(clicked, Scope(where={field: value}), **options)
        expected = question(alone, **options)

    if question is quality:
        assert found.table("discrepancies").equals(expected.table("discrepancies"))
    else:
        assert found.facts == expected.facts
    assert found.computed_from == expected.computed_from
    others = "so the other events are not filtered by it"
    assert any(others in note for note in found.notes) == (question is not correlate)


@pytest.mark.parametrize("question", [reach, bids])
def test_a_question_that_reads_no_clicks_does_not_take_a_conversion_type(question: Question) -> None:
    with store_with(CLICKED) as store, pytest.raises(ConfigurationError, match="have no field 'conversion_type'"):
        question(store, Scope(where={"conversion_type": "signup"}))


def test_attribution_of_a_conversion_type() -> None:
    with store_with(CLICKED) as store:
        answer = attribute(store, Scope(where={"conversion_type": "signup"}), models=["last"])

    assert (answer.facts["conversions"], answer.facts["value_gross"]) == (3, {"EUR": 6})


def test_the_funnel_by_a_field_of_clicks() -> None:
    with store_with(CLICKED) as store:
        by_type, by_tier = (funnel(store, by=by).table("rows") for by in ("conversion_type", "tier"))

    columns = ["bids", "impressions", "clicks", "conversions", "value_EUR"]
    assert by_type.select("conversion_type", *columns).rows() == [
        ("banner", 0, 0, 2, 0, None), ("click", 0, 0, 4, 0, None), ("purchase", 0, 0, 0, 1, 7),
        ("refund", 0, 0, 0, 0, -3), ("signup", 0, 0, 5, 3, 6), (None, 3, 3, 0, 0, None),
    ]  # fmt: skip
    assert by_tier.select("tier", *columns).rows() == [("gold", 0, 0, 3, 2, 5), (None, 3, 3, 8, 2, 5)]


@pytest.mark.parametrize(
    "where",
    [
        {"device": ""}, {"device": 5}, {"device": True}, {"viewable": "maybe"}, {"viewable": 1}, {"depth": "3.5"},
        {"depth": True}, {"depth": "9" * 30}, {"weight": "abc"}, {"weight": "0.0000000000001"}, {"weight": "1e400"},
        {"weight": "1e999999999"}, {"weight": "NaN"}, {"weight": True}, {"weight": "1_0"},
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_does_not_fit_the_field_is_an_error(store: EventStore, where: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(where))) as caught:
        summarise(store, Scope(where=where))

    assert caught.value.hint


@pytest.mark.parametrize(
    "where", [None, "device=phone", [("device", "phone")], {5: "x"}, {"weight": 0.1}, {"device": None}]
)
def test_invalid_fields_are_rejected_at_once(where: Any) -> None:
    with pytest.raises(ConfigurationError, match="where") as caught:
        Scope(where=where)

    assert caught.value.hint


def test_the_fields_of_a_scope_cannot_change() -> None:
    fields = {"device": "phone"}
    scope = Scope(where=fields)
    fields["device"] = "tablet"

    assert scope.where == {"device": "phone"}
    assert hash(scope) == hash(Scope(where={"device": "phone"}))


def test_a_scope_shows_its_fields() -> None:
    scope = Scope(campaign="k1", where={"device": "phone", "viewable": True, "weight": Decimal("1.50"), "depth": 3})

    assert scope.text() == "campaign k1, device=phone, viewable=true, weight=1.5, depth=3"
    assert scope.to_dict()["where"] == {"device": "phone", "viewable": True, "weight": Decimal("1.50"), "depth": 3}


def test_a_field_of_two_kinds_is_an_error(store: EventStore) -> None:
    with DuckdbStore(Path(":memory:")) as other:
        kinds: dict[str, OwnKind] = {"impressions": "text", "clicks": "text", "bids": "flag"}
        other.prepare({name: with_own_fields(FEEDS[name], {"tier": kind}) for name, kind in kinds.items()})
        for question in (
            lambda: summarise(other, Scope(where={"tier": "1"})),
            lambda: funnel(other, by="tier"),
        ):
            with pytest.raises(ConfigurationError, match=r"kind text in .*, flag in bids"):
                question()


# -- grouping ------------------------------------------------------------------------------------------------------


def test_the_funnel_by_an_own_field_counts_rows_under_their_own_value(store: EventStore) -> None:
    rows = funnel(store, by="device").table("rows")

    assert rows.select("device", "bids", "impressions", "clicks", "value_EUR", "gross_value_EUR").rows() == [
        ("Phone", 1, 1, 1, 5, 5),
        ("phone", 1, 1, 1, 6, 10),
        (None, 1, 1, 1, 1, 1),
    ]


def test_the_funnel_by_a_flag_has_a_flag_as_key(store: EventStore) -> None:
    answer = funnel(store, by="viewable")

    assert answer.table("rows").select("viewable", "clicks").rows() == [(False, 1), (True, 1), (None, 1)]
    assert answer.to_dict()["rows"][1]["viewable"] is True
    assert "<table" in str(answer.to_html())
    assert answer.to_csv().splitlines()[1].startswith("false,")


def test_attribution_by_own_fields_and_placement(store: EventStore) -> None:
    def credited(by: str) -> dict[Any, Decimal]:
        return dict(attribute(store, by=by, models=["last"]).table("credits").iter_rows())

    assert credited("viewable") == {True: 1, False: 1, None: 1}
    assert credited("device") == {"phone": 1, "Phone": 1, None: 1}
    # the clicks feed has no placement: a click takes that of its impression
    assert credited("placement") == {"top": 1, "side": 1, None: 1}
    assert credited("advertiser_id") == {"a1": 2, "a2": 1}


def test_the_value_of_attribution_is_gross(store: EventStore) -> None:
    answer = attribute(store, Scope(where={"device": "phone"}), models=["last"])

    assert answer.facts["value_gross"] == answer.facts["value_attributed"] == {"EUR": 10}
    assert answer.facts["value_net"] == {"EUR": 6}
    assert answer.table("value").rows() == [("k1", "EUR", 10)]


@pytest.mark.parametrize(
    ("question", "by", "what"),
    [
        (funnel, "placement", "bids have no field 'placement'"),
        (funnel, "color", "impressions have no field 'color'"),
        (attribute, "color", "impressions have no field 'color'"),
        (funnel, "depth", "cannot group by the numbers of 'depth'"),
        (attribute, "weight", "cannot group by the numbers of 'weight'"),
        (funnel, "user_id", "cannot group by 'user_id'"),
        (attribute, "hour", "impressions have no field 'hour'"),
    ],
)
def test_a_key_that_a_feed_does_not_have_is_an_error(store: EventStore, question: Any, by: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"by (--by): {what}")) as caught:
        question(store, by=by)

    assert caught.value.hint


def test_an_own_field_with_the_name_of_a_column_of_the_answer_is_an_error() -> None:
    with DuckdbStore(Path(":memory:")) as other:
        feeds = {name: with_own_fields(feed, {"ctr": "text", "linear": "text"}) for name, feed in FEEDS.items()}
        other.prepare(feeds)
        fill(other, {name: rows[2:3] for name, rows in EVENTS.items()})
        for ask, by in ((funnel, "ctr"), (attribute, "linear")):
            with pytest.raises(ConfigurationError, match=f"another column '{by}'"):
                ask(other, by=by)


# -- a store that was rebuilt --------------------------------------------------------------------------------------


class Rebuilt(DuckdbStore):
    """A store that was rebuilt when its last event was stored."""

    def rebuilt_at(self) -> datetime | None:
        return self.settled()


@each_question
def test_a_rebuilt_store_does_not_know_how_it_was_before(question: Question) -> None:
    with Rebuilt(Path(":memory:")) as rebuilt:
        fill(rebuilt, EVENTS)
        time = rebuilt.rebuilt_at()
        assert time is not None
        before = time - timedelta(microseconds=1)
        options = QUESTIONS[question] | ({"start": time} if question is restatement else {})

        with pytest.raises(
            ConfigurationError, match=r"the store was rebuilt at .*Z, and does not know how it was before"
        ):
            question(rebuilt, Scope(as_of=before), **options)
        question(rebuilt, Scope(as_of=time), **options)
        question(rebuilt, Scope(), **options)


def test_a_restatement_cannot_start_before_the_store_was_rebuilt() -> None:
    with Rebuilt(Path(":memory:")) as rebuilt:
        fill(rebuilt, EVENTS)
        time = rebuilt.rebuilt_at()
        assert time is not None
        with pytest.raises(ConfigurationError, match=r"start .*the store was rebuilt at"):
            restatement(rebuilt, start=time - timedelta(microseconds=1))

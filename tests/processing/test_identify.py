"""Identify stage: an event's id is its content, and the encoding is unambiguous at field borders."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from advertisex.feeds import FEEDS, Feed
from advertisex.feeds.feed import AMOUNT
from advertisex.model import USER_SLICES
from advertisex.processing.identify import first_of_each, identify
from tests.budget import examples
from tests.processing.messages import event_of, message, outcome_of

#: Text that could be mistaken for a border, a null or a number.
TRICKY = st.text("0123:~;,|.\x00-é", max_size=6) | st.text(max_size=4)
VALUES: dict[pl.DataType, st.SearchStrategy[Any]] = {
    pl.String(): st.none() | st.sampled_from(["", "~", "1:a", "0:", "2:~~", "null", "None", "1", "1.0"]) | TRICKY,
    pl.Int64(): st.none() | st.integers(0, 30) | st.integers(0, 2**63 - 1),
    AMOUNT: st.none()
    | st.sampled_from(["0", "1", "10", "100", "0.1", "1e-12", "1e18", "-1", "-0.1"]).map(Decimal)
    | st.decimals(-(10**18), 10**18, places=12),
    pl.Boolean(): st.none() | st.booleans(),
    pl.Datetime("us"): st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)),
}


def rows_of(feed: Feed) -> st.SearchStrategy[tuple[Any, ...]]:
    columns = feed.columns
    users = VALUES[pl.String()].filter(lambda text: text is not None)
    return st.tuples(*(users if name == "user_id" else VALUES[columns[name]] for name in feed.identity))


def frame_of(feed: Feed, *rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(
        list(rows), schema={name: feed.columns.get(name, pl.String()) for name in feed.identity}, orient="row"
    )


def ids(feed: Feed, *rows: tuple[Any, ...]) -> list[bytes]:
    return identify(frame_of(feed, *rows), feed)["event_id"].to_list()


@settings(max_examples=examples(300))
@given(st.data())
def test_two_contents_never_share_an_id(data: st.DataObject) -> None:
    feed = FEEDS[data.draw(st.sampled_from(sorted(FEEDS)))]
    one, other = data.draw(rows_of(feed)), data.draw(rows_of(feed))
    assume(one != other)

    assert len(set(ids(feed, one, other))) == 2


@settings(max_examples=examples(200))
@given(st.data())
def test_text_moved_between_two_fields_gives_another_event(data: st.DataObject) -> None:
    feed = FEEDS["impressions"]
    text = data.draw(st.text("01:~é", min_size=1, max_size=8))
    cuts = data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2, unique=True))
    instant = datetime(2026, 1, 5)

    one, other = ((text[:cut], instant, "a.com", text[cut:], None) for cut in cuts)

    assert len(set(ids(feed, one, other))) == 2


@settings(max_examples=examples(100))
@given(st.data())
def test_the_same_content_has_the_same_id_whatever_its_neighbours(data: st.DataObject) -> None:
    """A null in the column takes another code path; it must not change the id of the other rows."""
    feed = FEEDS[data.draw(st.sampled_from(sorted(FEEDS)))]
    row, neighbours = data.draw(rows_of(feed)), data.draw(st.lists(rows_of(feed), max_size=5))

    assert ids(feed, row, *neighbours)[0] == ids(feed, row)[0] == ids(feed, *neighbours, row, row)[-1]


def test_null_empty_and_the_encoding_of_null_are_distinct() -> None:
    instant = datetime(2026, 1, 5)
    rows = [("u", instant, creative, None, None, None) for creative in (None, "", "~", "0:", "1:~")]

    assert len(set(ids(FEEDS["bids"], *rows))) == len(rows)


def test_an_id_has_16_bytes_and_depends_on_the_feed() -> None:
    found = [event_of(feed, message(feed))["event_id"] for feed in FEEDS]

    assert [len(i) for i in found] == [16, 16, 16]
    assert len(set(found)) == 3
    same = ("u", datetime(2026, 1, 5))
    assert len({ids(FEEDS[feed].identified_by(["user_id"]), same)[0] for feed in FEEDS}) == 3
    assert identify(frame_of(FEEDS["bids"]), FEEDS["bids"])["event_id"].to_list() == []


def test_an_id_stays_the_same_from_release_to_release() -> None:
    """Stored events are only recognised as long as this holds: a change needs a rebuild of every store."""
    instant = datetime(2026, 1, 5, 10, 0, 0, 123456)
    rows = {
        "impressions": ("u1", instant, "https://a.example.com/é", "c1", "a1"),
        "clicks": ("u1", instant, "k1", None, 1, 0, Decimal("2.50"), "EUR", None, "gc-1"),
        "bids": ("u1", instant, "", "~", Decimal(10) ** 18, None),
    }

    canonical = {
        "impressions": "impressions;2:u116:176760720012345624:https://a.example.com/é2:c12:a1",
        "clicks": "clicks;2:u116:17676072001234562:k1~1:11:03:2.53:EUR~4:gc-1",
        "bids": "bids;2:u116:17676072001234560:1:~19:1000000000000000000~",
    }

    assert {name: ids(FEEDS[name], row)[0] for name, row in rows.items()} == {
        name: xxh3_128_digest(text.encode()) for name, text in canonical.items()
    }


@pytest.mark.parametrize(
    ("feed", "changes", "same"),
    [
        ("impressions", {"timestamp": "2026-01-05T11:00:00+01:00"}, True),
        ("impressions", {"timestamp": 1767607200}, True),
        ("impressions", {"other": "x"}, True),
        ("impressions", {"user_id": "u2"}, False),
        ("impressions", {"timestamp": "2026-01-05T10:00:00.000001Z"}, False),
        ("impressions", {"website": "https://a.example.com/x/"}, False),
        ("impressions", {"creative_id": "C1"}, False),
        ("impressions", {"auction_id": "a1"}, False),
        ("impressions", {"placement": "top", "cost": 0.01, "currency": "EUR"}, True),
        ("impressions", {"user_id": " u1 ", "creative_id": "c1\t", "website": " https://a.example.com/x"}, True),
        ("clicks", {"clicks": 1, "conversions": "0"}, True),
        ("clicks", {"conversion_type": "CLICK"}, True),
        ("clicks", {"currency": "EUR"}, False),
        ("clicks", {"transaction_id": "o1"}, False),
        ("clicks", {"click_id": "g1"}, False),
        ("clicks", {"user_agent": "x", "app": "com.example"}, True),
        ("clicks", {"value": ""}, True),
        ("clicks", {"campaign_id": "k2"}, False),
        ("clicks", {"conversion_type": "signup"}, False),
        ("clicks", {"clicks": 2}, False),
        ("clicks", {"conversions": 1}, False),
        ("clicks", {"value": 0}, False),
        ("bids", {"amount": "1.250"}, True),
        ("bids", {"website": "b.example.com"}, True),
        ("bids", {"targeting": {"a": 1}}, True),
        ("bids", {"amount": "1.2500000000000"}, True),
        ("bids", {"amount": "125e-2"}, True),
        ("bids", {"price_paid": 1}, True),
        ("bids", {"currency": "EUR"}, False),
        ("bids", {"amount": 1.26}, False),
        ("bids", {"amount": "1.250000000001"}, False),
        ("bids", {"amount": None}, False),
        ("bids", {"auction_id": None}, False),
        ("bids", {"creative_id": "c2"}, False),
    ],
)
def test_what_is_the_same_event(feed: str, changes: dict[str, Any], same: bool) -> None:
    one, other = event_of(feed, message(feed)), event_of(feed, message(feed, **changes))

    assert (one["event_id"] == other["event_id"]) is same


@settings(max_examples=examples(100))
@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=12))
def test_the_first_of_each_is_kept_in_order(event_ids: list[bytes]) -> None:
    frame = pl.DataFrame(
        {"event_id": event_ids, "row": range(len(event_ids))}, schema={"event_id": pl.Binary, "row": pl.Int64}
    )

    first, repeated = first_of_each(frame)

    assert first["event_id"].to_list() == list(dict.fromkeys(event_ids))
    assert first["row"].to_list() == sorted(event_ids.index(i) for i in set(event_ids))
    places = range(len(event_ids))
    assert repeated["row"].to_list() == [place for place in places if event_ids[place] in event_ids[:place]]


@pytest.mark.parametrize(
    ("feed", "one", "other"),
    [
        ("impressions", {"auction_id": "a1"}, {"auction_id": "a2"}),
        ("clicks", {"value": 10, "currency": "USD"}, {"value": 10, "currency": "EUR"}),
        ("clicks", {"value": 10, "order_id": "1"}, {"value": 10, "order_id": "2"}),
        ("clicks", {"gclid": "1"}, {"gclid": "2"}),
        ("bids", {"currency": "USD"}, {"currency": "EUR"}),
        ("bids", {"amount": 1}, {"amount": 10}),
    ],
)
def test_events_of_one_instant_are_kept_apart(feed: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert outcome_of(feed, message(feed, **one), message(feed, **other)).events.height == 2


@pytest.mark.parametrize("currency", ["eur", "Eur", " EUR "])
def test_a_currency_code_has_one_spelling(currency: str) -> None:
    payloads = [message("clicks", value="1.50", currency=currency), message("clicks", value=1.5, currency="EUR")]

    outcome = outcome_of("clicks", *payloads)

    assert (outcome.events.height, outcome.repeated.height) == (1, 1)
    assert outcome.events["currency"].to_list() == ["EUR"]


def test_all_events_of_a_user_have_one_slice_and_the_slices_are_used_evenly() -> None:
    users = [f"u{number}" for number in range(2000)]
    found = {feed: outcome_of(feed, *(message(feed, user_id=user) for user in users)).events for feed in FEEDS}

    slices = found["clicks"]["user_slice"]

    assert all(events["user_slice"].equals(slices) for events in found.values())
    assert slices.dtype == pl.Int16
    assert slices.is_between(0, USER_SLICES - 1).all()
    assert 1500 < slices.n_unique() <= 2000  # 1584 are expected of a uniform hash

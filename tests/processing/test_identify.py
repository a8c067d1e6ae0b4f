"""Identify stage: an event's id is its content, and the encoding is unambiguous at field borders."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from advertisex.feeds import FEEDS, Feed
from advertisex.processing.identify import first_of_each, identify
from tests.processing.messages import event_of, message

#: Text that could be mistaken for a border, a null or a number.
TRICKY = st.text("0123:~;,|.\x00-é", max_size=6) | st.text(max_size=4)
VALUES: dict[pl.DataType, st.SearchStrategy[Any]] = {
    pl.String(): st.none() | st.sampled_from(["", "~", "1:a", "0:", "2:~~", "null", "None", "1", "1.0"]) | TRICKY,
    pl.Int64(): st.none() | st.integers(0, 30) | st.integers(0, 2**63 - 1),
    pl.Float64(): st.none()
    | st.sampled_from([0.0, 1.0, 0.1, 1e16, 1e22])
    | st.floats(0, allow_nan=False, allow_infinity=False),
    pl.Datetime("us"): st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)),
}


def rows_of(feed: Feed) -> st.SearchStrategy[tuple[Any, ...]]:
    columns = feed.columns
    return st.tuples(*(VALUES[columns[name]] for name in feed.identity))


def frame_of(feed: Feed, *rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(
        list(rows), schema={name: feed.columns.get(name, pl.String()) for name in feed.identity}, orient="row"
    )


def ids(feed: Feed, *rows: tuple[Any, ...]) -> list[bytes]:
    return identify(frame_of(feed, *rows), feed)["event_id"].to_list()


@settings(max_examples=300)
@given(st.data())
def test_two_contents_never_share_an_id(data: st.DataObject) -> None:
    feed = FEEDS[data.draw(st.sampled_from(sorted(FEEDS)))]
    one, other = data.draw(rows_of(feed)), data.draw(rows_of(feed))
    assume(one != other)

    assert len(set(ids(feed, one, other))) == 2


@settings(max_examples=200)
@given(st.data())
def test_text_moved_between_two_fields_gives_another_event(data: st.DataObject) -> None:
    feed = FEEDS["impressions"]
    text = data.draw(st.text("01:~é", min_size=1, max_size=8))
    cuts = data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2, unique=True))
    instant = datetime(2026, 1, 5)

    one, other = ((text[:cut], instant, "a.com", text[cut:]) for cut in cuts)

    assert len(set(ids(feed, one, other))) == 2


@settings(max_examples=100)
@given(st.data())
def test_the_same_content_has_the_same_id_whatever_its_neighbours(data: st.DataObject) -> None:
    """A null in the column takes another code path; it must not change the id of the other rows."""
    feed = FEEDS[data.draw(st.sampled_from(sorted(FEEDS)))]
    row, neighbours = data.draw(rows_of(feed)), data.draw(st.lists(rows_of(feed), max_size=5))

    assert ids(feed, row, *neighbours)[0] == ids(feed, row)[0] == ids(feed, *neighbours, row, row)[-1]


def test_null_empty_and_the_encoding_of_null_are_distinct() -> None:
    instant = datetime(2026, 1, 5)
    rows = [("u", instant, creative, None, None) for creative in (None, "", "~", "0:", "1:~")]

    assert len(set(ids(FEEDS["bids"], *rows))) == len(rows)


def test_an_id_has_16_bytes_and_depends_on_the_feed() -> None:
    found = [event_of(feed, message(feed))["event_id"] for feed in FEEDS]

    assert [len(i) for i in found] == [16, 16, 16]
    assert len(set(found)) == 3
    same = ("u", datetime(2026, 1, 5))
    assert len({ids(FEEDS[feed].identified_by("uuid"), same)[0] for feed in FEEDS}) == 3
    assert identify(frame_of(FEEDS["bids"]), FEEDS["bids"])["event_id"].to_list() == []


def test_an_id_stays_the_same_from_release_to_release() -> None:
    """Stored events are only recognised as long as this holds: a change needs a rebuild of every store."""
    instant = datetime(2026, 1, 5, 10, 0, 0, 123456)
    rows = {
        "impressions": ("u1", instant, "https://a.example.com/é", "c1"),
        "clicks": ("u1", instant, "k1", None, 1, 0, 2.5),
        "bids": ("u1", instant, "", "~", 1e22),
    }

    canonical = {
        "impressions": "impressions;2:u116:176760720012345624:https://a.example.com/é2:c1",
        "clicks": "clicks;2:u116:17676072001234562:k1~1:11:03:2.5",
        "bids": "bids;2:u116:17676072001234560:1:~5:1e+22",
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
        ("clicks", {"clicks": 1, "conversions": "0"}, True),
        ("clicks", {"conversion_type": "CLICK"}, True),
        ("clicks", {"currency": "EUR"}, True),
        ("clicks", {"value": ""}, True),
        ("clicks", {"campaign_id": "k2"}, False),
        ("clicks", {"conversion_type": "signup"}, False),
        ("clicks", {"clicks": 2}, False),
        ("clicks", {"conversions": 1}, False),
        ("clicks", {"value": 0}, False),
        ("bids", {"amount": "1.250"}, True),
        ("bids", {"website": "b.example.com"}, True),
        ("bids", {"targeting": {"a": 1}}, True),
        ("bids", {"amount": 1.26}, False),
        ("bids", {"amount": None}, False),
        ("bids", {"auction_id": None}, False),
        ("bids", {"creative_id": "c2"}, False),
    ],
)
def test_what_is_the_same_event(feed: str, changes: dict[str, Any], same: bool) -> None:
    one, other = event_of(feed, message(feed)), event_of(feed, message(feed, **changes))

    assert (one["event_id"] == other["event_id"]) is same


@settings(max_examples=100)
@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=12))
def test_the_first_of_each_is_kept_in_order(event_ids: list[bytes]) -> None:
    frame = pl.DataFrame(
        {"event_id": event_ids, "row": range(len(event_ids))}, schema={"event_id": pl.Binary, "row": pl.Int64}
    )

    first, repeated = first_of_each(frame)

    assert first["event_id"].to_list() == list(dict.fromkeys(event_ids))
    assert first["row"].to_list() == sorted(event_ids.index(i) for i in set(event_ids))
    assert repeated == len(event_ids) - len(set(event_ids))

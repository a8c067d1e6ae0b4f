"""Matching of clicks and conversions to impressions, against a loop over all pairs."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.impression_match import ANSWER_WINDOW, match_impressions
from advertisex.analysis.scan import scan_frames
from advertisex.analysis.scope import Scope
from tests.analysis.small_worlds import CLICKS, IMPRESSIONS, Rows, dataset
from tests.budget import examples

NOON = datetime(2026, 2, 1, 12)
TAKEN = ("creative_id", "website", "domain")


def expected_match(row: dict[str, Any], impressions: Rows) -> dict[str, Any] | None:
    """The oracle: checks every impression."""
    best = None
    for seen in impressions:
        if (seen["user_id"], seen["campaign_id"]) != (row["user_id"], row["campaign_id"]):
            continue
        if not timedelta(0) <= row["event_time"] - seen["event_time"] <= timedelta(days=30):
            continue
        if best is None or (seen["event_time"], seen["event_id"]) > (best["event_time"], best["event_id"]):
            best = seen
    return best


@settings(max_examples=examples(30))
@given(st.lists(IMPRESSIONS, max_size=14), st.lists(CLICKS, min_size=1, max_size=8))
def test_matches_are_those_of_a_loop(impressions: Rows, clicks: Rows) -> None:
    with dataset(impressions=impressions, clicks=clicks) as data:
        rows = pl.DataFrame(data.clicks)
        columns = ("user_id", "campaign_id", "event_time", "event_id", *TAKEN)
        found = match_impressions(rows, scan_frames(data.store, "impressions", Scope(), *map(pl.col, columns)))

    assert found.select(rows.columns).rows() == rows.rows()  # original order, no row lost or repeated
    for row in found.iter_rows(named=True):
        expected = expected_match(row, data.impressions) or {}
        assert {name: row[name] for name in TAKEN} == {name: expected.get(name) for name in TAKEN}
        assert (row["answered_at"], row["answered_id"]) == (expected.get("event_time"), expected.get("event_id"))


def seen(at: datetime = NOON, event_id: bytes = b"1", **changed: Any) -> dict[str, Any]:
    good = {"user_id": "u", "campaign_id": "k", "event_time": at, "event_id": event_id, "creative_id": "c"}
    return good | changed


def click(**changed: Any) -> dict[str, Any]:
    return {"user_id": "u", "campaign_id": "k", "event_time": NOON} | changed


def find(rows: Rows, impressions: Rows) -> list[bytes | None]:
    schema = {"user_id": pl.String, "campaign_id": pl.String, "event_time": pl.Datetime("us")}
    more = schema | {"event_id": pl.Binary, "creative_id": pl.String}
    return match_impressions(pl.DataFrame(rows, schema), [pl.DataFrame(impressions, more)])["answered_id"].to_list()


MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOON, b"1"),
        (NOON + MICROSECOND, None),
        (NOON - ANSWER_WINDOW, b"1"),
        (NOON - ANSWER_WINDOW - MICROSECOND, None),
    ],
)
def test_the_window_is_inclusive(at: datetime, expected: bytes | None) -> None:
    assert find([click()], [seen(at)]) == [expected]


def test_ties_go_to_the_largest_id_in_any_order() -> None:
    ids = [b"\x00", b"\xff", b"\x80", b"\x7f"]
    for rotation in range(4):
        impressions = [seen(event_id=number) for number in ids[rotation:] + ids[:rotation]]
        assert find([click()], impressions) == [b"\xff"]


@pytest.mark.parametrize("other", [{"user_id": "v"}, {"campaign_id": "l"}, {"campaign_id": None}])
def test_impressions_of_other_users_or_campaigns_do_not_match(other: dict[str, Any]) -> None:
    assert find([click()], [seen(**other)]) == [None]


def test_empty_input_matches_nothing() -> None:
    assert find([], [seen()]) == []
    assert find([click()], []) == [None]
    assert find([click(campaign_id=None)], [seen(campaign_id=None)]) == [None]

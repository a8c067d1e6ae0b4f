"""Names of indices in requests, templates of other tools, and what Elasticsearch cannot store: no server is needed."""

from datetime import datetime, timedelta
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.feeds import FEEDS
from advertisex.stores.elasticsearch.mappings import event_mapping, unstorable
from advertisex.stores.elasticsearch.periods import joined, period_end
from advertisex.stores.elasticsearch.verify import Expected, flaws
from tests.budget import examples

#: Elasticsearch's limit on a request line.
LONGEST_LINE = 4_096


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(st.text("aé-日", min_size=1, max_size=60), max_size=200))
def test_names_are_joined_into_parts_that_fit_into_a_request(names: list[str]) -> None:
    parts = list(joined(names))
    assert [name for part in parts for name in part.split(",")] == names
    assert all(len(quote(part)) < LONGEST_LINE - 500 for part in parts)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("p-g9-2020-01-ad_impressions_index-g1-2026-12", datetime(2027, 1, 1)),
        ("clicks_conversions_index-g12-2026-02", datetime(2026, 3, 1)),
        ("clicks_conversions_index-g1-2026-02-28", datetime(2026, 3, 1)),
        ("avro_data_index-g1-9999-12", datetime(9999, 12, 31, 23, 59, 59, 999_999)),
    ],
)
def test_the_period_of_an_index_is_in_its_name(name: str, end: datetime) -> None:
    assert period_end(name) == end


def test_only_long_ids_and_times_out_of_range_cannot_be_stored() -> None:
    first, last = datetime(1970, 1, 1), datetime(2262, 4, 11, 23, 47, 16, 854_775)
    good = datetime(2026, 1, 1)
    rows = [
        (good, "u" * 32_766, "c"),
        (good, "u" * 32_767, "c"),
        (good, "é" * 16_384, "c"),
        (first, "u", None),
        (first - timedelta(microseconds=1), "u", "c"),
        (last, "u", "c"),
        (last + timedelta(microseconds=1), "u", "c"),
        (good, "u", "c" * 40_000),
    ]
    schema = {"event_time": pl.Datetime("us"), "user_id": pl.String, "campaign_id": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    assert unstorable(frame, event_mapping(FEEDS["clicks"])) == {1, 2, 4, 6, 7}


@pytest.mark.parametrize("feed", FEEDS)
def test_an_index_as_it_is_created_has_no_flaw_and_may_have_more_fields(feed: str) -> None:
    mapping = event_mapping(FEEDS[feed])
    more = {"dynamic": "strict", "_meta": {"id": "x"}, "properties": mapping | {"own": {"type": "long"}}}
    index = {"aliases": {"all": {"is_write_index": True}}, "mappings": more, "settings": {"index": {}}}
    assert list(flaws(index, Expected(mapping, "x", "all"))) == []

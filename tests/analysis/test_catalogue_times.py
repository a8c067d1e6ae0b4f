"""Answers do not depend on when the catalogue was imported, only on which one holds at the time of the answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.bids import bids
from advertisex.analysis.funnel import funnel
from advertisex.analysis.journeys.report import journeys
from advertisex.analysis.reach.report import reach
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import AnalysisError
from advertisex.feeds import FEEDS
from advertisex.model import Batch, Span
from advertisex.processing.pipeline import process
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore
from tests.analysis.conftest import INGESTED, Stored
from tests.analysis.small_worlds import BIDS, CLICKS, IMPRESSIONS, REFUNDS, START, TIMES, Rows
from tests.budget import examples
from tests.catalogues import catalogue_rows

QUESTIONS: dict[str, Callable[[EventStore, Scope], Answer]] = {
    "summary": lambda store, scope: summarise(store, scope, by="day"),
    "funnel by campaign": lambda store, scope: funnel(store, scope, by="campaign_id"),
    "funnel by advertiser": lambda store, scope: funnel(store, scope, by="advertiser_id"),
    "funnel by creative": lambda store, scope: funnel(store, scope, by="creative_id"),
    "attribution": attribute,
    "journeys": journeys,
    "reach": reach,
    "bids": bids,
}
CATALOGUES = st.lists(
    st.tuples(
        st.sampled_from(["c1", "c2", "c3"]),
        st.sampled_from(["k1", "k2"]),
        st.sampled_from(["a1", None]),
        st.none() | TIMES,
    ),
    unique_by=lambda row: (row[0], row[3]),
    max_size=6,
).map(
    lambda rows: catalogue_rows(
        dict(zip(("creative_id", "campaign_id", "advertiser_id", "valid_from"), zip(*rows, strict=True), strict=True))
        if rows
        else {"creative_id": pl.Series(dtype=pl.String)}
    )
)
EVENTS = st.fixed_dictionaries(
    {
        "impressions": st.lists(IMPRESSIONS, min_size=3, max_size=9),
        "clicks": st.lists(CLICKS | REFUNDS, min_size=3, max_size=6),
        "bids": st.lists(BIDS, min_size=2, max_size=6),
    }
)


def commit(store: EventStore, feed: str, messages: Rows, start: int) -> None:
    payloads = [json.dumps(message).encode() for message in messages]
    span = Span(FEEDS[feed].topic, 0, start, start + len(payloads))
    store.commit(process(Batch(span, range(start, span.end), payloads, [INGESTED] * len(payloads)), FEEDS[feed]))


@contextmanager
def filled(events: dict[str, Rows], imports: dict[str, pl.DataFrame]) -> Iterator[EventStore]:
    """A store to which the catalogue is imported before, between (the halves of each feed) or after the events."""
    with DuckdbStore(Path(":memory:")) as store:
        if "before" in imports:
            store.import_catalogue(imports["before"])
        for feed, rows in events.items():
            commit(store, feed, rows[: len(rows) // 2], 0)
        if "between" in imports:
            store.import_catalogue(imports["between"])
        for feed, rows in events.items():
            commit(store, feed, rows[len(rows) // 2 :], len(rows) // 2)
        if "after" in imports:
            store.import_catalogue(imports["after"])
        yield store


def numbers(store: EventStore, scope: Scope) -> dict[str, Any]:
    """The numbers of all questions; None for those without an answer."""
    found: dict[str, Any] = {}
    for name, question in QUESTIONS.items():
        try:
            answer = question(store, scope).to_dict()
        except AnalysisError:
            found[name] = None
        else:
            answer.pop("range")
            found[name] = answer
    return found


@settings(max_examples=examples(5))
@given(EVENTS, CATALOGUES, CATALOGUES, st.sampled_from([None, "k1"]))
def test_when_the_catalogue_was_imported_does_not_matter(
    events: dict[str, Rows], catalogue: pl.DataFrame, earlier: pl.DataFrame, campaign: str | None
) -> None:
    scope = Scope(campaign=campaign)
    with filled(events, {"before": catalogue}) as store:
        expected = numbers(store, scope)
    for imports in (
        {"between": catalogue},
        {"after": catalogue},
        {"before": earlier, "after": catalogue},
        {"before": catalogue, "between": earlier, "after": catalogue},
    ):
        with filled(events, imports) as store:
            assert numbers(store, scope) == expected, list(imports)


@settings(max_examples=examples(5))
@given(EVENTS, CATALOGUES, CATALOGUES)
def test_as_of_a_time_before_an_import_gives_the_earlier_answer(
    events: dict[str, Rows], earlier: pl.DataFrame, later: pl.DataFrame
) -> None:
    with filled(events, {"before": earlier}) as store:
        before = numbers(store, Scope())
        then = store.settled()
        store.import_catalogue(later)
        assert numbers(store, Scope(as_of=then)) == before
        now = numbers(store, Scope())
    with filled(events, {"before": later}) as store:
        assert numbers(store, Scope()) == now


def test_the_event_time_decides_which_campaign_a_creative_has(stored: Stored) -> None:
    noon = START + timedelta(hours=12)
    catalogue = catalogue_rows({"creative_id": ["c1", "c1"], "campaign_id": ["k1", "k2"], "valid_from": [None, noon]})
    shown = [
        {"user_id": f"u{n}", "timestamp": (noon + timedelta(microseconds=n)).isoformat() + "Z"} for n in (-1, 0, 1)
    ]

    rows = funnel(stored(catalogue, impressions=shown), by="campaign_id").table("rows")

    assert rows.select("campaign_id", "impressions").rows() == [("k1", 1), ("k2", 2)]


@pytest.mark.parametrize("by", ["campaign_id", "advertiser_id"])
def test_before_the_first_row_of_a_creative_it_has_no_campaign(stored: Stored, by: str) -> None:
    catalogue = catalogue_rows(
        {"creative_id": ["c1"], "campaign_id": ["k1"], "advertiser_id": ["a1"], "valid_from": [datetime(2027, 1, 1)]}
    )

    answer = funnel(stored(catalogue, impressions=[{}]), by=by)

    assert answer.table("rows")[by].to_list() == [None]

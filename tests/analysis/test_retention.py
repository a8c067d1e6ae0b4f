"""Answers say so if retention has removed events that they need."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.funnel import funnel
from advertisex.analysis.journeys.report import journeys
from advertisex.analysis.reach.report import reach
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import AnalysisError
from advertisex.feeds import FEEDS
from advertisex.monitoring.series import tally
from advertisex.stores.contract import EventStore, Range
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.testing.contracts.store_fixtures import outcome_of
from tests.analysis.test_arguments import QUESTIONS, Question, each_question

FLOOR = datetime(2026, 2, 1)
#: Keys of events; some of them are taken from earlier impressions.
KEYS = ("campaign_id", "creative_id", "website")
NOTE = "Nothing before 2026-02-01 (UTC) is kept (store.keep_days): older events and rejects are not in these numbers."


#: Every question with each of its keys: some of them are taken from earlier impressions.
VARIANTS = [
    pytest.param(question, {} if by is None else {"by": by}, id=f"{question.__name__}-{by}")
    for question in QUESTIONS
    for by in {
        summarise: (None, "day"),
        funnel: (None, "day", *KEYS),
        attribute: KEYS,
        journeys: KEYS,
        reach: (None, "flight"),
    }.get(question, (None,))
]


@pytest.fixture(scope="module")
def store() -> Iterator[EventStore]:
    """A store with events in January, which are dropped, and in March."""
    with DuckdbStore(Path(":memory:")) as made:
        for feed in FEEDS:
            of_january = {"timestamp": "2026-01-05T10:00:00Z"}
            of_march: dict[str, Any] = {"timestamp": "2026-03-05T10:00:00Z"}
            of_march |= {"conversion_type": "buy"} if feed == "clicks" else {}
            made.commit(outcome_of(feed, of_january, of_march))
        made.drop_before(FLOOR)
        yield made


@each_question
@pytest.mark.parametrize("since", [None, datetime(2026, 1, 1), FLOOR - timedelta.resolution])
def test_an_answer_whose_range_begins_before_what_is_kept_says_so(
    store: EventStore, question: Question, since: datetime | None
) -> None:
    answer = question(store, Scope(since=since), **QUESTIONS[question])

    assert answer.kept_since == FLOOR
    assert list(answer.notes).count(NOTE) == 1
    assert answer.to_dict()["kept_since"] == "2026-02-01T00:00:00Z"
    assert NOTE in answer.to_dict()["notes"]
    assert NOTE in answer.to_html()
    assert list(replace(answer, question="copied").notes).count(NOTE) == 1


def test_an_answer_about_what_is_kept_has_no_note(store: EventStore) -> None:
    answer = summarise(store, Scope(since=FLOOR))

    assert answer.kept_since is None
    assert NOTE not in answer.notes
    assert "kept_since" not in answer.to_dict()


@pytest.mark.parametrize(("since", "noted"), [(datetime(2026, 2, 28), True), (datetime(2026, 3, 3), False)])
def test_an_answer_whose_windows_reach_below_what_is_kept_says_so(
    store: EventStore, since: datetime, noted: bool
) -> None:
    answer = attribute(store, Scope(since=since), click_window=timedelta(days=30))

    assert (NOTE in answer.notes) == noted


@pytest.mark.parametrize(("question", "arguments"), VARIANTS)
def test_the_lookback_of_an_answer_covers_every_event_that_it_reads(
    store: EventStore, question: Question, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    since, earliest = datetime(2026, 3, 5), list[datetime | None]()
    for method, place in {"scan": 2, "count": 2, "extent": 1, "user_totals": 0}.items():
        monkeypatch.setattr(DuckdbStore, method, _noting(getattr(DuckdbStore, method), place, earliest))

    answer = question(store, Scope(since=since), **QUESTIONS[question] | arguments)

    reached = [since - time for time in earliest if time is not None]
    assert reached
    assert max(reached) <= answer.lookback


def _noting(method: Callable[..., Any], place: int, earliest: list[datetime | None]) -> Callable[..., Any]:
    """The method of a store; it also notes the start of the range that it is called with."""

    def noting(store: EventStore, *arguments: Any, **options: Any) -> Any:
        earliest.append(arguments[place].since)
        return method(store, *arguments, **options)

    return noting


@each_question
def test_a_range_of_which_nothing_is_kept_is_an_error(store: EventStore, question: Question) -> None:
    with pytest.raises(AnalysisError, match=r"nothing before 2026-02-01T00:00:00Z is kept") as caught:
        question(store, Scope(until=FLOOR), **QUESTIONS[question])

    assert "later range" in caught.value.hint


def test_the_history_of_anomalies_starts_with_what_is_kept() -> None:
    hour = timedelta(hours=1)
    with DuckdbStore(Path(":memory:")) as made:
        made.commit(outcome_of("clicks", {"timestamp": "2026-03-05T10:00:00Z"}))
        (ingested,) = next(iter(made.scan("clicks", ["ingested_at"], Range())))["ingested_at"]
        assert tally(made, ingested - hour, ingested + hour, hour).height
        made.drop_before(ingested + hour / 2)
        assert tally(made, ingested - hour, ingested + hour / 4, hour).is_empty()

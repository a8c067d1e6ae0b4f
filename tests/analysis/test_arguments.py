"""Every question rejects wrong arguments with a hint, before it reads an event."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from advertisex.analysis.answer import Answer
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.event_list import list_events
from advertisex.analysis.funnel import funnel
from advertisex.analysis.journeys.report import journeys
from advertisex.analysis.quality.report import quality
from advertisex.analysis.reach.report import reach
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore

Question = Callable[..., Answer]

NOON = datetime(2026, 1, 5, 12)
EAST = timezone(timedelta(hours=2))

#: Every question, with the arguments it needs.
QUESTIONS: dict[Question, dict[str, Any]] = {
    summarise: {}, correlate: {}, funnel: {}, attribute: {}, journeys: {}, reach: {}, bids: {}, quality: {},
    restatement: {"start": NOON}, list_events: {},
}  # fmt: skip

KEYS = ["planet", "", "DAY", 5, b"day", ["day"], {"day"}, pl.Series(["day"])]
DURATIONS = [-timedelta.resolution, timedelta(days=36_525, microseconds=1), timedelta.max, 30, "30d", None]
LIMITS = [-1, 2**63, 1.5, "10", None]
TIMES = ["2026-01-05", date(2026, 1, 5), 1_767_607_200, datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))]
WRONG: dict[Question, dict[str, list[Any]]] = {
    summarise: {"by": [*KEYS, "hour", "campaign_id"]},
    correlate: {"by": [*KEYS, "hour", "campaign_id"]},
    funnel: {"by": [*KEYS, "domain"]},
    attribute: {
        "by": [*KEYS, "day", None],
        "models": [[], (), "last", ["lats"], ["last", "lats"], [["last"]], None, 5, {"last": 1, "x": 2}],
        "click_window": DURATIONS,
        "view_window": DURATIONS,
        "half_life": [*DURATIONS, timedelta(0)],
        "weight": ["clicks", "", None, 1, ["value"]],
    },
    journeys: {
        "by": [*KEYS, "day", None],
        "windows": [[], (), "7d", None, 7, *([one] for one in DURATIONS), [timedelta(0)]],
        "limit": LIMITS,
    },
    reach: {"by": [*KEYS, "hour", "campaign_id"]},
    quality: {"limit": LIMITS},
    list_events: {"of": ["click", "", None, 5, ["clicks"]], "limit": LIMITS},
    restatement: {"start": [*TIMES, None], "end": [*TIMES, NOON - timedelta.resolution], "limit": LIMITS},
}
CASES = [
    pytest.param(question, {name: value}, id=f"{question.__name__}({name}={value!r})")
    for question, arguments in WRONG.items()
    for name, values in arguments.items()
    for value in values
]

each_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.__name__)


@pytest.fixture(scope="module")
def empty() -> Iterator[EventStore]:
    with DuckdbStore(Path(":memory:")) as store:
        yield store


@pytest.mark.parametrize(("question", "wrong"), CASES)
def test_a_wrong_argument_is_an_error_with_a_hint(empty: EventStore, question: Question, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        question(empty, **QUESTIONS[question] | wrong)

    assert next(iter(wrong)) in str(caught.value)
    assert caught.value.hint


@each_question
@pytest.mark.parametrize("scope", [None, "camp-1", ("camp-1",), {"campaign": "camp-1"}])
def test_a_scope_of_another_type_is_an_error_with_a_hint(empty: EventStore, question: Question, scope: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a Scope") as caught:
        question(empty, scope, **QUESTIONS[question])

    assert caught.value.hint


@each_question
def test_the_scope_may_be_omitted(empty: EventStore, question: Question) -> None:
    with pytest.raises(AnalysisError, match="found"):
        question(empty, **QUESTIONS[question])


@pytest.mark.parametrize("name", ["since", "until", "as_of"])
def test_a_time_with_a_zone_is_converted_to_utc_exactly(name: str) -> None:
    micros = timedelta(microseconds=999_999)

    assert Scope(**{name: (NOON + micros).replace(tzinfo=EAST)}) == Scope(**{name: NOON + micros - timedelta(hours=2)})
    assert Scope(**{name: NOON.replace(tzinfo=UTC)}) == Scope(**{name: NOON})
    assert getattr(Scope(**{name: NOON.replace(tzinfo=UTC)}), name).tzinfo is None


@pytest.mark.parametrize("name", ["since", "until", "as_of"])
@pytest.mark.parametrize("time", TIMES)
def test_anything_else_is_not_a_time(name: str, time: Any) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        Scope(**{name: time})

    assert caught.value.hint


@pytest.mark.parametrize("campaign", [5, b"camp-1", ["camp-1"]])
def test_a_campaign_is_a_text(campaign: Any) -> None:
    with pytest.raises(ConfigurationError, match="campaign") as caught:
        Scope(campaign=campaign)

    assert caught.value.hint


@pytest.mark.parametrize("until", [NOON, NOON - timedelta.resolution, NOON.replace(tzinfo=EAST)])
def test_an_empty_range_is_an_error(until: datetime) -> None:
    with pytest.raises(ConfigurationError, match="the range is empty: since 2026-01-05T12:00:00Z") as caught:
        Scope(since=NOON, until=until)

    assert caught.value.hint

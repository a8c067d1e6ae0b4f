"""The JSON field cases, from the file through processing, without a log and a store."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from advertisex.feeds import FEEDS
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import read_file
from tests.processing.messages import outcome_of

SharedData = Callable[[str], Path]


def events_in(path: Path, feed: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The columns of the events of a file, all of whose messages must be stored."""
    (one,) = read_file(path, FEEDS[feed], IngestOptions())
    messages = [message for chunk in one.reader.chunks() for message in chunk.records]
    outcome = outcome_of(feed, *messages)
    assert outcome.rejects.rows(named=True) == []
    return outcome.events.select(columns).rows()


def test_a_record_that_holds_a_list_is_one_event(shared_data: SharedData) -> None:
    path = shared_data("field_cases") / "deep.json"
    nine = datetime(2026, 1, 5, 9)
    assert events_in(path, "bids", ["user_id", "event_time", "amount"]) == [("u1", nine, Decimal("1.5"))]


def test_joined_objects_are_one_event_each(shared_data: SharedData) -> None:
    path = shared_data("field_cases") / "firehose.json"
    nine = datetime(2026, 1, 5, 9)
    expected = [(f"f{n}", nine.replace(second=n)) for n in range(5)]
    assert events_in(path, "impressions", ["user_id", "event_time"]) == expected


def test_each_object_of_an_array_a_line_is_an_event(shared_data: SharedData) -> None:
    path = shared_data("field_cases") / "arrlines.ndjson"
    assert events_in(path, "impressions", ["user_id"]) == [("h1",), ("h2",), ("h3",)]

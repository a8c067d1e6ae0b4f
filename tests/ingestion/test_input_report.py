import json
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from structlog.testing import capture_logs

from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.input_report import InputReport, Inspection, balance, unusual
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.records import PAUSE, Chunk, Input, Reader, Reading, Record
from advertisex.logs.sqlite.log import SqliteLog

CLICKS = FEEDS["clicks"]


class Given(Reader):
    """Yields given chunks, then fails if it is to."""

    def __init__(self, *chunks: list[Record], error: SourceError | None = None, **reading: Any) -> None:
        self.reading = Reading(**reading)
        self._chunks, self._error = chunks, error

    def chunks(self) -> Iterator[Chunk]:
        yield from map(Chunk, self._chunks)
        if self._error is not None:
            raise self._error


def report_of(*readers: Given, **options: Any) -> InputReport:
    inspection = Inspection(CLICKS, FieldMapping(), **options)
    for reader in readers:
        list(inspection.chunks(Input("x", reader)))
    return inspection.reports["x"]


ROW: dict[str, Any] = {"user_id": "u", "timestamp": "1", "campaign": "c"}


def test_chunks_pass_by_unchanged() -> None:
    inspection = Inspection(CLICKS, FieldMapping())
    chunks = list(inspection.chunks(Input("x", Given([ROW], [], [b"{}"], format="csv", rows=2))))
    assert chunks == [Chunk([ROW]), PAUSE, Chunk([b"{}"])]


@pytest.mark.parametrize(
    ("reader", "warnings"),
    [
        (Given(), {"the input is empty": 1}),
        (Given(format="csv", rows=1, skipped=Counter(header=1)), {"no records": 1}),
        (Given([ROW], format="csv", rows=1), {}),
        (
            Given([{"user_id": "u"}], format="avro", rows=1, warnings=Counter({"a character was damaged": 3})),
            {
                "a character was damaged": 3,
                "no column for the required field timestamp": 1,
                "no column for the required field campaign_id": 1,
            },
        ),
        (Given([b"<html>"], format="json", rows=1), {"no record could be read": 1}),
        (
            Given([b'{"client": 1, "events": [{"name": "click"}]}'], format="json", rows=1),
            {f"no column for the required field {name}": 1 for name in ("user_id", "timestamp", "campaign_id")}
            | {"if the records are those in events, name it with --records events": 1},
        ),
    ],
)
def test_what_the_user_should_know(reader: Given, warnings: dict[str, int]) -> None:
    assert report_of(reader).warnings == warnings


def test_a_failed_input_is_not_reported_as_empty() -> None:
    inspection = Inspection(CLICKS, FieldMapping())
    with pytest.raises(SourceError):
        list(inspection.chunks(Input("x", Given(error=SourceError("no such file")))))
    assert (inspection.reports["x"].complete, inspection.reports["x"].warnings) == (False, {})


def test_an_input_that_is_read_further_has_one_report_with_all_its_rows() -> None:
    first = Given([{"user_id": "u"}], format="csv", rows=3, skipped=Counter(header=1, blank=1), detected={"a": "b"})
    further = Given([ROW], format="csv", rows=2, skipped=Counter(blank=1))
    report = report_of(first, further, Given())
    assert (report.reading.rows, report.reading.skipped) == (5, {"header": 1, "blank": 2})
    assert (report.reading.detected, report.messages) == ({"a": "b"}, 2)
    assert report.columns.missing == ()


def test_the_first_rows_of_an_input_are_announced_once() -> None:
    seen: list[tuple[str, int]] = []
    readers = Given(), Given([ROW], format="csv", rows=1), Given([ROW], format="csv", rows=1)
    report_of(*readers, on_first=lambda name, report: seen.append((name, report.reading.rows)))
    assert seen == [("x", 1)]


REPORT: dict[str, Any] = {"Campaign": "c", "Media Cost": "1", "Link_Clicks": "2"}


@pytest.mark.parametrize("format_", ["csv", "xlsx", "parquet"])
def test_an_aggregated_report_yields_nothing(format_: str) -> None:
    inspection = Inspection(CLICKS, FieldMapping())
    with pytest.raises(SourceError, match=r"aggregated report.* Media Cost, Link_Clicks, but no column for the user"):
        next(inspection.chunks(Input("x", Given([REPORT], format=format_, rows=1))))
    rejected = inspection.reports["x"]
    assert (rejected.reading.format, rejected.messages, rejected.warnings) == (format_, 0, {})
    assert report_of(Given([REPORT], format=format_, rows=1), aggregated=True).messages == 1


@pytest.mark.parametrize("format_", ["json", "ndjson"])
@pytest.mark.parametrize(
    "row",
    [
        {"campaign": "c", "impressions": 1000, "cost": 12.5},
        {"campaign": {"name": "c"}, "metrics": {"impressions": "1000", "clicks": "12"}},
    ],
)
def test_an_aggregated_report_in_json_yields_nothing(row: dict[str, Any], format_: str) -> None:
    inspection = Inspection(CLICKS, FieldMapping())
    with pytest.raises(SourceError, match="it is an aggregated report, not events"):
        next(inspection.chunks(Input("x", Given([json.dumps(row).encode()], format=format_, rows=1))))
    assert inspection.reports["x"].messages == 0
    of_users = json.dumps(row | {"user_id": "u"}).encode()
    mixed = Given([json.dumps(row).encode(), of_users], format=format_, rows=2)
    assert report_of(mixed).messages == 2


@pytest.mark.parametrize(
    ("format_", "row", "mapping"),
    [
        ("csv", REPORT | {"user_id": "u"}, FieldMapping()),
        ("csv", REPORT | {"Kunde": "u"}, FieldMapping({"Kunde": "user_id"})),
        ("csv", REPORT, FieldMapping({}, {"user_id": "u"})),
        ("csv", {"Campaign": "c", "Day": "1"}, FieldMapping()),
        ("json", REPORT, FieldMapping()),
        ("json", {"campaign": "c", "clicks": 1, "conversions": 0, "revenue": 0.5}, FieldMapping()),
        ("json", {"campaign": "c", "reach": 3}, FieldMapping()),
        ("json", {"user_id": None, "impressions": 3, "clicks": 1}, FieldMapping()),
        ("json", {"user": {"id": "u"}, "impressions": 3, "clicks": 1}, FieldMapping({"user.id": "user_id"})),
        ("json", {"campaign": "c", "days": [{"impressions": 3, "clicks": 1}]}, FieldMapping()),
    ],
)
def test_other_inputs_are_not_aggregated_reports(format_: str, row: dict[str, Any], mapping: FieldMapping) -> None:
    inspection = Inspection(CLICKS, mapping)
    assert list(inspection.chunks(Input("x", Given([row], format=format_, rows=1))))


def test_what_is_as_expected_is_left_out() -> None:
    usual = {"delimiter": "comma", "quote": '"', "encoding": "UTF-8", "header": "line 1"}
    assert unusual(Reading(detected=usual)) == ""
    assert (
        unusual(Reading(detected=usual | {"delimiter": "semicolon", "header": "line 7"}))
        == "delimiter semicolon, header line 7"
    )


def test_the_rows_are_messages_and_skipped_ones() -> None:
    csv = Reading(rows=600, skipped=Counter({"header": 1}))
    assert balance([csv]) == "600 rows = 599 messages + 1 header"
    assert balance([csv, csv, Reading(rows=800)]) == "2,000 rows = 1,998 messages + 2 headers"
    one = Reading(rows=1, skipped=Counter({"header": 1}))
    assert balance([one]) == "1 row = 0 messages + 1 header"
    many = Reading(rows=12, skipped=Counter({"repeated header": 2, "blank": 3, "total row": 2, "hidden file": 4}))
    assert balance([many]) == "12 rows = 1 message + 2 repeated headers + 3 blank + 2 total rows + 4 hidden files"
    assert balance([Reading(rows=8)]) == balance([]) == ""


def test_following_logs_each_new_input_and_keeps_failures(tmp_path: Path) -> None:
    stop = Event()
    with SqliteLog(tmp_path / "log.db") as log, capture_logs() as logged:
        ingest(CLICKS, "-", log, IngestOptions(follow=True), stdin=BytesIO(b'{"user_id":"u","timestamp":1}\n'))
        (tmp_path / "twice.csv").write_text("user_id,user_id\n1,2\n")
        source = str(tmp_path / "twice.csv")
        published = ingest(CLICKS, source, log, IngestOptions(follow=True), None, lambda error: stop.set(), stop)
    assert [(line["event"], line["source"]) for line in logged] == [("new input", "stdin"), ("suspect input", "stdin")]
    assert logged[1]["warning"] == "no column for the required field campaign_id"
    assert len(published.failures) == 1


def test_conversion_types_that_are_new_to_a_log_are_reported_once(tmp_path: Path) -> None:
    def new_types(*types: str, **options: Any) -> tuple[str, ...]:
        row = b'{"user_id":"u","timestamp":1,"campaign":"c","conversion":"%s"}\n'
        text = b"".join(row % name.encode() for name in types)
        return ingest(CLICKS, "-", log, IngestOptions(**options), stdin=BytesIO(text)).new_types

    with SqliteLog(tmp_path / "log.db") as log, capture_logs() as logged:
        assert new_types("click", "1", "buy") == ("buy",)
        assert new_types("buy", "call") == ("call",)
        assert new_types("buy", "call", "refund") == ()
        assert new_types("visit", follow=True) == ("visit",)
        assert list(log.end_offsets().values()) == [9]
    assert [line["types"] for line in logged if line["event"] == "new conversion types"] == [("visit",)]


def test_types_found_when_a_followed_ingest_is_interrupted_are_reported(tmp_path: Path) -> None:
    def interrupt(messages: int, size: int) -> None:
        raise KeyboardInterrupt

    row = b'{"user_id":"u","timestamp":1,"campaign":"c","conversion":"visit"}\n'
    with SqliteLog(tmp_path / "log.db") as log, capture_logs() as logged:
        published = ingest(CLICKS, "-", log, IngestOptions(follow=True), interrupt, stdin=BytesIO(row))
    assert published.interrupted
    assert [line["types"] for line in logged if line["event"] == "new conversion types"] == [("visit",)]


def test_a_column_with_an_endless_name_is_rejected_before_anything_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("user_id,timestamp,campaign_id," + "x" * 100_000 + "\n" + "a,1767603600,c,d\n" * 10)
    with SqliteLog(tmp_path / "log.db") as log:
        published = ingest("clicks", str(path), log)
    (failure,) = published.failures
    assert published.messages == 0
    assert "a column has a name of 100,000 characters" in str(failure)
    assert len(str(failure)) < 500

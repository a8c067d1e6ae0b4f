"""Polls of a real HTTP server: every record once, page by page, and resumed where they ended."""

import dataclasses
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import islice
from typing import Any

import fastavro
import pytest

from advertisex.errors import ConfigurationError, LogError, SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.api.poll import ApiSource
from advertisex.ingestion.api.state import backfill, load
from advertisex.ingestion.api.unchanged import validators
from advertisex.ingestion.input_report import Inspection
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.auth import ApiKey
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.options.paginate import Paginate
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.sources import Url
from advertisex.logs.sqlite.log import SqliteLog
from tests.ingestion.conftest import Answer, Asked, Server, messages_in

FEED = FEEDS["impressions"]
START = datetime(2026, 1, 5, tzinfo=UTC)


class Api:
    """An API with records and pages of them."""

    def __init__(self, server: Server, paging: str = "link", size: int = 3, form: str = "json") -> None:
        self.records: list[dict[str, Any]] = []
        self.failing: dict[int, Answer] = {}
        self.paging, self.size, self.form = paging, size, form
        self.pages: list[int] = []
        self._server = server
        server.routes["/x"] = self._answer

    def add(self, *numbers: int, day: int = 1) -> None:
        self.records += [{"user_id": f"u{n}", "n": n, "at": f"2026-01-{day:02}T00:00:{n % 60:02}Z"} for n in numbers]

    def _answer(self, asked: Asked) -> Answer:
        query = {**asked.query, **(json.loads(asked.body) if asked.body else {})}
        records = [record for record in self.records if record["at"] >= query.get("since", "")]
        start = int(query.get("offset", 0)) or (int(query.get("page", 1)) - 1) * self.size
        start = int(query.get("cursor", "c0")[1:]) if self.paging == "cursor" else start
        self.pages.append(start // self.size + 1)
        if answer := self.failing.pop(self.pages[-1], None):
            return answer
        part, more = records[start : start + self.size], start + self.size < len(records)
        url, headers, members = f"{self._server.url}/x?page={start // self.size + 2}", {}, {}
        if "since" in query:
            url += f"&since={query['since'].replace('+', '%2B')}"
        if "token" in query:
            url += f"&token={query['token']}"
        if more and self.paging == "link":
            headers["Link"] = f'<{url}>; rel="next"'
        if self.paging == "json":
            members["next"] = url if more else None
        if self.paging == "cursor":
            members["next_cursor"] = f"c{start + self.size}" if more else None
        body, kind = _body(part, members, self.form)
        return Answer(body, headers={**headers, "Content-Type": kind})


def _body(records: Sequence[dict[str, Any]], members: dict[str, Any], form: str) -> tuple[bytes, str]:
    match form:
        case "csv":
            lines = ["user_id,n,at", *(f"{r['user_id']},{r['n']},{r['at']}" for r in records)]
            return "\n".join(lines).encode(), "text/csv"
        case "ndjson":
            return b"".join(json.dumps(r).encode() + b"\n" for r in records), "application/x-ndjson"
        case "avro":
            fields = [
                {"name": "user_id", "type": "string"},
                {"name": "n", "type": "int"},
                {"name": "at", "type": "string"},
            ]
            file = io.BytesIO()
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, records)
            return file.getvalue(), "application/avro"
        case _ if members:
            return json.dumps({"data": records, **members}).encode(), "application/json"
        case _:
            return json.dumps(records).encode(), "application/json"


class Polling:
    """Polls an API into a log; a new object is what a new process has."""

    def __init__(self, log: SqliteLog, url: str, *, follow: bool = True, **api: Any) -> None:
        self.log = log
        self.now = START
        self.failures: list[SourceError] = []
        options = IngestOptions(follow=follow, api=ApiOptions(**({"retry_wait": 0.01, "attempts": 1} | api)))
        self.source = ApiSource(Url(url), FEED, options.checked(), log, now=lambda: self.now)
        self.inspection = Inspection(FEED, options.mapping)
        self.publisher = Publisher(FEED, log)

    def poll(self, chunks: int | None = None) -> list[int]:
        """Return the numbers of the records that one more poll appended; each page is read up to a number of chunks."""
        before = len(messages_in(self.log, FEED.topic))
        try:
            for one in self.source.poll():
                try:
                    self.publisher.drain(one.name, islice(self.inspection.chunks(one), chunks), one.bookmark)
                except SourceError as error:
                    self.failures.append(error)
        except SourceError as error:
            self.failures.append(error)
        return [number_of(message) for message in messages_in(self.log, FEED.topic)[before:]]

    @property
    def skipped(self) -> int:
        return sum(report.reading.skipped["seen"] for report in self.inspection.reports.values())

    @property
    def warnings(self) -> str:
        return " ".join(text for report in self.inspection.reports.values() for text in report.warnings)


def number_of(message: bytes) -> int:
    """The number of a record; -1 for a damaged one."""
    found = re.search(rb'"n": ?"?([0-9]+)', message)
    return int(found[1]) if found else -1


@pytest.fixture
def polling(log: SqliteLog, server: Server) -> Iterator[Callable[..., Polling]]:
    with ExitStack() as stack:

        def opened(query: str = "", **options: Any) -> Polling:
            found = Polling(log, f"{server.url}/x{query}", **options)
            stack.callback(found.source.close)
            return found

        yield opened


INCREMENTAL: dict[str, Any] = {"cursor": "at", "lookback": timedelta(days=1), "since": "2026-01-01"}

PAGINGS: dict[str, Paginate | None] = {
    "link": None,
    "json": None,
    "cursor": None,
    "page": Paginate("page", start=1),
    "offset": Paginate("offset", limit=3),
}


@pytest.mark.parametrize(
    ("paging", "form"),
    [
        *((paging, "json") for paging in PAGINGS),
        *((paging, form) for paging in ("link", "page", "offset") for form in ("csv", "ndjson", "avro")),
    ],
)
def test_every_record_of_every_page_is_appended_once(paging: str, form: str, server, polling) -> None:
    api = Api(server, paging, form=form)
    api.add(*range(8))
    first = polling(paginate=PAGINGS[paging])
    assert first.poll() == list(range(8))
    assert first.source.pages >= 3
    (report,) = first.inspection.reports.values()
    assert ("paging" in report.reading.detected) == (PAGINGS[paging] is None)
    api.add(8, 9)
    assert first.poll() == [8, 9]
    assert polling(paginate=PAGINGS[paging]).poll() == []
    assert not first.failures


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("paging", PAGINGS)
def test_a_failed_poll_resumes_at_its_page(paging: str, restarted: bool, server, polling) -> None:
    api = Api(server, paging)
    api.add(*range(10))
    api.failing = {3: Answer(status=500)}
    first = polling(paginate=PAGINGS[paging])
    assert first.poll() == [0, 1, 2, 3, 4, 5]
    assert len(first.failures) == 1
    assert "page 3 of a poll" in first.source.position
    api.pages.clear()
    second = polling(paginate=PAGINGS[paging]) if restarted else first
    assert second.poll() == [6, 7, 8, 9]
    assert api.pages[:2] == [3, 4]
    assert 1 not in api.pages


def test_a_page_that_was_read_in_part_is_read_again_without_what_was_appended(server, polling) -> None:
    lines = b"".join(b'{"n":%d}\n' % (number // 2) for number in range(30_000))  # each record twice
    server.routes["/x"] = lambda asked: Answer(lines)
    first = polling()
    found = first.poll(chunks=2)
    assert 0 < len(found) < 30_000
    found += first.poll(chunks=3)
    found += polling().poll()
    assert found == [number // 2 for number in range(30_000)]
    assert polling().poll() == []


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_request_that_has_expired_begins_the_poll_again_once(status: int, server, polling) -> None:
    api = Api(server, "cursor")
    api.add(*range(8))
    api.failing = {2: Answer(status=503)}
    first = polling()
    assert first.poll() == [0, 1, 2]
    api.failing = {2: Answer(status=status)}
    assert first.poll() == [3, 4, 5, 6, 7]
    assert api.pages == [1, 2, 2, 1, 2, 3]
    assert f"the poll began again: the server returned status {status}" in first.warnings


EXPIRED = Answer(b'{"ok":false,"error":"invalid_cursor"}')


@pytest.mark.parametrize("restarted", [False, True])
def test_an_error_document_begins_a_resumed_poll_again(restarted: bool, server, polling) -> None:
    api = Api(server, "cursor")
    api.add(*range(8))
    api.failing = {2: EXPIRED}
    first = polling()
    assert first.poll() == [0, 1, 2]
    api.failing = {2: EXPIRED}
    second = polling() if restarted else first
    assert second.poll() == [3, 4, 5, 6, 7]
    assert api.pages == [1, 2, 2, 1, 2, 3]
    assert "the poll began again: the server reports an error (status 200): invalid_cursor" in second.warnings


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("answer", [Answer(status=500), Answer(status=403), EXPIRED])
def test_a_page_that_cannot_be_resumed_does_not_block_a_source(answer: Answer, restarted, server, polling) -> None:
    asked_for: list[str] = []

    def pages(asked: Asked) -> Answer:
        cursor = asked.query.get("cursor", "")
        asked_for.append(cursor)
        if cursor == "1":  # the cursor of the first poll never works
            return answer
        following = None if cursor else str(asked_for.count(""))
        return Answer(json.dumps({"data": [{"user_id": "u", "n": bool(cursor)}], "next_cursor": following}).encode())

    server.routes["/x"] = pages
    first = polling()
    polls = 0
    while "2" not in asked_for and polls < 6:
        first.poll()
        first = polling() if restarted else first
        polls += 1
    assert polls == (2 if answer is EXPIRED else 4)
    assert asked_for == ["", *["1"] * polls, "", "2"]
    assert len(messages_in(first.log, FEED.topic)) == 2


@pytest.mark.parametrize("answer", [Answer(status=401), Answer(status=403), Answer(status=302)])
def test_another_failure_keeps_the_page(answer: Answer, server, polling) -> None:
    api = Api(server, "cursor")
    api.add(*range(8))
    first = polling()
    for failure in (Answer(status=503), answer):
        api.failing = {2: failure}
        first.poll()
    assert polling().poll() == [3, 4, 5, 6, 7]
    assert api.pages == [1, 2, 2, 2, 3]
    assert len(first.failures) == 2


def allow(polling: Polling) -> None:
    """Let the time pass for which the rate limit puts requests off."""
    limit = polling.source._connection._limit
    limit._next = limit._reset = 0.0


@pytest.mark.parametrize("rate", [{"requests_per_second": 0.1}, {}], ids=["own", "server"])
def test_a_rate_limit_puts_a_poll_off_without_a_failure(rate: dict[str, Any], server, polling) -> None:
    api, headers = Api(server), {} if rate else {"RateLimit-Remaining": "0", "RateLimit-Reset": "10"}
    api.add(*range(8))
    answer = server.routes["/x"]

    def limited(asked: Asked) -> Answer:
        found = answer(asked)
        return dataclasses.replace(found, headers={**found.headers, **headers})

    server.routes["/x"] = limited
    first = polling(max_pages=2, **rate)
    for expected in ([0, 1, 2], []):
        assert first.poll() == expected
        assert 8 < first.source.wait <= 10
    allow(first)
    assert first.poll() == [3, 4, 5]
    assert "its limit of 2 pages" in str(first.failures.pop())
    allow(first)
    assert first.poll() == [6, 7]
    assert (first.source.wait, first.failures, api.pages) == (0, [], [1, 2, 3])


def test_a_poll_that_begins_again_may_be_put_off(server, polling) -> None:
    api = Api(server, "cursor")
    api.add(*range(8))
    first = polling(requests_per_second=0.1)
    assert first.poll() == [0, 1, 2]
    api.failing = {2: Answer(status=500)}
    allow(first)
    first.poll()
    allow(first)
    api.failing = {2: Answer(status=410)}
    for expected in ([], [], [3, 4, 5], [6, 7]):
        assert first.poll() == expected
        allow(first)
    assert api.pages == [1, 2, 2, 1, 2, 3]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_page_that_is_always_rejected_is_a_failure(restarted: bool, server, polling) -> None:
    api = Api(server, "cursor")
    api.add(*range(8))
    first, answer = polling(), server.routes["/x"]
    found = []
    for _ in range(4):
        server.routes["/x"] = lambda asked: api.failing.update({3: Answer(status=400)}) or answer(asked)
        found += first.poll()
        first = polling() if restarted else first
    assert api.pages == [1, 2, 3, 3, 1, 2, 3, 3, 3]
    server.routes["/x"] = answer
    api.failing.clear()
    assert found + first.poll() == list(range(8))


@pytest.mark.parametrize("paging", ["link", "cursor", "page"])
def test_pages_of_seen_records_are_passed_by_short_polls_of_new_processes(paging: str, server, polling) -> None:
    api, options = Api(server, paging), {"paginate": Paginate("page", start=1)} if paging == "page" else {}
    api.add(*range(9))
    assert polling(**options).poll() == list(range(9))
    api.add(9, 10)
    api.failing = {2: Answer(status=503)}
    found = [polling(max_pages=1, **options).poll() for _ in range(6)]
    assert [numbers for numbers in found if numbers] == [[9, 10]]


def test_a_poll_ends_after_max_pages_and_the_next_one_continues(server, polling) -> None:
    api = Api(server)
    api.add(*range(8))
    first = polling(max_pages=2)
    assert first.poll() == [0, 1, 2, 3, 4, 5]
    assert "its limit of 2 pages" in str(first.failures[0])
    assert first.poll() == [6, 7]
    assert api.pages == [1, 2, 3]


@pytest.mark.parametrize("count", [3, 7])
def test_an_hour_of_unchanged_pages_leaves_the_log_as_it_was(count: int, server, polling, log) -> None:
    api = Api(server)
    api.add(*range(count))
    hour = polling()
    assert hour.poll() == list(range(count))
    ends, state = log.end_offsets(), log.state("")
    changes = log._db.total_changes
    for _ in range(60):
        hour.now += timedelta(minutes=1)
        assert hour.poll() == []
    assert (log.end_offsets(), log.state(""), log._db.total_changes) == (ends, state, changes)
    assert hour.skipped == 60 * count
    assert hour.source.position == ("unchanged since 2026-01-05T00:00:00Z" if count == 3 else "")


HOUR_AGO = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
TOMORROW = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)


@pytest.mark.parametrize(
    ("sent", "asked_with"),
    [
        ({"ETag": '"v1"'}, {"if-none-match": '"v1"'}),
        ({"ETag": 'W/"v1"'}, {"if-none-match": 'W/"v1"'}),
        ({"ETag": '"v1"', "Last-Modified": HOUR_AGO}, {"if-none-match": '"v1"'}),
        ({"Last-Modified": HOUR_AGO}, {"if-modified-since": HOUR_AGO}),
        ({"Last-Modified": TOMORROW}, {}),
    ],
)
def test_a_server_that_knows_conditions_is_asked_with_them(
    sent: dict[str, str], asked_with: dict[str, str], server, polling
) -> None:
    version = [1]

    def answer(asked: Asked) -> Answer:
        if version[0] == 1 and asked_with and asked_with.items() <= asked.headers.items():
            return Answer(b"", 304)
        return Answer(b'[{"n":%d,"user_id":"u"}]' % version[0], headers=sent)

    server.routes["/x"] = answer
    first = polling(follow=False)
    assert first.poll() == [1]
    again = polling(follow=False)
    assert again.poll() == []
    version[0] = 2
    assert polling().poll() == [2]
    for asked in server.asked[1:]:
        assert {name: value for name, value in asked.headers.items() if name.startswith("if-")} == asked_with


@pytest.mark.parametrize(
    ("modified", "date", "kept"),
    [
        ("Mon, 05 Jan 2026 00:00:00 GMT", "Mon, 05 Jan 2026 00:01:00 GMT", True),
        ("Mon, 05 Jan 2026 00:00:01 GMT", "Mon, 05 Jan 2026 00:01:00 GMT", False),
        ("Mon, 05 Jan 2026 00:01:00 GMT", "Mon, 05 Jan 2026 00:01:00 GMT", False),
        ("Mon, 05 Jan 2026 00:00:00 GMT", "", False),
        ("Mon, 05 Jan 2026 00:00:00 -0000", "Mon, 05 Jan 2026 00:01:00 GMT", False),
        ("yesterday", "Mon, 05 Jan 2026 00:01:00 GMT", False),
        ("", "Mon, 05 Jan 2026 00:01:00 GMT", False),
    ],
)
def test_a_last_modified_counts_only_if_its_second_is_over(modified: str, date: str, kept: bool) -> None:
    assert validators({"last-modified": modified, "date": date}) == ("", modified if kept else "")


CURSOR_HEADER = Paginate("cursor", cursor_header="My-Next", param="cursor")


@pytest.mark.parametrize(
    ("paginate", "param", "header"),
    [
        (Paginate("page", start=1), "page", ("X-WP-TotalPages", "2")),
        (Paginate("page", start=1), "page", ("Other", "2")),
        (Paginate("offset"), "offset", ("X-WP-Total", "2")),
        (CURSOR_HEADER, "cursor", ("My-Next", "2")),
        (None, "cursor", ("X-Next-Cursor", "2")),
        (None, "page", ("Link", "</x?page=2>; rel=next")),
    ],
)
@pytest.mark.parametrize("has_etag", [False, True])
def test_pages_behind_a_first_page_that_stays_as_it_is(
    paginate: Paginate | None, param: str, header: tuple[str, str], has_etag: bool, server, polling
) -> None:
    headers = {"ETag": '"of the body"'} if has_etag else {}
    second = {"page": "2", "offset": "1", "cursor": "2"}[param]
    pages = {"": 1, "0": 1, "1": 1} | ({} if param != "offset" else {"1": 3})

    def answer(asked: Asked) -> Answer:
        at = asked.query.get(param, "")
        if at == second and header[0] in headers:
            return Answer(b'[{"n":2,"user_id":"u"}]')
        if pages.get(at) != 1:
            return Answer(b"[]")
        is_asked_with = "if-none-match" in asked.headers
        return Answer(
            b"" if is_asked_with else b'[{"n":1,"user_id":"u"}]', 304 if is_asked_with else 200, headers=headers
        )

    server.routes["/x"] = answer
    first = polling(paginate=paginate)
    assert first.poll() == [1]
    assert first.poll() == []
    headers[header[0]] = header[1]
    assert first.poll() == [2]
    assert not first.failures


def test_the_first_page_of_several_is_asked_without_conditions(server, polling) -> None:
    pages = {"1": b'[{"n":1,"user_id":"u"}]', "2": b'[{"n":2,"user_id":"u"}]', "3": b"[]"}
    server.routes["/x"] = lambda asked: Answer(pages.get(asked.query["page"], b"[]"), headers={"ETag": '"same"'})
    first = polling(paginate=Paginate("page", start=1))
    assert first.poll() == [1, 2]
    pages["3"] = b'[{"n":3,"user_id":"u"}]'
    assert first.poll() == [3]
    assert all("if-none-match" not in asked.headers for asked in server.asked)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_wrong_total_does_not_block_a_source(restarted: bool, server, polling) -> None:
    pages = {"1": b'[{"n":1,"user_id":"u"}]', "2": b'[{"n":2,"user_id":"u"}]'}
    headers = {"X-Total-Count": "3"}
    server.routes["/x"] = lambda asked: Answer(pages.get(asked.query["page"], b"[]"), headers=headers)
    first = polling(paginate=Paginate("page", start=1))
    assert first.poll() == [1, 2]
    assert "the pages end too early" in str(first.failures[0])
    second = polling(paginate=Paginate("page", start=1)) if restarted else first
    second.failures.clear()
    pages["3"], headers["X-Total-Count"] = b'[{"n":3,"user_id":"u"}]', "4"
    if restarted:
        assert second.poll() == [3]
        assert "the pages end too early" in str(second.failures.pop())
    for _ in range(3):
        second.poll()
    assert sorted(number_of(message) for message in messages_in(second.log, FEED.topic)) == [1, 2, 3]
    assert not second.failures
    assert "the total may be wrong" in second.warnings


def test_another_choice_of_paging_reads_on(server, polling) -> None:
    api = Api(server)
    api.add(*range(8))
    assert polling(paginate=Paginate("none")).poll() == [0, 1, 2]
    assert polling().poll() == [3, 4, 5, 6, 7]


def test_equal_records_of_one_response_are_all_appended(server, polling) -> None:
    api = Api(server)
    api.add(1, 1, 2)
    first = polling()
    assert first.poll() == [1, 1, 2]
    api.records = api.records[1:]
    api.add(3)
    assert first.poll() == [3]
    (report,) = first.inspection.reports.values()
    assert (report.reading.rows, report.messages, report.reading.skipped["seen"]) == (6, 4, 2)


def test_bad_rows_are_counted_once(server, polling, log) -> None:
    rows = [b"user_id,n", b"u1,1", b"u2", b'"', b"u3,3"]
    server.routes["/x"] = lambda asked: Answer(b"\n".join(rows), headers={"Content-Type": "text/csv"})
    polling().poll()
    count = len(messages_in(log, FEED.topic))
    rows.insert(1, b"u4,4")
    second = polling()
    second.poll()
    assert len(messages_in(log, FEED.topic)) == count + 1
    assert second.skipped == count


def test_archives_page_too(server, polling) -> None:
    def zipped(asked: Asked) -> Answer:
        page, archive = int(asked.query.get("page", 1)), io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            for member in range(2):
                file.writestr(f"{member}.ndjson", b'{"n":%d}\n' % (10 * page + member))
            file.writestr(".hidden", b"text")
        following = f"<{server.url}/x?page={page + 1}>; rel=next"
        return Answer(archive.getvalue(), headers={"Link": following} if page < 3 else {})

    server.routes["/x"] = zipped
    first = polling()
    assert (first.poll(), first.failures) == ([10, 11, 20, 21, 30, 31], [])
    assert polling().poll() == []
    assert not first.failures


def test_an_interrupt_between_two_pages_resumes_there(server, polling) -> None:
    api = Api(server)
    api.add(*range(8))
    first = polling()
    for one in first.source.poll():
        first.publisher.drain(one.name, first.inspection.chunks(one), one.bookmark)
        break
    assert polling().poll() == [3, 4, 5, 6, 7]
    assert api.pages == [1, 2, 3]


@pytest.mark.parametrize("kind", ["timestamp-millis", "local-timestamp-micros", "date"])
def test_a_time_of_avro_is_a_cursor(kind: str, server, polling) -> None:
    value = {"type": "int" if kind == "date" else "long", "logicalType": kind}
    schema = {"type": "record", "name": "r", "fields": [{"name": "n", "type": "int"}, {"name": "at", "type": value}]}
    time = datetime(2026, 1, 3, 4, 5, 6, tzinfo=None if kind.startswith("local") else UTC)
    file = io.BytesIO()
    fastavro.writer(file, schema, [{"n": 1, "at": time.date() if kind == "date" else time}])
    server.routes["/x"] = lambda asked: Answer(file.getvalue(), headers={"Content-Type": "application/avro"})
    first = polling("?since={since}", **(INCREMENTAL | {"lookback": timedelta(0)}))
    first.poll()
    first.poll()
    assert server.asked[-1].query["since"].startswith("2026-01-03")
    assert "usable" not in first.warnings


def test_values_of_another_kind_do_not_move_the_cursor(server, polling) -> None:
    values = ["2026-01-02T00:00:00Z", 99, [], None, 1767225600, "2026-01-03T00:00:00Z"]
    body = json.dumps([{"n": n, "at": value} for n, value in enumerate(values)]).encode()
    server.routes["/x"] = lambda asked: Answer(body)
    first = polling("?since={since}", **INCREMENTAL)
    assert first.poll() == [0, 1, 2, 3, 4, 5]
    assert first.source.position == "at 2026-01-03T00:00:00Z"
    (report,) = first.inspection.reports.values()
    counts = {text: count for text, count in report.warnings.items() if text.startswith(("record without", "at is"))}
    assert sorted(counts.values()) == [1, 3]


@pytest.mark.parametrize(("good", "bad"), [("2026-01-02T00:00:00Z", 0), (1767312000, "2026-01-03T00:00:00Z")])
def test_one_value_of_another_kind_does_not_replace_the_cursor(good: Any, bad: Any, server, polling) -> None:
    records = [{"n": 1, "at": good}]
    server.routes["/x"] = lambda asked: Answer(json.dumps(records).encode())
    first = polling("?since={since}", **(INCREMENTAL | {"lookback": timedelta(0)}))
    assert first.poll() == [1]
    records[:] = [{"n": 2, "at": bad}]
    assert first.poll() == [2]
    assert first.source.position == f"at {good}"
    assert "unlike other values" in first.warnings
    first.poll()
    assert server.asked[-1].query["since"] == str(good)


@pytest.mark.parametrize(
    ("since", "values", "position", "warning"),
    [
        ("1700000000", [99999999999], "", "a day in the future"),
        ("1700000000", [999999999999], "", "a day in the future"),  # a plausible time only in milliseconds
        ("1700000000", [1767225600, 99999999999], "at 1767225600", "a day in the future"),
        ("1700000000000", [1767225600000, 99999999999999], "at 1767225600000", "a day in the future"),
        ("1700000000000000", [1767225600000000, 1999999999999999], "at 1767225600000000", "a day in the future"),
        ("0", [5, 99999999999], "at 99999999999", ""),
        ("3000000000", [3000000005], "at 3000000005", ""),  # an id
        ("5", [700], "at 700", ""),
    ],
)
@pytest.mark.parametrize("at_once", [False, True])
def test_a_number_far_in_the_future_does_not_move_the_cursor(
    since: str, values: list[int], position: str, warning: str, at_once: bool, server, polling
) -> None:
    records: list[dict[str, int]] = []
    server.routes["/x"] = lambda asked: Answer(json.dumps(records).encode())
    first = polling("?since={since}", cursor="u", since=since)
    for n, value in enumerate(values):
        records.append({"n": n, "u": value})
        if not at_once:
            first.poll()
    first.poll()
    assert first.source.position.partition("unchanged")[0].rstrip(", ") == position.replace("at", "u")
    assert warning in first.warnings
    assert ("the cursor moved far, from 5 to 99999999999" in first.warnings) == (since == "0" and not at_once)


def test_epochs_are_known_from_a_since_that_is_a_date(server, polling) -> None:
    records = [{"n": 1, "u": 1767225600}]
    server.routes["/x"] = lambda asked: Answer(json.dumps(records).encode())
    first = polling("?since={since:epoch}", cursor="u", since="2026-01-01")
    first.poll()
    records.append({"n": 2, "u": 99999999999})
    assert first.poll() == [2]
    assert first.source.position == "u 1767225600"


def test_a_since_that_is_moved_to_an_earlier_time_is_reported(server, polling, log) -> None:
    api = Api(server, size=100)
    api.add(1, day=1)
    api.add(2, day=4)
    late = INCREMENTAL | {"since": "2026-01-03"}
    first = polling("?since={since}", **late)
    assert first.poll() == [2]
    assert polling("?since={since}", **late).poll() == []
    earlier = polling("?since={since}", **INCREMENTAL)
    assert earlier.poll() == []
    assert "since 2026-01-01 is before 2026-01-03, where the first poll started" in earlier.warnings
    assert "sources backfill" in earlier.warnings
    assert not polling("?since={since}", **(INCREMENTAL | {"since": "2026-01-04"})).warnings
    backfill(log, FEED.topic, earlier.source.prefix, "2026-01-01")
    assert polling("?since={since}", **INCREMENTAL).poll() == [1]
    last = polling("?since={since}", **INCREMENTAL)
    assert last.poll() == []
    assert "since" not in last.warnings


def test_another_cursor_begins_at_its_start(server, polling) -> None:
    server.routes["/x"] = lambda asked: Answer(b'[{"n":7,"at":"2026-01-02T00:00:00Z"}]')
    options = INCREMENTAL | {"lookback": timedelta(0)}
    assert polling("?since={since}", **options).poll() == [7]
    other = polling("?since={since}", **(options | {"cursor": "n", "since": "0"}))
    assert other.poll() == []
    assert other.poll() == []
    assert [asked.query["since"] for asked in server.asked] == ["2026-01-01", "0", "7"]


class CrashingLog(SqliteLog):
    """Appends messages and changes the state apart, as with Kafka; it crashes between the two, once."""

    crash_in = 0

    def append(self, topic: str, messages: Sequence[bytes], *, origins: Any = (), state: Any = None) -> None:
        super().append(topic, messages, origins=origins)
        self.crash_in -= 1
        if not self.crash_in:
            raise LogError("crashed")
        super().append(topic, (), state=state)


@pytest.mark.parametrize("crash_in", range(1, 4))
def test_a_log_that_changes_the_state_later_loses_nothing(crash_in: int, server, tmp_path) -> None:
    api = Api(server)
    api.add(*range(8))
    with CrashingLog(tmp_path / "log") as log:
        first = Polling(log, f"{server.url}/x")
        log.crash_in = crash_in
        with closing(first.source), pytest.raises(LogError):
            first.poll()
        second = Polling(log, f"{server.url}/x")
        with closing(second.source):
            assert second.poll() == list(range(3 * crash_in - 3, 8))


def test_a_poll_starts_where_the_last_one_ended_with_a_lookback(server, polling) -> None:
    api = Api(server, size=100)
    api.add(1, 2, day=1)
    api.add(3, day=3)
    first = polling("?since={since}", **INCREMENTAL)
    assert first.poll() == [1, 2, 3]
    api.add(4, day=2)  # late
    api.add(5, day=4)
    second = polling("?since={since}", **INCREMENTAL)
    assert second.poll() == [4, 5]
    assert second.source.position == "at 2026-01-04T00:00:05Z"
    assert [asked.query["since"] for asked in server.asked] == ["2026-01-01", "2026-01-02T00:00:03Z"]


def test_a_cursor_is_sent_as_the_source_wrote_it_in_url_header_and_body(server, polling) -> None:
    record = b'[{"n":1,"meta":{"at":"2026-01-03 04:05:06.700+02:00"}}]'
    server.routes["/x"] = lambda asked: Answer(record)
    options: dict[str, Any] = {
        "method": "POST",
        "cursor": "meta.at",
        "since": "2026-01-01 00:00:00+02:00",
        "headers": {"X-Since": "{cursor}"},
        "body": '{"after": "{cursor}", "until": "{until}"}',
    }
    first = polling("?c={cursor}", **options)
    first.poll()
    first.poll()
    asked = server.asked[-1]
    shown = "2026-01-03 04:05:06.700+02:00"
    assert asked.query["c"] == asked.headers["x-since"] == shown
    assert json.loads(asked.body) == {"after": shown, "until": "2026-01-05T00:00:00Z"}


def test_the_cursor_moves_only_when_a_poll_is_complete(server, polling, log) -> None:
    api = Api(server, "cursor")
    api.add(*range(7), day=2)
    api.failing = {3: Answer(status=500)}
    first = polling("?since={since}&until={until}", **INCREMENTAL)
    assert first.poll() == [0, 1, 2, 3, 4, 5]
    first.now += timedelta(minutes=1)
    again = polling("?since={since}&until={until}", **INCREMENTAL)
    assert again.poll() == [6]
    assert again.source.position == "at 2026-01-02T00:00:06Z"
    asked = server.asked[-1].query
    assert (asked["since"], asked["until"], asked["cursor"]) == ("2026-01-01", "2026-01-05T00:00:00Z", "c6")


def test_the_cursor_moves_neither_back_nor_far_into_the_future(server, polling) -> None:
    api = Api(server, size=100)
    api.add(1, day=4)
    api.add(2, day=20)
    api.records += [{"user_id": "u3", "n": 3, "at": None}, {"user_id": "u4", "n": 4, "at": "soon"}]
    api.records = [record for record in api.records if record["at"] is not None] or api.records
    first = polling("?since={since}", **INCREMENTAL)
    assert first.poll() == [1, 2, 4]
    assert first.source.position == "at 2026-01-04T00:00:01Z"
    assert "a day in the future" in first.warnings
    assert "record without a usable at" in first.warnings
    api.records = []
    api.add(5, day=3)
    assert first.poll() == [5]
    assert first.source.position == "at 2026-01-04T00:00:01Z"


def test_a_backfill_starts_earlier_once(server, polling, log) -> None:
    api = Api(server, size=100)
    api.add(1, day=1)
    api.add(2, day=4)
    first = polling("?since={since}", **(INCREMENTAL | {"since": "2026-01-03"}))
    assert first.poll() == [2]
    backfill(log, FEED.topic, first.source.prefix, "2026-01-01")
    second = polling("?since={since}", **(INCREMENTAL | {"since": "2026-01-03"}))
    assert second.poll() == [1]
    assert second.poll() == []
    assert [asked.query["since"] for asked in server.asked] == ["2026-01-03", "2026-01-01", "2026-01-03T00:00:02Z"]
    with pytest.raises(ConfigurationError, match="'soon'"):
        backfill(log, FEED.topic, first.source.prefix, "soon")


@pytest.mark.parametrize(
    ("query", "options", "message"),
    [
        ("", {"cursor": "at"}, "put {since} or {cursor}"),
        ("?s={since}", {}, "--cursor"),
        ("?s={cursor}", {"since": "2026-01-01"}, "--cursor"),
        ("?s={since}", {"cursor": "at"}, "--since"),
        ("?s={since}", {"cursor": "at", "since": "soon"}, "'soon'"),
        ("", {"lookback": timedelta(days=1)}, "needs a cursor"),
        ("?since={sinc}", {}, "unknown placeholder {sinc} in the URL"),
        ("", {"max_pages": 0}, "use 1 or more"),
    ],
)
def test_an_incomplete_choice_is_an_error_before_the_first_request(
    query: str, options: dict[str, Any], message: str, server, polling
) -> None:
    with pytest.raises(ConfigurationError) as error:
        polling(query, **options).poll()
    assert message in str(error.value)
    assert not server.asked


@pytest.mark.parametrize("seed", range(3))
def test_pages_that_change_while_they_are_read_lose_nothing(seed: int, server, polling) -> None:
    chance, api = random.Random(seed), Api(server, "page", size=4)
    api.records = [{"user_id": "u", "n": n, "at": f"2026-01-02T00:{n:02}:00Z"} for n in range(40)]
    always = {record["n"] for record in api.records[::2]}
    answer = server.routes["/x"]

    def changing(asked: Asked) -> Answer:
        for step in range(2):  # a record is changed, or removed, or appears late
            place = chance.randrange(len(api.records))
            record = api.records[place]
            if chance.random() < 0.3:
                api.records.insert(place, {**record, "n": 1_000 + 10 * len(server.asked) + step})
            elif record["n"] not in always:
                del api.records[place]
                if chance.random() < 0.5:
                    api.records.append({**record, "at": f"2026-01-03T00:00:{len(server.asked) % 60:02}Z"})
        return answer(asked)

    server.routes["/x"] = changing
    options: dict[str, Any] = {"paginate": Paginate("page", start=1), "cursor": "at", "since": "2026-01-01"}
    found = [number for _ in range(4) for number in polling("?since={since}", **options).poll()]
    assert always <= set(found)
    assert all(found.count(number) == 1 for number in always)


def test_the_state_holds_no_secret_of_the_user(server, polling, log) -> None:
    api = Api(server, "link")
    api.add(*range(10))
    api.failing = {3: Answer(status=500)}
    secrets: dict[str, Any] = {"headers": {"X-Api-Key": "hide-2"}, "auth": ApiKey("key", "hide-3", "query")}
    first = polling("?token=hide-1", **secrets)
    first.poll()
    stored = log.state(first.source.prefix)
    assert load(stored, first.source.prefix).poll.url
    assert not any(b"hide" in value for value in stored.values())
    second = polling("?token=hide-1", **secrets)
    assert second.poll() == [6, 7, 8, 9]
    assert server.asked[-1].query["token"].startswith("hide-1")


def test_a_source_is_read_by_one_process(server, polling, log, tmp_path) -> None:
    Api(server).add(1)
    first = polling()
    first.poll()
    with SqliteLog(tmp_path / "the.log") as other:
        second = Polling(other, f"{server.url}/x")
        second.poll()
        second.source.close()
        assert "is being read already" in str(second.failures[0])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_bodies_of_a_post_page_too(method: str, server, polling) -> None:
    api = Api(server, "page")
    api.add(*range(7))
    body = '{"page": 1, "password": "hide"}' if method == "POST" else None
    where: dict[str, Any] = {"body_param": "page"} if method == "POST" else {"param": "page", "start": 1}
    options: dict[str, Any] = {"method": method, "body": body, "paginate": Paginate("page", **where)}
    api.failing = {2: Answer(status=500)}
    first = polling(**options)
    assert first.poll() == [0, 1, 2]
    assert polling(**options).poll() == [3, 4, 5, 6]
    if body:
        assert b"hide" in server.asked[-1].body

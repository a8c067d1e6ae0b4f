import json
from typing import Any

import pytest

from advertisex.ingestion.records import MESSAGE_BYTES
from tests.ingestion.json_inputs import read

EVENT = {"user_id": "u1", "timestamp": "2026-01-05T09:00:00Z", "creative_id": "c1"}
OTHER = {**EVENT, "user_id": "u2"}
#: An event with a list of objects under a known name.
BASKET = {**EVENT, "items": [{"name": "a"}, {"name": "b"}]}


def values(document: Any, feed: str = "impressions", **options: Any) -> list[Any]:
    return [json.loads(value) for value in read(json.dumps(document).encode(), feed, **options).values]


@pytest.mark.parametrize(
    "envelope",
    [
        {"data": [EVENT, OTHER], "page": 1},
        {"page": 1, "results": [EVENT, OTHER], "errors": []},
        {"status": {"code": 0}, "response": {"records": [EVENT, OTHER], "next": None}},
        {"timestamp": "2026-01-05", "events": [EVENT, OTHER]},
        {"data": [EVENT, OTHER], "items": [{"name": "x"}]},
    ],
)
def test_an_envelope_is_opened(envelope: Any) -> None:
    assert values(envelope) == [EVENT, OTHER]
    assert values([envelope, envelope]) == [EVENT, OTHER, EVENT, OTHER]
    lines = b"\n".join([json.dumps(envelope).encode(), json.dumps(EVENT).encode(), json.dumps(envelope).encode()])
    assert len(read(lines).values) == 5


@pytest.mark.parametrize(
    ("record", "feed"),
    [
        (BASKET, "impressions"),
        ({**EVENT, "events": []}, "impressions"),
        ({**EVENT, "data": None}, "impressions"),
        ({"whatever": [EVENT]}, "impressions"),
        ({"data": [1, 2]}, "impressions"),
        ({"data": EVENT}, "impressions"),
        ({"data": [EVENT], "items": [OTHER]}, "impressions"),  # ambiguous
        ({"event": {"bid": {"user_id": "u", "timestamp": 1}}, "data": [{"name": "a"}]}, "bids"),
        ({"id": "r1", "imp": [{"id": "1"}], "bids": [{"user_id": "u"}]}, "bids"),
    ],
)
def test_a_record_that_holds_a_list_stays_whole(record: Any, feed: str) -> None:
    assert values(record, feed) == [record]
    assert values([record, EVENT, record], feed) == [record, EVENT, record]


def test_the_list_of_the_feed_is_read_and_another_is_reported() -> None:
    seen = read(json.dumps({"clicks": [EVENT], "impressions": [OTHER]}).encode())
    assert [json.loads(value) for value in seen.values] == [OTHER]
    assert seen.reading.detected == {"records": "impressions"}
    assert dict(seen.reading.warnings) == {"list clicks of an envelope, not read": 1}


def test_bid_requests_are_recognised_in_an_envelope() -> None:
    requests = [{"id": "1", "imp": [{"id": "1"}]}, {"id": "2", "imp": []}]
    assert values({"page": 1, "requests": requests}, "bids") == requests
    nested = [{"event": {"bid": {"user_id": "u1", "timestamp": 1}}}]
    assert values({"page": 1, "data": nested}, "bids") == nested


@pytest.mark.parametrize(
    "envelope",
    [
        {"data": None},
        {"data": []},
        {"results": [], "next": None},
        {"data": {"items": []}},
        {"data": None, "errors": [1]},
    ],
)
def test_an_empty_envelope_has_no_records(envelope: Any) -> None:
    seen = read(json.dumps(envelope).encode())
    assert (seen.values, seen.reading.rows, dict(seen.reading.skipped)) == ([], 1, {"empty envelope": 1})
    assert seen.failure is None


@pytest.mark.parametrize("path", ["result.items", "result.more.deep", "result.one"])
def test_the_records_can_be_named(path: str) -> None:
    document = {"id": 1, "result": {"items": [{"a": 1}], "more": {"deep": [{"a": 1}]}, "one": {"a": 1}}}
    assert values(document, records=path) == [{"a": 1}]


def test_an_object_without_the_named_records_costs_no_other() -> None:
    seen = read(b'{"rows":[{"a":1}]}\n{"x":1,"y":2}\n7\n{"rows":[{"a":2}]}', records="rows")
    assert seen.values == [b'{"a":1}', b"7", b'{"a":2}']
    assert str(seen.failure) == ("no records under key 'rows' (x.json:2); pass another key with --records; found: x, y")
    assert seen.lines == [1, 3, 4]


def test_records_inherit_what_they_lack() -> None:
    envelope = {
        "meta": {"user": 1.50},
        "timestamp": "t0",
        "data": [EVENT, {"creative_id": "c2"}, {"user_id": None, "event_timestamp": "t1"}, {"user_id": " "}],
    }
    seen = read(json.dumps(envelope).encode(), inherit={"meta.user": "user_id", "timestamp": "timestamp", "no": "app"})
    assert [json.loads(value) for value in seen.values] == [
        EVENT,
        {"creative_id": "c2", "user_id": 1.5, "timestamp": "t0"},
        {"user_id": 1.5, "event_timestamp": "t1"},
        {"user_id": 1.5, "timestamp": "t0"},
    ]
    assert b'"user_id":1.5' in seen.values[1]  # type: ignore[operator]
    assert dict(seen.reading.warnings) == {"envelope without no to inherit": 1}


def _large(before: Any, after: Any) -> tuple[bytes, list[Any]]:
    records = [{**EVENT, "user_agent": "x" * 2_000, "n": n} for n in range(2_000)]
    parts = (json.dumps(part)[1:-1] for part in (before, {"data": records}, after))
    return ("{" + ",\n".join(filter(None, parts)) + "}").encode(), records


@pytest.mark.parametrize("block", [2**16, 2**20])
def test_a_large_envelope_is_read_as_it_arrives(block: int) -> None:
    text, records = _large({"app": "a"}, {"next": {"page": 2}})
    seen = read(text + b"\n" + json.dumps(EVENT).encode(), block=block, inherit={"app": "app"})
    assert [json.loads(value) for value in seen.values] == [*({**r, "app": "a"} for r in records), EVENT]
    assert seen.lines[0] == 2
    assert seen.lines[-1] == 4
    assert len(seen.chunks[0].records) < len(records)
    assert seen.failure is None


def test_an_inherited_value_behind_the_records_is_waited_for() -> None:
    text, records = _large({}, {"app": "a"})
    assert [json.loads(v) for v in read(text, inherit={"app": "app"}).values] == [{**r, "app": "a"} for r in records]


@pytest.mark.parametrize("path", ["data", "outer.data"])
def test_a_large_envelope_with_named_records(path: str) -> None:
    text, records = _large({"user_id": 1, "timestamp": 2, "creative_id": 3}, {})
    if path == "outer.data":
        text = b'{"outer":' + text + b"}"
    assert [json.loads(v) for v in read(text, records=path).values] == records


@pytest.mark.parametrize("block", [2**17, 2**20])
def test_a_value_that_is_too_large_costs_itself_alone(block: int) -> None:
    large = b'{"a":"' + b"x" * MESSAGE_BYTES + b'","b":[1]}'
    seen = read(b"\n".join([b'{"n":1}', large, b'{"n":2}']), block=block)
    assert (seen.values, seen.lines) == ([b'{"n":1}', b'{"n":2}'], [1, 3])
    assert dict(seen.reading.skipped) == {"larger than 16 MiB": 1}
    assert "a value is larger than 16 MiB (x.json:2)" in str(seen.failure)

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.codecs.unreadable import unwrap
from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.ingestion.json import reader
from advertisex.ingestion.json.inherit import Inherited, inheriting
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import read_file
from tests.budget import examples
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
        {"content": [EVENT, OTHER], "totalElements": 2, "pageable": {"offset": 0}, "last": True},
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
        ({**EVENT, "content": [{"name": "a"}]}, "impressions"),
        ({"whatever": [EVENT]}, "impressions"),
        ({"data": [1, 2]}, "impressions"),
        ({"data": EVENT}, "impressions"),
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


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ({"items": [OTHER]}, "items"),
        ({"impressions": [OTHER], "next": None}, "impressions"),
        ({"result": {"rows": [OTHER]}}, "result.rows"),
        ({"anything": [OTHER], "errors": [{"timestamp": 1}]}, "anything"),
    ],
)
@pytest.mark.parametrize("size", [1, 1_500])
def test_a_second_list_of_records_is_an_error(others: Any, named: str, size: int) -> None:
    records = [{**EVENT, "user_agent": "x" * 2_000}] * size
    seen = read(json.dumps({"data": records, **others}).encode())
    assert len(seen.values) == size
    assert str(seen.failure) == (
        f"an envelope has records under data, which are read, and under {named} (x.json:1); "
        f"name one list with --records, such as --records {named}"
    )
    assert dict(seen.reading.warnings) == {}


_LISTS = st.sampled_from([[EVENT], [EVENT, OTHER, EVENT], [], None, [{"name": "a"}], [{"timestamp": 1}]])
_PARTS = st.dictionaries(
    st.sampled_from(["data", "items", "impressions", "extra", "page", "errors"]),
    _LISTS | st.builds(lambda inner: {"rows": inner}, _LISTS) | st.integers(0, 3),
    max_size=4,
)


@settings(max_examples=examples(80))
@given(_PARTS, st.sampled_from([16, 300, 2**20]))
def test_what_is_read_does_not_depend_on_how_much_is_known(envelope: Any, block: int) -> None:
    text = json.dumps(envelope).encode()
    held = read(text)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reader, "_ENVELOPE_BYTES", 0)
        streamed = read(text, block=block)
    assert (streamed.values, str(streamed.failure)) == (held.values, str(held.failure))
    assert streamed.reading == held.reading


@pytest.mark.parametrize(
    "text",
    [
        '{"data":[RECORDS],"data":[RECORDS]}',
        '{"data":[RECORDS],"data":[]}',
        '{"result":{"rows":[RECORDS],"rows":[RECORDS]}}',
        '{"data":[RECORDS],"app":1,"app":2}',
    ],
)
def test_a_list_under_a_repeated_key_is_not_lost(text: str) -> None:
    small = text.replace("RECORDS", json.dumps(EVENT))
    seen = read(f"{small}\n{json.dumps(OTHER)}".encode(), inherit={"app": "app"})
    assert [value if isinstance(value, str) else json.loads(value) for value in seen.values] == [small, OTHER]
    assert seen.reading.rows == 2
    large = text.replace("RECORDS", ",".join([json.dumps({**EVENT, "x": "x" * 2_000})] * 2_000), 1)
    seen = read(large.replace("RECORDS", json.dumps(EVENT)).encode(), inherit={"app": "app"} if "app" in text else {})
    assert (len(seen.values), bool(seen.failure)) in [(1, False), (2_000, True)]


@pytest.mark.parametrize("end", ["", "]", '],"next":1', '],"next":"'])
def test_a_large_envelope_that_is_cut_off_is_reported(end: str) -> None:
    records = ",".join([json.dumps({**EVENT, "x": "x" * 2_000})] * 2_000)
    seen = read(f'{{"data":[{records}{end}'.encode())
    assert len(seen.values) == 2_000
    assert "an envelope is not closed" in str(seen.failure)


def test_only_the_first_of_many_failures_is_kept() -> None:
    failure = read(b'{"x":1}\n' * 1_500, records="rows").failure
    assert str(failure) == (
        "no records under key 'rows', the first of 1,500 errors (x.json:1); pass another key with --records; found: x"
    )


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


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"errors": [], "users": [EVENT], "data": []}, "users"),
        ({"items": None, "logs": [EVENT]}, "logs"),
        ({"data": {"items": [], "page": {"records": [EVENT]}}}, "data.page.records"),
        ({"data": [], "pages": [[EVENT], []]}, "pages"),
    ],
)
def test_an_empty_list_does_not_hide_another(document: Any, path: str) -> None:
    seen = read(json.dumps(document).encode())
    assert [json.loads(value) for value in seen.values] == [document]
    assert dict(seen.reading.warnings) == {f"list {path} of an object without other records: name it with --records": 1}
    assert dict(seen.reading.skipped) == {}


@pytest.mark.parametrize(
    "envelope", [{"data": None}, {"data": []}, {"data": {"items": None}}, {"data": [OTHER]}, {"data": [], "x": [EVENT]}]
)
@pytest.mark.parametrize("final", [True, False])
def test_envelopes_are_recognised_in_any_order(envelope: Any, final: bool) -> None:
    lines = [json.dumps(value).encode() + b"\n" for value in (EVENT, envelope, EVENT, envelope)]
    alone = read(lines[1], final=final).values
    assert read(b"".join(lines), final=final).values == [lines[0].strip(), *alone, lines[0].strip(), *alone]
    assert read(b"".join(lines[1:]), final=final).values == [*alone, lines[0].strip(), *alone]


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


@pytest.mark.parametrize(
    ("feed", "target", "hint"),
    [
        ("clicks", "campain_id", "did you mean 'campaign_id'?"),
        ("impressions", "imp", "expected one of"),
        ("bids", "usr", None),
    ],
)
def test_inherited_values_must_have_a_use(feed: str, target: str, hint: str | None) -> None:
    with pytest.raises(ConfigurationError, match=rf"{feed} has no field '{target}' \(--inherit\)") as caught:
        IngestOptions(inherit={"k": target}).checked_for(FEEDS[feed])
    assert hint is None or (caught.value.hint or "").startswith(hint)


@pytest.mark.parametrize(
    ("feed", "target"), [("clicks", "campaign"), ("clicks", "column"), ("clicks", "deep"), ("bids", "site")]
)
def test_inherited_values_may_be_aliases_columns_and_parts_of_requests(feed: str, target: str) -> None:
    mapping = FieldMapping({"column": "campaign_id", "deep.value": "value"} if feed == "clicks" else {})
    IngestOptions(inherit={"k": target}, mapping=mapping).checked_for(FEEDS[feed])


def test_options_for_json_are_not_ignored_silently(tmp_path: Path) -> None:
    options = IngestOptions(records="data", inherit={"user": "user_id"})
    for name, text in {"a.csv": "timestamp,campaign_id\n1,2\n", "b.json": '{"user":1,"data":[{"a":1}]}'}.items():
        path = tmp_path / name
        path.write_text(text)
        (one,) = read_file(path, FEEDS["clicks"], options)
        assert len(list(one.reader.chunks())) == 1
        ignored = {"--records is for JSON, not used here": 1, "--inherit is for JSON, not used here": 1}
        assert dict(one.reader.reading.warnings) == (ignored if name == "a.csv" else {})


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b'{"a":1,"a": 2, "n":1.50}', b'{"a":1,"a": 2, "n":1.50,"user_id":"u"}'),
        (b"{ }", b'{"user_id":"u"}'),
        (b'{"a":"}" \n}', b'{"a":"}","user_id":"u"}'),
        (b'{"user_id":"x","user_id":"y"}', b'{"user_id":"x","user_id":"y"}'),
        (b'{"user_id":"x","user_id":null}', b'{"user_id":"x","user_id":null}'),
    ],
)
def test_a_record_that_inherits_stays_as_it_is(record: bytes, expected: bytes) -> None:
    text = b'{"user":"u","data":[' + json.dumps(EVENT).encode() + b"," + record + b"]}"
    assert read(text, inherit={"user": "user_id"}).values[1:] == [expected]


def test_inherited_values_are_bounded() -> None:
    fitting = json.dumps({"app": "x" * 60_000, "data": [EVENT] * 200}).encode()
    seen = read(fitting, inherit={"app": "app"})
    assert len(seen.values) == 200
    assert max(sum(map(len, chunk.records)) for chunk in seen.chunks) < 6 * 2**20
    large = json.dumps({"app": "x" * 2**16, "user": "u", "data": [{**EVENT, "user_id": None}]}).encode()
    seen = read(large, inherit={"app": "app", "user": "user_id"})
    assert [json.loads(value) for value in seen.values] == [{**EVENT, "user_id": "u"}]
    assert "the value under app is too large to inherit: more than 64 KiB (x.json:1)" in str(seen.failure)


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


@pytest.mark.parametrize("feed", ["impressions", "bids"])
def test_an_object_of_very_many_keys_is_a_record_whose_members_are_not_decoded(
    feed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advertisex.codecs.json_text.MOST_KEYS", 20)
    few = {"data": [EVENT], **{str(n): 1 for n in range(10)}}
    many = {"data": [EVENT], **{str(n): 1 for n in range(30)}}
    inside = {"data": [EVENT], "response": {str(n): 1 for n in range(30)}}

    assert values([few, many, inside], feed) == [EVENT, many, inside]


def test_a_record_of_very_many_keys_inherits_nothing_and_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.codecs.json_text.MOST_KEYS", 20)
    many = json.dumps(EVENT | {str(n): 1 for n in range(30)}).encode()
    inherited = [Inherited("website", msgspec.Raw(b'"p1"'), ("website",))]

    (((few, found), _),) = inheriting([json.dumps(EVENT).encode(), many], [1, 2], inherited)

    unreadable = unwrap(found)
    assert json.loads(few) == EVENT | {"website": "p1"}
    assert unreadable is not None
    assert (unreadable.reason, unreadable.body) == ("too_many_values", many)

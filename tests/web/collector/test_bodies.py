"""Bodies of requests: the messages are those that `ingest` appends, and hostile bodies append nothing."""

import gzip
import json
import socket
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fastavro
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.feeds import FEEDS
from advertisex.ingestion.ingest import IngestOptions, ingest
from advertisex.model import Position, SourceLine
from advertisex.testing import memory_log
from advertisex.web.collector import bodies
from advertisex.web.collector.bodies import LARGEST_BODY
from advertisex.web.collector.messages import MOST_EVENTS
from tests.budget import examples
from tests.processing.messages import GOOD, message, reject_of
from tests.web.collector.places import AVRO, JSON, NDJSON, Place, collecting

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
    "gzip, zstd": lambda body: zstd.compress(gzip.compress(body)),
}
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.text(max_size=8), st.sampled_from(["12.50", "[X]", "-"])
)
RECORDS = st.dictionaries(st.sampled_from([*GOOD["impressions"], "cost", "other"]), VALUES).map(
    lambda changes: json.dumps(GOOD["impressions"] | changes)
)


def ingested(feed: str, body: bytes, **options: Any) -> list[bytes]:
    """The messages that `ingest` appends."""
    with memory_log() as log:
        ingest(feed, "-", log, IngestOptions(**options), stdin=BytesIO(body))
        return list(log.read(FEEDS[feed].topic, 0, 0, 1_000_000).payloads)


def parts(data: st.DataObject, whole: list[Any]) -> Iterator[list[Any]]:
    """The items in consecutive parts."""
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        yield whole[:size]
        whole = whole[size:]


def container(records: list[dict[str, Any]], codec: str) -> bytes:
    fields = [{"name": name, "type": "double" if name == "amount" else "string"} for name in GOOD["bids"]]
    file = BytesIO()
    fastavro.writer(file, {"type": "record", "name": "Bid", "fields": fields}, records, codec=codec)
    return file.getvalue()


@settings(max_examples=examples(60), deadline=None)
@given(records=st.lists(RECORDS, max_size=12), data=st.data())
def test_json_in_any_requests_is_what_ingest_appends(place: Place, records: list[str], data: st.DataObject) -> None:
    start = place.end()
    for part in parts(data, records):
        encoding = data.draw(st.sampled_from(list(COMPRESS)))
        is_array = data.draw(st.booleans())
        text = f"[{','.join(part)}]" if is_array else "\n".join(part)
        response = place.post(
            "impressions", COMPRESS[encoding](text.encode()), JSON if is_array else NDJSON, Content_Encoding=encoding
        )
        first = place.end() - len(part)
        run = {"topic": "ad_impressions", "partition": 0, "first_offset": first, "last_offset": place.end() - 1}
        assert (response.status_code, response.json()) == (202, {"messages": len(part), "positions": [run]})

    expected = ingested("impressions", "\n".join(records).encode(), format="ndjson")
    assert place.messages("ad_impressions", start) == expected


@settings(max_examples=examples(20), deadline=None)
@given(amounts=st.lists(st.floats(0, 100), min_size=1, max_size=8), data=st.data())
def test_avro_in_any_requests_is_what_ingest_appends(place: Place, amounts: list[float], data: st.DataObject) -> None:
    records = [GOOD["bids"] | {"amount": amount} for amount in amounts]
    start = len(place.messages("avro_data_topic"))
    for part in parts(data, records):
        codec, encoding = data.draw(st.sampled_from(["null", "deflate"])), data.draw(st.sampled_from(list(COMPRESS)))
        body = COMPRESS[encoding](container(part, codec))
        assert place.post("bids", body, AVRO, Content_Encoding=encoding).json()["messages"] == len(part)

    assert place.messages("avro_data_topic", start) == ingested("bids", container(records, "null"))


def test_an_invalid_event_is_a_message_with_a_position_and_an_origin(place: Place) -> None:
    body = b'[\n{"user_id": "u1"},\n3,\n{"user_id": }\n]'

    found = place.post("impressions", body).json()

    assert found["messages"] == 3
    messages = place.messages("ad_impressions", found["positions"][0]["first_offset"])
    assert messages == ingested("impressions", body, format="json")
    reasons = [reject_of("impressions", one)["reason"] for one in messages]
    assert reasons == ["missing_field", "not_an_object", "not_a_record"]
    last = Position("ad_impressions", 0, found["positions"][0]["last_offset"])
    assert place.log.origin(last) == SourceLine("POST /v1/events/impressions", 4)


def test_an_envelope_is_opened_as_ingest_opens_it(place: Place) -> None:
    rows = [message("clicks"), message("clicks", user_id="\ud800")]

    response = place.post("clicks", b'{"data": [' + b", ".join(rows) + b"]}").json()

    assert response["messages"] == 2
    assert response["warnings"] == ["lone surrogate, replaced by U+FFFD"]


def test_what_can_be_read_of_a_body_that_is_not_closed_is_appended_with_a_warning(place: Place) -> None:
    response = place.post("impressions", b"[" + message("impressions") + b",")

    assert (response.status_code, response.json()["messages"]) == (202, 1)
    assert response.json()["warnings"] == ["an array is not closed (the body:1)"]


@pytest.mark.parametrize(("body", "kind"), [(b"", NDJSON), (b"[]", JSON)])
def test_a_body_without_events_appends_nothing(place: Place, body: bytes, kind: str) -> None:
    before = place.end()

    assert place.post("clicks", body, kind).json() == {"messages": 0, "positions": []}
    assert place.end() == before


BOMB = gzip.compress(b" " * (LARGEST_BODY + 1), mtime=0)


@pytest.mark.parametrize(
    ("status", "body", "kind", "encoding", "what"),
    [
        (415, b"{}", "text/csv", "", "the Content-Type is unknown"),
        (415, b"{}", "", "", "the Content-Type is missing"),
        (415, b"{}", "application/json; charset=latin-1", "", "the charset of the Content-Type is not UTF-8"),
        (415, b"{}", JSON, "br", "the Content-Encoding is unknown"),
        (415, b"{}", JSON, "gzip, gzip, gzip, gzip", "the Content-Encoding is unknown"),
        (415, b"not compressed", JSON, "gzip", "the body is not in its Content-Encoding"),
        (415, gzip.compress(b"{}", mtime=0)[:-9], JSON, "gzip", "the compressed body is truncated"),
        (415, zstd.compress(b"{}" * 99)[:-3], JSON, "zstd", "the compressed body is truncated"),
        (415, gzip.compress(b"{}", mtime=0), JSON, "", "the body is compressed, but has no Content-Encoding"),
        (415, b"Obj\x01", JSON, "", "the content is Avro, not json"),
        (415, b"Obj\x01\x00", AVRO, "", "not a valid Avro container"),
        (415, b"{}", AVRO, "", "not a valid Avro container"),
        (415, b"[", JSON, "", "an array is not closed"),
        (413, BOMB, JSON, "gzip", "the body has more than 16,777,216 bytes"),
        (413, gzip.compress(BOMB, mtime=0), JSON, "gzip, gzip", "the body has more than 16,777,216 bytes"),
        (413, b" " * (LARGEST_BODY + 1), JSON, "", "the body has more than 16,777,216 bytes"),
        (413, b"{}" * (MOST_EVENTS + 1), JSON, "", "the body has more than 50,000 events"),
    ],
)  # fmt: skip
def test_a_hostile_body_appends_nothing(
    place: Place, status: int, body: bytes, kind: str, encoding: str, what: str
) -> None:
    before = place.end()

    response = place.post("impressions", body, kind, Content_Encoding=encoding)

    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert what in response.json()["detail"]
    assert response.json()["hint"]
    assert place.end() == before


def test_a_body_without_a_length_is_bounded_too(place: Place) -> None:
    before = place.end()

    response = place.post("impressions", (b" " * 2**20 for _ in range(LARGEST_BODY // 2**20 + 1)))

    assert response.status_code == 413
    assert place.end() == before


def test_deeply_nested_json_is_a_message_like_any_other(place: Place) -> None:
    deep = b'{"user_id": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"

    response = place.post("impressions", deep)

    assert response.status_code == 202
    start = response.json()["positions"][0]["first_offset"]
    assert place.messages("ad_impressions", start) == ingested("impressions", deep, format="json")


def test_a_body_that_does_not_arrive_is_cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_BODY_SECONDS", 0.2)
    address = urlsplit(str(place.client.base_url))
    fields = {"Host": address.netloc, "Content-Type": JSON, "Content-Length": "9"}
    lines = ["POST /v1/events/clicks HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    before = place.end()
    with socket.create_connection((address.hostname, address.port)) as slow:
        slow.settimeout(60)
        slow.sendall("\r\n".join(lines).encode() + b"{")
        received = b"".join(iter(lambda: slow.recv(65_536), b""))
    assert received.startswith(b"HTTP/1.1 408 ")
    with socket.create_connection((address.hostname, address.port)) as gone:
        gone.sendall("\r\n".join(lines).encode() + b"{")
    assert place.client.get("/healthz").is_success
    assert place.end() == before


@pytest.mark.parametrize(
    ("feed", "hint"), [("impresions", "did you mean 'impressions'?"), ("x", "use one of impressions, clicks, bids")]
)
def test_an_unknown_feed_is_an_error(place: Place, feed: str, hint: str) -> None:
    response = place.post(feed, message("clicks"))

    assert (response.status_code, response.json()["hint"]) == (404, hint)


def test_events_without_a_time_can_be_stamped(tmp_path: Path) -> None:
    openrtb = {"id": "a", "imp": [{"id": "1"}], "user": {"id": "u"}}
    nested = {"auction": {"timestamp": "2026-01-05T10:00:00Z"}, "user_id": "u"}
    untimed = message("clicks", timestamp="-").replace(b'"u1"', b'"u1", "value": 1.50')
    with collecting(tmp_path, arrival_time=True) as place:
        place.post("clicks", b"\n".join([untimed, message("clicks"), b"3", b'{"a']), NDJSON)
        place.post("bids", json.dumps([openrtb, nested]).encode())
        place.post("bids", container([GOOD["bids"]], "null"), AVRO)
        clicks, bids = place.messages("clicks_conversions"), place.messages("avro_data_topic")

    assert b'"value":1.50' in clicks[0]
    assert b'"timestamp":"20' in clicks[0]
    assert clicks[1:] == ingested("clicks", b"\n".join([message("clicks"), b"3", b'{"a']), format="ndjson")
    assert "timestamp" in json.loads(bids[0])
    assert json.loads(bids[1]) == nested
    assert bids[2:] == ingested("bids", container([GOOD["bids"]], "null"))

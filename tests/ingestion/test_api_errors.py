"""Errors that a server reports in a document with status 200."""

import json
from typing import Any

import pytest

from advertisex.errors import SourceUnavailable
from advertisex.ingestion.api.error_document import ErrorDocument, error_document
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.auth import Bearer
from tests.ingestion.conftest import connection_of

RECORD = {"user_id": "u", "timestamp": "2026-01-01T00:00:00Z", "campaign_id": "c"}

FAILURES: list[tuple[Any, str]] = [
    ({"error": "no such report"}, "no such report"),
    ({"error": {"code": 190, "message": "Invalid token"}}, "Invalid token"),
    ({"error": True, "message": "Invalid token"}, "Invalid token"),
    ({"error": 5}, "5"),
    ({"errors": ["first", "second"]}, "first (and 1 more)"),
    ({"data": None, "errors": [{"message": "Field 'x' unknown", "locations": [{"line": 1}]}]}, "Field 'x' unknown"),
    ({"data": {"clicks": None}, "errors": [{"message": "timeout"}]}, "timeout"),
    ({"status": "error", "message": "try later", "data": []}, "try later"),
    ({"status": "FAILED", "reason": "try later"}, "try later"),
    ({"code": "failure", "msg": "try later"}, "try later"),
    ({"status": 500, "error": "Internal Server Error", "timestamp": "2026", "path": "/v1"}, "Internal Server Error"),
    ({"statusCode": 401, "message": "Unauthorized"}, "Unauthorized"),
    ({"success": False, "data": []}, ""),
    ({"ok": False, "description": "bot was blocked"}, "bot was blocked"),
    ({"response": {"status": "ERROR", "error": "no permission", "error_id": "UNAUTH"}}, "no permission"),
    ({"meta": {"status": "error", "message": "quota"}, "data": []}, "quota"),
    ({"error_code": 7, "error_msg": "quota"}, "quota"),
    ({"error": "a\nb\x1b[31m\u202ec"}, "a b [31m c"),
]  # fmt: skip
OTHERS: list[Any] = [
    {"errors": [], "data": [RECORD]},
    {"errors": [], "data": []},
    {"error": None, "data": []},
    {"error": 0, "message": "ok", "data": []},
    {"error": "", "success": True, "status": "ok", "code": 200},
    {"error": {}, "data": []},
    {"status": "success", "code": "0"},
    {"data": []},
    {},
    RECORD | {"error": "timeout"},
    RECORD | {"status": "failed"},
    [{"error": "x"}],
    "error",
    {"id": "1", "status": "active"},
]
PARTIAL: list[Any] = [
    {"errors": [{"message": "one of 3 shards failed"}], "data": [RECORD]},
    {"errors": [{"message": "one of 3 shards failed"}], "data": {"report": {"rows": [RECORD]}}},
    {"status": "error", "message": "one of 3 shards failed", "creatives": [[{"a": 1}]]},
]


@pytest.mark.parametrize("levels", [10, 900, 5000])
@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_an_error_of_any_depth_is_one(levels: int, begin: bytes, end: bytes) -> None:
    deep = begin * levels + b"1" + end * levels
    for body in (b'{"error":%b}', b'{ "ok" : false, "Error_Code" : %b }', b'{"a":"error\\":[{","errors":%b}'):
        found = error_document(body % deep)
        assert found is not None
        assert not found.has_records
    for body in (
        b'{"data":[%b,{"error":1}]}',
        b'{"a":%b,"b":"error"}',
        b'{"a":{"error":%b}}',
        b'{"error":1,"data":[%b]}',
    ):
        found = error_document(body % deep)
        assert found is None or levels < 5000


@pytest.mark.parametrize(("document", "message"), FAILURES)
@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf \n"])
def test_an_error_document(document: Any, message: str, head: bytes) -> None:
    found = error_document(head + json.dumps(document).encode())
    assert found is not None
    assert (found.message, found.has_records) == (message, False)


@pytest.mark.parametrize("document", OTHERS)
def test_other_documents(document: Any) -> None:
    assert error_document(json.dumps(document, indent=1).encode()) is None


@pytest.mark.parametrize("document", PARTIAL)
def test_an_error_beside_records_is_a_warning(server, answer, ingested, document: Any) -> None:
    found = error_document(json.dumps(document).encode())
    assert found is not None
    assert found.has_records
    server.answers = [answer(json.dumps(document).encode())]
    (report,) = ingested("clicks", server.url).published.inputs.values()
    assert "the server reports an error beside the records: one of 3 shards failed" in report.warnings


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", None),
        (b"{", None),
        (b'{"error":"x"', None),
        (b'{"error":"x"}\n{"error":"x"}', None),
        (b"{" + b'"a":{' * 5_000, None),
        (b'{"error":"\xff"}', None),
        (b'{"error":' + b"9" * 10_000 + b"}", None),
        (b'{"error":"x","error":null}', None),
        (b'\xef\xbb\xbf{"error":null,"error":"x"}', ErrorDocument("x", has_records=False)),
    ],
)
def test_hostile_documents(body: bytes, found: ErrorDocument | None) -> None:
    assert error_document(body) == found


def test_the_message_is_short_and_without_secrets(server, answer) -> None:
    said = "The token ab+cd= and ab%2Bcd%3D, fetched for me, is invalid. " + "x" * 1_000
    server.answers = [answer(json.dumps({"error": said}).encode())]
    with (
        connection_of(ApiOptions(auth=Bearer("ab+cd="))) as connection,
        pytest.raises(SourceUnavailable, match=r"reports an error \(status 200\): The token") as raised,
    ):
        connection.send(Request(server.url), retry=False)
    assert "The token *** and ***, fetched" in str(raised.value)
    assert len(raised.value.what) < 260


def test_an_error_document_is_retried(server, answer, ingested) -> None:
    server.answers = [answer(b'{"error":"busy"}'), answer(b'[{"a":1}]')]
    seen = ingested("impressions", server.url, api=ApiOptions(retry_wait=0.01))
    assert seen.messages == [b'{"a":1}']

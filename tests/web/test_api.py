"""The API gives what the command line prints, and its errors are problem documents."""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from advertisex.errors import AnalysisError, StoreBusy, StoreError, StoreMissing
from advertisex.questions.definitions import QUESTIONS, WITHOUT
from advertisex.stores.contract import EventStore
from advertisex.web import guard
from advertisex.web.guard import LONGEST_URL, POLICY
from advertisex.web.site import Site
from tests.warm import program
from tests.web.conftest import Failing, client_of

#: Options of each question in a URL; the command line writes them with dashes.
ASKED: dict[str, list[tuple[str, str]]] = {
    "summary": [("by", "day")],
    "correlation": [],
    "performance": [("by", "campaign_id"), ("since", "2026-01-08"), ("zone", "Europe/Paris")],
    "pacing": [("curve", "linear")],
    "funnel": [("by", "website"), ("valid_only", "true")],
    "attribution": [("model", "first"), ("model", "last_click"), ("click_window", "7d"), ("split_journeys", "true")],
    "journeys": [("window", "7d"), ("limit", "3")],
    "reach": [("where", "website=a.example"), ("where", "placement=top")],
    "bids": [],
    "quality": [("limit", "5")],
    "events": [("of", "clicks"), ("limit", "3"), ("campaign", "cmp001")],
    "restatement": [("from", "2026-01-01"), ("campaign", "cmp001")],
}


def flags(pairs: list[tuple[str, str]]) -> list[str]:
    names = [(f"--{name.replace('_', '-')}", value) for name, value in pairs]
    return [name if value == "true" else f"{name}={value}" for name, value in names]


def printed(world: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([program(), *arguments], cwd=world, capture_output=True, check=False)


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_answer_is_that_of_the_command_line(world: Path, client: httpx.Client, name: str) -> None:
    ended = printed(world, "analyze", name, *flags(ASKED[name]), "--json")
    response = client.get(f"/api/v1/analyze/{name}", params=ASKED[name])

    if ended.returncode:
        assert response.status_code in (400, 404)
        assert f"error: {response.json()['detail']}"[:20] == ended.stderr.decode()[:20]
    else:
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
        assert response.content == ended.stdout


def test_the_questions_that_are_compared_have_an_answer(client: httpx.Client) -> None:
    without = [name for name in QUESTIONS if client.get(f"/api/v1/analyze/{name}", params=ASKED[name]).is_error]

    assert without == ["reach"]  # no event has both values


def test_a_table_is_that_of_the_command_line(world: Path, client: httpx.Client) -> None:
    options = ASKED["performance"]
    for table in ("rows", "money", "sources"):
        response = client.get(f"/api/v1/analyze/performance/tables/{table}.csv", params=options)
        ended = printed(world, "analyze", "performance", *flags(options), "--csv", "--table", table)
        assert response.content == ended.stdout
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert response.headers["content-disposition"] == f'attachment; filename="performance-{table}.csv"'


def test_the_ledger_is_that_of_the_command_line(world: Path, client: httpx.Client) -> None:
    assert client.get("/api/v1/ledger").content == printed(world, "ledger", "--json").stdout


def test_the_overview_is_that_of_the_command_line(world: Path, client: httpx.Client) -> None:
    assert client.get("/api/v1/overview").content == printed(world, "overview", "--json").stdout


def test_an_answer_that_the_client_has_is_not_sent_again(client: httpx.Client) -> None:
    first = client.get("/api/v1/ledger")
    tag = first.headers["etag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get("/api/v1/ledger", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get("/api/v1/ledger", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "detail", "hint"),
    [
        ("analyze/performance?sinc=2026", 400, "unknown parameter 'sinc'", "did you mean 'since'?"),
        ("analyze/performance?rates=/etc/passwd", 400, "unknown parameter 'rates'", "use one of by, since, until"),
        ("analyze/performance?by=day&by=week", 400, "by is given 2 times", "give it once"),
        ("analyze/performance?by=planet", 400, "by: impressions have no field 'planet'", "use one of campaign_id"),
        ("analyze/performance?since=yesterday", 400, "since: 'yesterday' is not a valid date or time", "write it as"),
        ("analyze/performance?valid_only=maybe", 400, "valid_only: 'maybe' is not a valid flag", "use true or false"),
        ("analyze/performance?where=device", 400, "where: 'device' has no '='", "write it as where FIELD=VALUE"),
        ("analyze/performance?since=2030-01-01", 404, "no events found", "widen the range"),
        ("analyze/journeys?limit=ten", 400, "limit: 'ten' is not a whole number", ""),
        ("analyze/journeys?limit=-1", 400, "limit: -1 is out of range", "use 0 to 1,000,000,000"),
        ("analyze/attribution?click_window=x", 400, "click_window: 'x' is not a valid duration", "write it as 30d"),
        ("analyze/restatement", 400, "from is missing", "Start: the numbers"),
        ("analyze/nothing", 404, "GET /api/v1/analyze/nothing: not found", ""),
        ("analyze/performance/tables/rows", 400, "unknown format of 'rows'", "use rows.csv"),
        ("analyze/performance/tables/x.csv", 400, "the performance answer has no table 'x'", "use one of"),
        ("ledger?x=1", 400, "unknown parameter 'x'", "this address takes none"),
        (
            "analyze/bids?as_of=0001-01-01T00:00:00%2B23:59",
            400,
            "as_of: '0001-01-01T00:00:00+23:59' is not a valid",
            "",
        ),
        ("analyze/bids?as_of=9999-12-31T23:59:59-23:59", 400, "as_of: '9999-12-31T23:59:59-23:59' is not", ""),
        ("analyze/bids?zone=Pacific/Apia&since=0001-01-01", 400, "since: '0001-01-01' is not a valid date", ""),
        ("analyze/bids?zone=Pacific/Apia&since=0001-01-01T01:00:00", 400, "since: '0001-01-01T01:00:00' is not", ""),
    ],
)
def test_an_error_says_what_is_wrong(client: httpx.Client, path: str, status: int, detail: str, hint: str) -> None:
    response = client.get(f"/api/v1/{path}")

    document = response.json()
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert (document["status"], document["type"]) == (status, "about:blank")
    assert document["detail"].startswith(detail)
    assert document.get("hint", "").startswith(hint)
    assert "--" not in response.text


def test_another_method_is_not_allowed(client: httpx.Client) -> None:
    response = client.post("/api/v1/ledger")

    assert (response.status_code, response.headers["allow"]) == (405, "GET")
    assert response.json()["title"] == "Method Not Allowed"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreMissing("nothing has been stored yet"), 404),
        (StoreBusy("another process has the store open"), 503),
        (StoreError("the store is damaged"), 500),
        (AnalysisError("too many keys"), 404),
    ],
)
def test_a_store_that_cannot_be_read_is_reported(site: Site, error: Any, status: int) -> None:
    with client_of(replace(site, store=Failing(error))) as client:
        answers = [client.get(path) for path in ("/api/v1/ledger", "/api/v1/analyze/summary", "/", "/summary")]
        ready, healthy = client.get("/readyz"), client.get("/healthz")

    assert [answer.status_code for answer in answers] == [status] * 4
    assert all(("retry-after" in answer.headers) == (status == 503) for answer in answers[:2])
    assert error.what in answers[0].json()["detail"]
    assert error.what[1:] in answers[3].text
    assert (ready.status_code, healthy.status_code) == (503, 200)


def test_the_server_responds_while_all_questions_wait_for_the_store(site: Site) -> None:
    released = threading.Event()

    def slow() -> AbstractContextManager[EventStore]:
        released.wait(60)
        return site.store()

    with client_of(replace(site, store=slow)) as client, ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(client.get, "/api/v1/ledger") for _ in range(8)]
        assert client.get("/healthz").status_code == 200
        assert client.get("/static/page.css").status_code == 200
        assert not any(one.done() for one in waiting)
        released.set()
        assert {one.result().status_code for one in waiting} == {200}


@pytest.mark.parametrize("path", ["/api/v1/ledger", "/"])
def test_an_internal_error_shows_nothing_of_the_program(site: Site, path: str) -> None:
    with client_of(replace(site, store=Failing(RuntimeError("the secret of line 7")))) as client:
        response = client.get(path)

    assert response.status_code == 500
    assert "internal error" in response.text
    assert "secret" not in response.text
    assert response.headers["content-security-policy"] == POLICY


# -- requests that are not handled -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "[", "127.0.0.2", "evil.example:80"])
def test_a_request_to_another_host_is_not_handled(client: httpx.Client, host: str) -> None:
    for path in ("/", "/api/v1/ledger", "/healthz", "/static/page.css"):
        response = client.get(path, headers={"Host": host})
        assert response.status_code == 421
        assert "names another host" in response.json()["detail"]


@pytest.mark.parametrize("host", ["localhost", "localhost:8470", "LOCALHOST"])
def test_a_request_to_our_host_is_handled(client: httpx.Client, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_form_of_another_site_is_not_handled(client: httpx.Client) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "http://[", "://"):
        assert client.post("/api/v1/ledger", headers={"Origin": origin}).status_code == 403
    assert client.post("/api/v1/ledger", headers={"Origin": str(client.base_url).rstrip("/")}).status_code == 405
    assert client.get("/healthz", headers={"Origin": "http://evil.example"}).status_code == 200


def test_more_requests_at_a_time_than_allowed_are_not_handled(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_REQUESTS", 0)
    with client_of(site) as client:
        response = client.get("/healthz")

    assert (response.status_code, response.headers["content-security-policy"]) == (503, POLICY)
    assert response.headers["retry-after"]


def test_a_command_in_a_hint_stays_as_it_is(site: Site) -> None:
    hint = "choose another one with --store, or run `advertisex rebuild --yes`"
    with client_of(replace(site, store=Failing(StoreError("damaged", hint=hint)))) as client:
        found = client.get("/api/v1/ledger").json()["hint"]

    assert found == "choose another one with store, or run `advertisex rebuild --yes`"


def test_a_long_url_is_not_handled(client: httpx.Client) -> None:
    path = "/api/v1/ledger"
    assert client.get(f"{path}?{'a' * (LONGEST_URL - len(path))}").status_code == 400
    assert client.get(f"{path}?{'a' * (LONGEST_URL - len(path) + 1)}").status_code == 414


@pytest.mark.parametrize("path", ["/", "/performance", "/nothing", "/api/v1/ledger", "/static/page.js", "/healthz"])
def test_every_response_has_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers

    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_the_description_of_the_api_names_every_option(client: httpx.Client) -> None:
    described = json.loads(client.get("/api/v1/openapi.json").content)
    listed = {one["name"]: one for one in described["paths"]["/api/v1/analyze/attribution"]["get"]["parameters"]}

    assert set(listed) >= {"model", "by", "split_journeys", "click_window", "since", "where", "valid_only"}
    assert listed["model"]["schema"] == {"type": "array", "items": {"type": "string"}}
    assert listed["split_journeys"]["schema"] == {"type": "boolean", "default": False}
    for name in WITHOUT:
        path = "/api/v1/overview" if name == "overview" else f"/api/v1/analyze/{name}"
        taken = {one["name"] for one in described["paths"][path]["get"]["parameters"]}
        assert "campaign" in taken
        assert not taken & WITHOUT[name]
    assert all(f"/api/v1/analyze/{name}" in described["paths"] for name in QUESTIONS)
    assert not any("functools" in str(path) or "new function" in str(path) for path in described["paths"].values())

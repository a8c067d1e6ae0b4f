"""Rejects are repaired, replayed and resolved in the dashboard and the API: previewed, confirmed, and recorded."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from advertisex.logs.open import open_log
from advertisex.settings.load import load_settings
from advertisex.stores.open import open_store
from advertisex.web.site import Site
from advertisex.web.uploads import Uploads
from tests.warm import program
from tests.web.conftest import KNOWN, bearer, client_of

EVENT = {"timestamp": "2026-01-05T09:00:00Z", "creative_id": "c1", "website": "shop.example"}
ROWS = [{"user_id": "unknown"}, {"user_id": "<b>x</b>", "timestamp": "5.1.2026 9:00"}, {"user_id": "u1"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two rejects: a placeholder, and a timestamp in a format that is not known."""
    (tmp_path / "in.ndjson").write_text("\n".join(json.dumps(EVENT | row) for row in ROWS))
    for arguments in (["ingest", "impressions", "in.ndjson"], ["process"]):
        subprocess.run([program(), *arguments], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


@pytest.fixture
def own(folder: Path) -> Site:
    settings = load_settings(None, {"data": folder / ".advertisex"})
    store, log = partial(open_store, settings.store_url), partial(open_log, settings.log_url, create=False)
    return Site(settings, partial(store, read_only=True), log, Uploads(folder), store)


@pytest.fixture
def served(own: Site) -> Iterator[httpx.Client]:
    with client_of(own) as client:
        yield client


def rejects(folder: Path, *arguments: str) -> Any:
    command = [program(), "rejects", "list", "--json", *arguments]
    return json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)["rejects"]


def token_of(client: httpx.Client) -> str:
    return client.get("/reconcile").text.partition('name="form_token" value="')[2].partition('"')[0]


def test_a_reject_is_repaired_replayed_and_stored(browser: Browser, served: httpx.Client, folder: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{served.base_url}rejects/show?id=ad_impressions/0/0")
    page.get_by_role("button", name="Repair and replay ad_impressions/0/0").click()
    assert "placeholder_user_id" in page.inner_text("main")  # as it is, it would be rejected again
    page.locator("input[name=set]").first.fill("user_id=u7")
    page.get_by_role("button", name="Apply").click()
    assert "accepted" in page.inner_text("main")
    assert '"user_id":"u7"' in page.inner_text("pre")
    assert rejects(folder, "--replayed") == []  # nothing is written yet
    page.get_by_role("button", name="Replay 1 message").click()
    assert "1 message was sent to the log again" in page.inner_text("main")
    page.close()

    assert [row["id"] for row in rejects(folder, "--replayed")] == ["ad_impressions/0/0"]
    subprocess.run([program(), "process"], cwd=folder, check=True, capture_output=True)
    shown = served.get("/api/v1/rejects/show", params={"id": "ad_impressions/0/0"}).json()["rejects"][0]
    assert shown["replay"] == "accepted"


def test_what_was_not_shown_is_not_replayed(served: httpx.Client, folder: Path) -> None:
    query = {"reason": "bad_timestamp", "time_format": "%d.%m.%Y %H:%M"}
    preview = served.get("/rejects/replay", params=query)
    assert "Replay 1 message" in preview.text
    assert "&lt;b&gt;x" in preview.text
    assert "<b>x" not in preview.text
    shown_until = preview.text.partition('name="as_of" value="')[2].partition('"')[0]
    (folder / "more.ndjson").write_text(json.dumps(EVENT | {"user_id": "u9", "timestamp": "6.1.2026 9:00"}))
    for arguments in (["ingest", "impressions", "more.ndjson"], ["process"]):
        subprocess.run([program(), *arguments], cwd=folder, check=True, capture_output=True)

    sent = served.post("/rejects/replay", data=query | {"as_of": shown_until, "form_token": token_of(served)})
    assert sent.status_code == 200
    assert "1 message was sent" in sent.text
    assert [row["id"] for row in rejects(folder, "--replayed")] == ["ad_impressions/0/1"]


def test_rejects_are_counted_and_then_resolved_with_a_note(served: httpx.Client, folder: Path) -> None:
    asked = served.get("/rejects/resolve", params={"reason": "bad_timestamp"}).text
    assert "Resolve 1 reject" in asked
    assert rejects(folder, "--resolved") == []
    counted_until = asked.partition('name="as_of" value="')[2].partition('"')[0]
    (folder / "more.ndjson").write_text(json.dumps(EVENT | {"user_id": "u9", "timestamp": "6.1.2026 9:00"}))
    for arguments in (["ingest", "impressions", "more.ndjson"], ["process"]):
        subprocess.run([program(), *arguments], cwd=folder, check=True, capture_output=True)

    fields = {"reason": "bad_timestamp", "as_of": counted_until, "note": "a test of ours"}
    done = served.post("/rejects/resolve", data=fields | {"form_token": token_of(served)})
    assert (done.status_code, done.headers["location"]) == (303, "/rejects?reason=bad_timestamp&resolved=true")
    assert "a test of ours" in served.get("/rejects/show", params={"id": "ad_impressions/0/1"}).text
    assert [row["id"] for row in rejects(folder, "--resolved")] == ["ad_impressions/0/1"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "No rejects selected"),
        ({"reason": "no_such"}, "Unknown reason"),
        ({"id": "ad_impressions/0/0", "set": "user_id"}, "has no &#39;=&#39;"),
        ({"id": "ad_impressions/0/2"}, "no reject"),
        ({"id": "ad_impressions/0/0", "encoding": "klingon"}, "klingon"),
        ({"id": "ad_impressions/0/0", "colour": "red"}, "Unknown parameter"),
    ],
)
def test_an_error_changes_nothing(served: httpx.Client, folder: Path, fields: dict[str, str], text: str) -> None:
    assert text.lower() in served.get("/rejects/replay", params=fields).text.lower()
    response = served.post("/rejects/replay", data=fields | {"form_token": token_of(served)})
    assert response.status_code in (400, 404)
    assert text.lower() in response.text.lower()
    assert rejects(folder, "--replayed") == []


@pytest.mark.parametrize("more", ["", "&replayed=true", "&replayed=false", "&resolved=true"])
def test_a_page_of_some_rejects_offers_nothing_about_others(served: httpx.Client, more: str) -> None:
    page = served.get(f"/rejects?reason=bad_timestamp{more}").text
    assert ("Resolve these rejects" in page) == (more == "")


def test_only_an_operator_changes_anything_and_is_recorded(own: Site, folder: Path) -> None:
    fields = {"id": "ad_impressions/0/0", "note": "by a token"}
    with client_of(own, tokens=KNOWN) as client:
        for visitor, status in (("nobody", 303), ("viewer", 403), ("ingest", 403)):
            for path in ("/rejects/replay", "/rejects/resolve"):
                assert client.post(path, data=fields, headers=bearer(visitor)).status_code == status
        assert "Resolve these" not in client.get("/rejects?reason=bad_timestamp", headers=bearer("viewer")).text
        assert client.post("/rejects/resolve", data=fields, headers=bearer("operator")).status_code == 303
        shown = client.get("/api/v1/rejects/show", params={"id": fields["id"]}, headers=bearer("viewer")).json()
    assert shown["rejects"][0]["resolved_by"] == "operator-1"
    assert len(rejects(folder, "--resolved")) == 1


def test_a_form_of_another_page_changes_nothing(served: httpx.Client, folder: Path) -> None:
    for path in ("/rejects/replay", "/rejects/resolve"):
        assert served.post(path, data={"id": "ad_impressions/0/0"}).status_code == 403
    assert rejects(folder, "--replayed") == rejects(folder, "--resolved") == []


# -- the API ---------------------------------------------------------------------------------------------------------

REPAIR = {"reason": "placeholder_user_id", "set": ["user_id=u7"]}


def test_a_replay_is_that_of_the_command_line(served: httpx.Client, folder: Path) -> None:
    def printed(*arguments: str) -> bytes:
        command = [program(), "rejects", "replay", "--reason", REPAIR["reason"], "--set", "user_id=u7", *arguments]
        return subprocess.run([*command, "--json"], cwd=folder, check=True, capture_output=True).stdout

    seen = served.post("/api/v1/rejects/replay", json=REPAIR | {"dry_run": True})
    assert (seen.status_code, seen.headers["content-type"]) == (200, "application/json")
    assert seen.content == printed("--dry-run")
    assert rejects(folder, "--replayed") == []
    sent = served.post("/api/v1/rejects/replay", json=REPAIR | {"as_of": seen.json()["as_of"]})
    assert sent.json()["messages"] == seen.json()["messages"] == 1
    assert [row["id"] for row in rejects(folder, "--replayed")] == ["ad_impressions/0/0"]
    forced = served.post("/api/v1/rejects/replay", json=REPAIR | {"force": True}).content
    assert forced.splitlines()[1:5] == printed("--force", "--yes").splitlines()[1:5]


def test_a_resolution_is_counted_made_and_taken_back(served: httpx.Client, folder: Path) -> None:
    path, chosen = "/api/v1/rejects/resolve", {"id": ["ad_impressions/0/0", "ad_impressions/0/1"]}
    counted = served.post(path, json=chosen | {"dry_run": True}).json()
    assert counted["rejects"] == 2
    assert rejects(folder, "--resolved") == []
    made = served.post(path, json=chosen | {"note": "ours", "as_of": counted["as_of"]}).json()
    assert (made["rejects"], made["note"], made["already"]) == (2, "ours", 0)
    assert len(rejects(folder, "--resolved")) == 2
    assert served.post(path, json={"all": True, "reopen": True}).json()["rejects"] == 2
    assert rejects(folder, "--resolved") == []


WRONG: list[tuple[Any, str]] = [
    ({}, "no rejects selected"),
    ({"all": True, "reason": "bad_timestamp"}, "all cannot be combined"),
    ({"reason": "no_such"}, "unknown reason"),
    ({"id": "ad_impressions/0/2"}, "no reject at"),
    ({"id": [["x"]]}, "id: the value is not valid"),
    ({"id": {"a": 1}}, "id: the value is not valid"),
    ({"all": None}, "all: the value is not valid"),
    ({"all": "yes"}, "all: 'yes' is not a valid flag"),
    ({"all": [True, True]}, "all is given 2 times"),
    ({"colour": "red"}, "unknown parameter 'colour'"),
    ({"all": True, "note": "x" * 1_001}, "the note has 1,001 characters"),
    (["all"], "the body is not a JSON object"),
    (7, "the body is not a JSON object"),
]


def test_an_error_of_the_api_changes_nothing(served: httpx.Client, folder: Path) -> None:
    for body, detail in WRONG:
        response = served.post("/api/v1/rejects/resolve", json=body)
        expected = (404, "RejectMissing") if detail == "no reject at" else (400, "ConfigurationError")
        assert (response.status_code, response.json()["error"]) == expected
        assert response.json()["detail"].startswith(detail)
    assert rejects(folder, "--resolved") == []


def test_a_body_that_another_site_can_send_is_not_taken(served: httpx.Client, folder: Path) -> None:
    for kind, status in (("text/plain", 403), ("application/x-www-form-urlencoded", 403), ("", 415), ("x/y", 415)):
        headers = {"Content-Type": kind} if kind else {}
        body = json.dumps({"all": True}).encode()
        assert served.post("/api/v1/rejects/resolve", content=body, headers=headers).status_code == status
    large = b'{"note": "' + b"x" * (1 << 20) + b'"}'
    sent = served.post("/api/v1/rejects/resolve", content=large, headers={"Content-Type": "application/json"})
    assert sent.status_code == 413
    assert rejects(folder, "--resolved") == []


def test_an_uploaded_report_keeps_its_time(served: httpx.Client) -> None:
    def uploaded(**query: str) -> httpx.Response:
        return served.put("/api/v1/uploads/p.csv", params=query, content=b"Date,Campaign,Impr.\n2026-01-05,c,1\n")

    made = datetime(2026, 1, 9, 8, 7, 6, 123_456, UTC)
    found = uploaded(modified=made.isoformat()).json()["upload"]
    assert found != uploaded().json()["upload"]
    answer = served.get("/api/v1/reconcile", params={"report": found}).json()
    assert answer["parameters"]["report_time"] == "2026-01-09T08:07:06.123456Z"
    for wrong in ("yesterday", "9999-01-01", "1900-01-01"):
        assert uploaded(modified=wrong).status_code == 400
    assert uploaded(changed="2026-01-01").status_code == 400

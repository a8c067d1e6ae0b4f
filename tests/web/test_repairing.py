"""Rejects are repaired, replayed and resolved in the dashboard: previewed, confirmed, and recorded."""

import json
import subprocess
from collections.abc import Iterator
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

"""A partner's report is uploaded, and compared like the command line compares it."""

import gzip
import json
import re
import socket
import subprocess
import time
import tomllib
from contextlib import ExitStack
from html import unescape
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from advertisex.web.uploads import MOST_AT_ONCE
from tests.warm import program

_ROWS = "Date;Order;Impr.;Spend\n05.01.2026;camp-1;1.000;12,50\n06.01.2026;camp-2;7;0,10\nTotal;;1.007;\n"
_OPTIONS = {
    "map": "Order=campaign_id",
    "decimal": ",",
    "thousands": ".",
    "time_format": "%d.%m.%Y",
    "set": "currency=USD",
    "report_time": "2026-02-01",
}


@pytest.fixture
def report(client: httpx.Client) -> str:
    """The id of an uploaded report."""
    response = client.put("/api/v1/uploads/partner.csv", content=_ROWS.encode())
    assert response.status_code == 201
    return str(response.json()["upload"])


def test_the_answer_is_that_of_the_command_line(world: Path, client: httpx.Client, report: str) -> None:
    (world / "partner.csv").write_text(_ROWS)
    options = [text for name, value in _OPTIONS.items() for text in (f"--{name.replace('_', '-')}", value)]
    command = [program(), "reconcile", "partner.csv", *options]
    printed = subprocess.run([*command, "--json"], cwd=world, capture_output=True, check=True).stdout
    answer = client.get("/api/v1/reconcile", params={"report": report, **_OPTIONS})
    assert answer.status_code == 200
    assert answer.json() == json.loads(printed)
    table = client.get("/api/v1/reconcile/tables/causes.csv", params={"report": report, **_OPTIONS})
    printed = subprocess.run(
        [*command, "--csv", "--table", "causes"], cwd=world, capture_output=True, check=True
    ).stdout
    assert table.content == printed


def test_the_page_shows_it_with_the_settings_to_keep(client: httpx.Client, report: str) -> None:
    page = client.get("/reconcile", params={"report": report, **_OPTIONS})
    assert page.status_code == 200
    assert "camp-2" in page.text
    (kept,) = re.findall(r'<pre class="message" tabindex="0">(.*?)</pre>', page.text, re.DOTALL)
    (partner,) = tomllib.loads(unescape(kept))["partners"]
    assert (partner["map"], partner["decimal"]) == ({"Order": "campaign_id"}, ",")
    assert "<pre" not in client.get("/performance").text


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({}, "the report has no column for campaign_id"),
        (_OPTIONS | {"zone": "localtime"}, "unknown time zone 'localtime'"),
        (_OPTIONS | {"time_format": "%Y-%m-%d"}, "partner.csv:2"),
        (_OPTIONS | {"partner": "acme"}, "decimal cannot be combined with partner"),
        ({"partner": "acme"}, "no partner is named 'acme'"),
        (_OPTIONS | {"tolerance": "200%"}, "tolerance: '200%' is not valid"),
        (_OPTIONS | {"skip": "x"}, "skip: 'x' is not a whole number"),
    ],
)
def test_an_error_says_what_is_wrong(client: httpx.Client, report: str, options: dict[str, str], detail: str) -> None:
    response = client.get("/api/v1/reconcile", params={"report": report, **options})
    assert response.status_code == 400
    document = response.json()
    assert detail in document["detail"] + document.get("where", "")
    assert "/" not in document.get("where", ""), "it shows where the server keeps the file"


def test_another_report_has_another_id_and_unknown_ones_are_errors(client: httpx.Client, report: str) -> None:
    again = client.put("/api/v1/uploads/partner.csv", content=_ROWS.encode()).json()["upload"]
    other = client.put("/api/v1/uploads/partner.csv", content=_ROWS.encode() + b"\n").json()["upload"]
    assert (again == report, other == report) == (True, False)
    for unknown in ("0" * 32, "../settings", ".", ""):
        response = client.get("/api/v1/reconcile", params={"report": unknown})
        assert response.status_code == 400
        assert "no upload has the id" in response.json()["detail"]


def test_only_the_last_uploads_are_kept_and_no_large_ones(client: httpx.Client, report: str, monkeypatch) -> None:
    for module in ("api", "uploads"):
        monkeypatch.setattr(f"advertisex.web.{module}.LARGEST_UPLOAD", 100)
    response = client.put("/api/v1/uploads/large.csv", content=b"x" * 101)
    assert (response.status_code, response.json()["detail"]) == (413, "the file has more than 100 bytes")
    monkeypatch.setattr("advertisex.web.uploads.MOST_UPLOADS", 2)
    for number in range(2):
        client.put("/api/v1/uploads/other.csv", content=str(number).encode())
    assert client.get("/api/v1/reconcile", params={"report": report}).status_code == 400


def test_the_name_of_an_upload_leads_nowhere_else(client: httpx.Client) -> None:
    for name in ("..%2F..%2Fetc%2Fpasswd", "%2e%2e", "a%00b", "%5C..%5Cx", "x" * 300):
        assert client.put(f"/api/v1/uploads/{name}", content=name.encode()).status_code in (201, 404)


def test_a_report_is_uploaded_on_the_page(browser: Browser, address: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{address}reconcile")
    page.get_by_label("Report of a partner").set_input_files(
        {"name": "partner.csv", "mimeType": "text/csv", "buffer": _ROWS.encode()}
    )
    page.get_by_role("button", name="Upload").click()
    assert "The report has no column for campaign_id" in page.inner_text("main")  # the options are in the form
    for name, value in _OPTIONS.items():
        page.locator(f"input[name={name}]").first.fill(value)
    page.get_by_role("button", name="Apply").click()
    assert "camp-2" in page.inner_text("main")
    assert "report=" in page.url
    page.close()


def test_a_form_without_a_file_or_its_token_uploads_nothing(client: httpx.Client) -> None:
    assert client.post("/upload", files={"file": ("partner.csv", _ROWS)}).status_code == 403
    token = client.get("/reconcile").text.partition('name="form_token" value="')[2].partition('"')[0]
    empty = client.post("/upload", data={"form_token": token})
    assert (empty.status_code, "No file was chosen" in empty.text) == (400, True)


def test_a_form_may_upload_a_large_report(client: httpx.Client) -> None:
    token = client.get("/reconcile").text.partition('name="form_token" value="')[2].partition('"')[0]
    rows = _ROWS + "\n".join("07.01.2026;camp-2;1;0,00" for _ in range(100_000))
    sent = client.post("/upload", data={"form_token": token}, files={"file": ("large.csv", rows)})
    assert sent.status_code == 303
    answer = client.get("/api/v1/reconcile", params={"report": sent.headers["location"].partition("=")[2], **_OPTIONS})
    assert answer.status_code == 200
    assert client.post("/login", data={"form_token": token, "token": "x" * (1 << 20)}).status_code == 413


def test_a_day_that_no_event_can_have_is_an_error(client: httpx.Client) -> None:
    rows = b"campaign_id,date,impressions\ncmp003,9999-12-31,5\n"
    report = client.put("/api/v1/uploads/far.csv", content=rows).json()["upload"]
    answer = client.get("/api/v1/reconcile", params={"report": report})
    assert answer.status_code == 400
    assert "the day 9999-12-31, which no event can have" in answer.json()["detail"]


def test_the_address_of_the_form_leads_to_its_page(client: httpx.Client) -> None:
    assert client.get("/upload").headers["location"] == "/reconcile"


def test_a_report_may_not_unpack_to_more_rows_than_are_read(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advertisex.web.reconcile.MOST_UPLOADED_ROWS", 100)
    rows = _ROWS + 100 * "06.01.2026;camp-2;7;0,10\n"
    report = client.put("/api/v1/uploads/many.csv.gz", content=gzip.compress(rows.encode())).json()["upload"]
    response = client.get("/api/v1/reconcile", params=_OPTIONS | {"report": report})

    assert response.status_code == 400
    assert response.json()["detail"] == "the report has more than 100 rows"


def test_few_files_are_received_at_the_same_time(client: httpx.Client) -> None:
    head = (
        b"PUT /api/v1/uploads/slow.csv HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    place = (client.base_url.host, client.base_url.port)
    with ExitStack() as slow:
        for _ in range(MOST_AT_ONCE):
            connection = slow.enter_context(socket.create_connection(place, timeout=60))
            connection.sendall(head)
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # its body is awaited
        response = client.put("/api/v1/uploads/more.csv", content=b"x")
    assert (response.status_code, response.json()["detail"]) == (429, "more than 4 files are being uploaded")
    assert response.headers["retry-after"]
    deadline = time.monotonic() + 60
    while client.put("/api/v1/uploads/more.csv", content=b"x").status_code != 201:
        assert time.monotonic() < deadline

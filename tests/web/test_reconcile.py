"""A partner's report is uploaded, and compared like the command line compares it."""

import json
import subprocess
from pathlib import Path

import httpx
import pytest

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


def test_the_page_shows_it(client: httpx.Client, report: str) -> None:
    page = client.get("/reconcile", params={"report": report, **_OPTIONS})
    assert page.status_code == 200
    assert "camp-2" in page.text


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({}, "the report has no column for campaign_id"),
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

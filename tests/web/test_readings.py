"""The API of the readings beside the questions gives what the command line prints, and pages show the same."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from advertisex.inspection.place import Place
from advertisex.inspection.settings import settings as understood
from advertisex.questions.definitions import QUESTIONS, WITHOUT
from advertisex.settings.load import load_settings
from advertisex.web.answers import ASKED
from advertisex.web.navigation import GROUPS, READING_PAGES
from tests.reporting.conftest import EVIL
from tests.web.test_api import flags, printed

READINGS: list[tuple[str, list[tuple[str, str]]]] = [
    ("rejects list", []),
    ("rejects list", [("kind", "rejected"), ("feed", "clicks"), ("limit", "3"), ("after", "clicks_conversions/0/2")]),
    ("rejects list", [("kind", "conflict"), ("limit", "1000")]),
    ("rejects list", [("resolved", "true")]),
    ("sources", []),
    ("alerts list", [("all", "true")]),
    ("anomalies", [("bucket", "1h"), ("limit", "3")]),
    ("erasures", []),
    ("catalogue show", [("campaign", "cmp001"), ("limit", "2"), ("after", "1")]),
    ("catalogue show", [("flights", "true")]),
    ("catalogue history", []),
    ("ledger", []),
]

#: Filters of questions, with a value.
FILTERS = {"since": "2026-01-05", "until": "2026-02-05", "campaign": "cmp001", "where": "campaign_id=cmp001",
           "zone": "Europe/Paris", "valid_only": "false"}  # fmt: skip


@pytest.mark.parametrize(("command", "options"), READINGS, ids=str)
def test_a_reading_is_that_of_the_command_line(
    world: Path, client: httpx.Client, command: str, options: list[tuple[str, str]]
) -> None:
    ended = printed(world, *command.split(), *flags(options), "--json")
    response = client.get(f"/api/v1/{command.replace(' ', '/')}", params=options)

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.content == ended.stdout
    again = {"If-None-Match": response.headers["etag"]}
    assert client.get(response.url, headers=again).status_code == 304


def test_the_checks_are_those_of_the_command_line(
    world: Path, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)  # the catalogue of the settings is there

    def steady(document: dict[str, Any]) -> dict[str, tuple[bool, str]]:
        found = {one["what"]: (one["good"], one["detail"].replace(f"{world}/", "")) for one in document["findings"]}
        return {what: said for what, said in found.items() if what not in ("clock", "disk")}

    response = client.get("/api/v1/doctor")
    assert steady(response.json()) == steady(json.loads(printed(world, "doctor", "--json").stdout))


def test_a_reject_is_that_of_the_command_line(world: Path, client: httpx.Client) -> None:
    ids = [one["id"] for one in client.get("/api/v1/rejects/list", params={"limit": 3}).json()["rejects"]]
    response = client.get("/api/v1/rejects/show", params={"id": ids})

    assert response.content == printed(world, "rejects", "show", *ids, "--json").stdout
    assert response.json()["rejects"][0]["source"]


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_an_export_is_that_of_the_command_line(world: Path, client: httpx.Client, form: str) -> None:
    response = client.get("/api/v1/rejects/export", params={"format": form, "kind": "rejected"})

    assert response.content == printed(world, "rejects", "export", "--format", form, "--kind", "rejected").stdout
    assert response.headers["content-disposition"] == f'attachment; filename="rejects.{form}"'


@pytest.mark.parametrize(("path", "name"), [("rejects/list", "rejects"), ("catalogue/show", "rows")])
def test_a_long_list_is_read_page_by_page(client: httpx.Client, path: str, name: str) -> None:
    whole = client.get(f"/api/v1/{path}", params={"limit": 100_000}).json()[name]
    parts, address = [], f"/api/v1/{path}?limit={len(whole) // 3}"
    while address:
        response = client.get(address)
        parts.append(response.json()[name])
        address = response.links.get("next", {}).get("url", "")

    assert len(parts) in (3, 4)
    assert [row for part in parts for row in part] == whole


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("rejects/list?kind=foo", "unknown kind 'foo'"),
        ("rejects/list?after=3", "'3' is not a valid reject id"),
        ("rejects/list?limit=-1", "limit: -1 is out of range"),
        ("rejects/show", "id is missing"),
        ("rejects/export?format=xml", "format: unknown format 'xml'"),
        ("anomalies?bucket=7m", "bucket: '7m' is not a valid bucket length"),
        ("catalogue/show?flights=true&creative=c", "creative does not apply to flights"),
        ("sources/tables/x.csv", "sources has no table 'x'"),
        ("sources?feed=clicks", "unknown parameter 'feed'"),
    ],
)
def test_an_invalid_option_is_an_error(client: httpx.Client, path: str, detail: str) -> None:
    response = client.get(f"/api/v1/{path}")

    assert response.status_code == 400
    assert response.json()["detail"].startswith(detail)


def test_a_reject_that_does_not_exist_is_not_found(client: httpx.Client) -> None:
    response = client.get("/api/v1/rejects/show?id=ad_impressions/0/1000000")

    assert response.status_code == 404
    assert response.json()["detail"] == "no reject at ad_impressions/0/1000000"
    assert client.get("/rejects/show?id=ad_impressions/0/1000000").status_code == 404


def test_every_table_of_a_page_has_its_csv(client: httpx.Client) -> None:
    for name in READING_PAGES:
        page = client.get(f"/{name}").text
        tables = re.findall(r'<h2 id="table-([^"]+)">', page)
        links = [unescape(link) for link in re.findall(r'<a href="([^"]+)">CSV', page)]
        assert len(links) == len(tables) == len(set(tables)) > 0
        for link in links:
            assert client.get(link).headers["content-type"] == "text/csv; charset=utf-8"


def test_the_same_number_is_the_same_on_every_page(client: httpx.Client) -> None:
    ledger = client.get("/api/v1/ledger").json()["total"]
    counts = client.get("/api/v1/rejects/list", params={"limit": 0}).json()["counts"]
    quality = client.get("/api/v1/analyze/quality").json()
    summary = client.get("/api/v1/analyze/summary").json()
    overview, first = client.get("/api/v1/overview").json(), client.get("/").text
    hours = client.get("/api/v1/ledger/history").json()["hours"]

    for kind in ("rejected", "filtered", "conflict"):
        number = ledger[kind]  # all are of the last hour
        name = "conflicts" if kind == "conflict" else kind
        assert overview[f"{name}_last_hour"] == number
        link = re.search(rf'<a href="(/[^"]+)">{number:,}</a>', first[first.index(f"{name.capitalize()} last hour") :])
        assert link is not None
        assert f"of {number:,} are listed" in client.get(f"{unescape(link[1])}&limit=0").text
        assert number > 0
        assert sum(one["count"] for one in counts if one["kind"] == kind) == number
        assert sum(one[kind] for one in quality["ledger"]) == number
        assert sum(one[kind] for one in hours) == number
        cell = rf'<a href="[^"]*(?:kind={kind}|/{kind}s)">{number:,}</a>'
        assert re.search(cell, client.get("/ledger").text)
        listed = client.get(f"/api/v1/rejects/list/tables/groups.csv?kind={kind}").text.splitlines()[1:]
        assert sum(int(line.split(",")[3]) for line in listed) == number
        assert f"of {number:,} are listed" in client.get(f"/rejects?kind={kind}&limit=0").text
    assert summary["events"] == ledger["stored"]


def test_a_link_carries_only_filters_that_the_other_page_takes(client: httpx.Client) -> None:
    names = [name for names in GROUPS.values() for name in names]
    page = client.get("/summary", params=FILTERS).text
    links = dict(re.findall(r'<li><a href="/([a-z]+)(?:\?([^"]*))?"', page))

    assert set(links) == set(names)
    links["overview"] = re.findall(r'<a href="/\?([^"]*)"', page)[0]
    for name, query in links.items():
        carried = {pair.partition("=")[0] for pair in unescape(query).split("&") if pair}
        assert carried == (set(FILTERS) - WITHOUT.get(name, set()) if name in ASKED else set())
    assert "/conflicts?feed=clicks&amp;since=2026-01-05" in client.get("/rejects?feed=clicks&since=2026-01-05").text


def test_each_question_rejects_the_filters_that_it_is_said_to_reject(client: httpx.Client) -> None:
    for name, query in (
        (name, {"from": "2026-01-01"} if name == "restatement" else {}) for name in (*QUESTIONS, "overview")
    ):
        rejected = {
            one
            for one in ("since", "until", "where")
            if client.get(f"/api/v1/{ASKED[name].path}", params=query | {one: FILTERS[one]}).status_code == 400
        }
        assert rejected == WITHOUT.get(name, frozenset()), name


def test_a_filter_on_a_field_stays_where_events_have_the_field(client: httpx.Client) -> None:
    for field in ("website=a.example", "user_id=u1", "advertiser_id=adv1", "conversion_type=purchase", "device=phone"):
        page = client.get("/funnel", params={"where": field}).text
        for name, query in re.findall(r'<li><a href="/([a-z]+)(?:\?([^"]*))?"', page):
            if name in WITHOUT or name not in QUESTIONS or name == "restatement":
                continue
            status = client.get(f"/api/v1/analyze/{name}", params={"where": field}).status_code
            assert (status != 400) == ("where" in query), (name, field)


def test_a_message_is_shown_as_it_is(client: httpx.Client) -> None:
    page = client.get("/rejects", params={"feed": "clicks", "limit": 100}).text
    ids = re.findall(r'<a href="(/rejects/show\?id=clicks[^"]+)"', page)
    shown = "".join(client.get(unescape(one)).text for one in dict.fromkeys(ids))

    assert "<script>window" not in shown
    assert "&lt;script&gt;window.ran = 3" in shown
    assert shown.count("◀ failing") >= len([text for text in EVIL if text]) - 1


def test_secrets_of_the_settings_are_hidden(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        """
store = "elasticsearch://me:hidden1@localhost"
[api.headers]
X-Custom = "hidden2"
[kafka.client]
"sasl.password" = "hidden3"
[elasticsearch]
api_key = "hidden4"
[privacy]
pseudonym_key = "hidden5-hidden5-hidden5"
[alerts]
channels = ["json://user:hidden6@localhost"]
[[sources]]
name = "shop"
feed = "clicks"
source = "https://me:hidden7@shop.example/x?token=hidden8"
""",
        encoding="utf-8",
    )
    settings = load_settings(tmp_path / "s.toml", {})
    rows = understood(Place(settings, store=NotImplemented, log=NotImplemented)).rows
    values = {name: (value, origin) for name, value, origin, _ in rows}

    assert "hidden" not in str(rows)
    assert values["store.url"][0] == "elasticsearch://***@localhost"
    assert values["api.headers"] == ("X-Custom = ***", f"{tmp_path / 's.toml'}:3")
    assert values["sources.0.name"][0] == "shop"
    assert values["sources.0.source"][0] == "***"
    assert values["log.keep_days"] == (None, None)
    assert values["batch_size"] == ("122880", None)

"""Tables are sorted by their address: by the server, and in place where there is JavaScript."""

import re
from collections.abc import Sequence
from html import unescape
from typing import Any

import httpx
import polars as pl
import pytest
from playwright.sync_api import Browser

from tests.reporting.opened_page import DRAWN, until
from tests.web.test_pages import opened


def first_column(text: str, table: str) -> list[str]:
    """The cells of the first column of a table of a page."""
    body = text[text.index(f'id="table-{table}"') :].partition("<tbody>")[2].partition("</tbody>")[0]
    return [unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"<tr>\s*<td[^>]*>(.*?)</td>", body)]


@pytest.mark.parametrize("order", ["-clicks", "clicks", "campaign_id", "-campaign_id", "-cvr"])
def test_rows_are_sorted_and_those_without_a_value_are_last(client: httpx.Client, order: str) -> None:
    rows: Sequence[dict[str, Any]] = client.get("/api/v1/analyze/performance?by=campaign_id").json()["rows"]
    column = order.removeprefix("-")
    frame = pl.DataFrame(rows, infer_schema_length=None)
    expected = frame.sort(column, descending=order.startswith("-"), nulls_last=True, maintain_order=True)
    page = client.get(f"/performance?by=campaign_id&sort=rows.{order}").text

    found = first_column(page, "rows")
    assert len(found) == frame.height > 9
    assert [one for one in found if one.startswith("cmp")] == [
        one for one in expected["campaign_id"] if one and one.startswith("cmp")
    ]


def test_rows_that_were_listed_before_they_are_sorted_are_said_to_be(client: httpx.Client) -> None:
    assert "The headings sort the listed rows." in client.get("/events?limit=3&sort=rows.-event_time").text
    assert "The headings sort" not in client.get("/performance?by=campaign_id").text


def test_a_figure_and_the_data_keep_their_order(client: httpx.Client) -> None:
    figures = re.compile(r'<script type="application/json" id="figures">(.*?)</script>', re.DOTALL)
    plain, by_clicks = (client.get(f"/performance?by=day{sort}").text for sort in ("", "&sort=rows.-clicks"))

    assert first_column(plain, "rows") == sorted(first_column(plain, "rows"))
    assert first_column(by_clicks, "rows") != first_column(plain, "rows")
    assert figures.findall(plain) == figures.findall(by_clicks) != []
    assert "sort" not in re.findall(r'href="(/api[^"]+)"', by_clicks)[0]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("performance?sort=rows.nothing", "unknown table 'rows'"),
        ("performance?by=day&sort=rows.nothing", "rows has no column 'nothing'"),
        ("performance?by=day&sort=clicks", "'clicks' is not a valid order"),
        ("performance?by=day&sort=rows.-", "'rows.-' is not a valid order"),
        ("performance?by=day&sort=rows.day&sort=rows.clicks", "'rows.clicks' is not a valid order"),
        ("ledger?sort=rows.day", "unknown table 'rows'"),
        ("campaign?campaign=cmp000&sort=day-rows.nothing", "day-rows has no column 'nothing'"),
        ("campaign?campaign=cmp000&sort=day-none.nothing", "unknown table 'day-none'"),
    ],
)
def test_an_invalid_order_is_an_error(client: httpx.Client, path: str, says: str) -> None:
    response = client.get(f"/{path}")

    assert response.status_code == 400
    assert says in unescape(response.text)


def test_a_heading_sorts_in_place_and_the_address_says_it(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}performance?by=campaign_id") as (page, found):
        until(page, DRAWN)
        page.evaluate("window.isSame = true")
        cell = "document.querySelector('#table-rows ~ * tbody td:nth-child(3)').dataset.key ?? ''"
        for sign, state in (("-", "descending"), ("", "ascending")):
            page.click("#table-rows ~ * th a:has-text('Clicks')")
            until(page, f"document.querySelector('th[aria-sort={state}]') !== null")
            assert page.url.endswith(f"performance?by=campaign_id&sort=rows.{sign}clicks#table-rows")
        assert page.evaluate(f"({cell}).length < 3")
        page.go_back()
        until(page, "document.querySelector('th[aria-sort=descending]') !== null")
        assert page.evaluate("window.isSame")
    assert found == []


def test_without_javascript_a_heading_is_a_link(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}campaign?campaign=cmp000&since=2026-01-06", java_script_enabled=False) as (page, _):
        page.click("#table-creative-rows ~ * th a:has-text('Impressions')")
        assert "since=2026-01-06" in page.url
        assert page.url.endswith("sort=creative-rows.-impressions#table-creative-rows")
        assert page.locator("th[aria-sort=descending]").count() == 1

"""The pages of the dashboard, in a real browser and without JavaScript."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize

from advertisex.questions.definitions import QUESTIONS
from advertisex.web.navigation import READING_PAGES
from tests.reporting.conftest import EVIL
from tests.reporting.opened_page import DRAWN, least_contrast, until

PAGES = [
    "",
    *(f"{name}?from=2026-01-01" if name == "restatement" else name for name in QUESTIONS),
    *READING_PAGES,
    "rejects/show?id=ad_impressions/0/27",
    "rejects?reason=placeholder_user_id",
    "rejects/replay?reason=placeholder_user_id&set=user_id%3Du1",
    "rejects/resolve?reason=placeholder_user_id",
    "reconcile",
    "campaign?campaign=cmp000",
]
SCREENS: list[tuple[Literal["light", "dark"], int]] = [("light", 1_280), ("dark", 400)]


def address_of(url: str) -> str:
    """The address of the server of a URL."""
    return urlunsplit((*urlsplit(url)[:2], "/", "", ""))


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page, with what it logs, and requests to other servers."""
    found: list[str] = []
    page = browser.new_page(**options)
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("request", lambda sent: sent.url.startswith(address_of(url)) or found.append(sent.url))
    page.goto(url)
    yield page, found
    page.close()


def barriers(page: Page) -> list[str]:
    """What axe finds: rules that the page breaks, and where."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_without_errors(browser: Browser, address: str, path: str) -> None:
    with opened(browser, address + path, viewport=ViewportSize(width=1_280, height=900)) as (page, found):
        for theme, width in SCREENS:
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size(ViewportSize(width=width, height=900))
            until(page, DRAWN)
            until(page, f"document.documentElement.scrollWidth <= {width}")
            assert least_contrast(page) >= 4.5
        assert barriers(page) == []
        assert page.evaluate("document.querySelectorAll('[aria-current=page]').length") == 1
        assert page.evaluate("window.ran") is None

    assert found == []


def test_texts_of_events_are_shown_as_they_are(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}performance?by=campaign_id") as (page, found):
        until(page, DRAWN)
        cells = page.evaluate(
            "[...document.querySelectorAll('#table-rows ~ * td:first-child')].map((c) => c.innerText)"
        )
        assert page.evaluate("window.ran") is None

    assert found == []
    assert {text for text in EVIL if text and text.isascii()} <= set(cells)


def test_a_hostile_address_is_shown_as_text(browser: Browser, address: str) -> None:
    for text in EVIL:
        with opened(browser, address) as (page, _):
            page.goto(f"{address}performance?campaign={text}" if text else address)
            assert page.evaluate("window.ran") is None


def test_without_javascript_the_tables_and_the_form_work(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}performance", java_script_enabled=False) as (page, _):
        page.fill("input[name=by]", "campaign_id")
        page.click("summary:has-text('Filters')")
        page.fill("input[name=since]", "2026-01-08")
        page.click("button:has-text('Apply')")
        assert "by=campaign_id" in page.url
        assert page.input_value("input[name=since]") == "2026-01-08"
        assert page.locator("h2", has_text="Performance by campaign id").count() == 1
        page.click("nav.pages a:has-text('Funnel')")  # the filters stay, the options of the other page do not
        assert page.url.endswith("/funnel?since=2026-01-08")
        assert page.locator("noscript").count() == 1


def test_a_page_has_the_numbers_of_the_api(client: httpx.Client) -> None:
    document = client.get("/api/v1/analyze/performance?by=campaign_id").json()
    text = unescape(client.get("/performance?by=campaign_id").text)

    for row in document["rows"][:20]:
        cells = r"\s*".join(
            rf"<td[^>]*>(?:<a [^>]*>)?{row[name]:,}(?:</a>)?</td>" for name in ("impressions", "clicks", "conversions")
        )
        assert re.search(cells, text), row


def test_a_link_to_an_answer_gives_the_same_answer(client: httpx.Client) -> None:
    page = client.get("/funnel?by=day").text
    links = {
        name: unescape(link) for link, name in re.findall(r'<a href="([^"]+)">(Link to this answer|JSON)</a>', page)
    }

    assert "as_of=2" in links["Link to this answer"]
    assert client.get(links["Link to this answer"]).status_code == 200
    assert client.get(links["JSON"]).json()["rows"] == client.get("/api/v1/analyze/funnel?by=day").json()["rows"]


def test_an_error_is_shown_beside_the_form(client: httpx.Client) -> None:
    response = client.get("/performance?by=planet&since=2026-01-08")

    assert response.status_code == 400
    assert client.get("/performance?by=planet", headers={"If-None-Match": "*"}).status_code == 400
    assert "By: impressions have no field" in unescape(response.text)
    assert 'name="since" value="2026-01-08"' in response.text
    assert "--" not in re.sub(r"<!--.*?-->", "", response.text)


def test_the_files_of_a_page_are_kept_by_the_browser(client: httpx.Client) -> None:
    page = client.get("/performance?by=campaign_id").text
    script = re.search(r'src="(/static/plotly-[^"]+)"', page)

    assert script is not None
    assert "immutable" in client.get(script[1]).headers["cache-control"]
    assert client.get("/static/page.css").headers["cache-control"] == "no-cache"
    for path in ("/static/site.css", "/static/page.js"):
        assert client.get(path).status_code == 200
    for path in ("/static/nothing", "/static/../app.py", "/static/%2e%2e/app.py"):
        assert client.get(path).status_code == 404

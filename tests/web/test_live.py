"""An open page follows the store, keeps what the reader has done with it, and says when it has lost the server."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from advertisex.cli.options import opened_store, store_for_changes
from advertisex.logs.open import open_log
from advertisex.settings.load import load_settings
from advertisex.settings.web import WebSettings
from advertisex.web.server import serving
from advertisex.web.site import Site
from advertisex.web.uploads import Uploads
from tests.reporting.opened_page import DRAWN, until
from tests.warm import program
from tests.web.test_pages import opened

#: Polls sooner than a reader's page does.
SOON = "window.setTimeout = ((real) => (act, wait, ...more) => real(act, Math.min(wait, 200), ...more))(setTimeout)"
HIDDEN = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});" + (
    "document.dispatchEvent(new Event('visibilitychange'))"
)


@pytest.fixture
def folder(world: Path, tmp_path: Path) -> Path:
    """A copy of the world that a test may change."""
    return Path(shutil.copytree(world, tmp_path / "world"))


def add_clicks(folder: Path, count: int) -> None:
    """Process further clicks of a campaign."""
    rows = [f"late-{number},2026-01-08T10:00:{number:02}Z,cmp000,click" for number in range(count)]
    (folder / "late.csv").write_text("\n".join(["user_id,timestamp,campaign_id,conversion", *rows]))
    for command in (("ingest", "clicks", "late.csv"), ("process",)):
        subprocess.run([program(), *command], cwd=folder, check=True, capture_output=True)


@contextmanager
def served(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve the world of a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        settings = load_settings(None, {"data": folder / ".advertisex"})
    site = Site(
        settings,
        partial(opened_store, settings, read_only=True),
        partial(open_log, settings.log_url, create=False),
        Uploads(folder),
        partial(store_for_changes, settings),
    )
    with serving(site, WebSettings(port=port)) as address:
        yield address


@contextmanager
def followed(browser: Browser, url: str) -> Iterator[tuple[Page, list[str]]]:
    """A page that follows its store without delay."""
    context = browser.new_context()
    context.add_init_script(SOON)
    with opened(context, url) as (page, found):  # type: ignore[arg-type] # it opens pages, too
        until(page, DRAWN)
        page.evaluate("window.isSame = true")
        yield page, found
    context.close()


def clicks_of(page: Page) -> int:
    """The clicks of the first campaign of the table."""
    return int(page.inner_text("#table-rows ~ * tbody tr:first-child td:nth-child(3)").replace(",", ""))


def test_numbers_move_while_events_arrive(browser: Browser, folder: Path) -> None:
    with (
        served(folder) as address,
        followed(browser, f"{address}performance?by=campaign_id&campaign=cmp000") as (page, found),
    ):
        before = clicks_of(page)
        page.click("summary:has-text('Definition')")
        page.select_option("figcaption select >> nth=0", index=1)
        page.focus("header .links a >> nth=1")
        add_clicks(folder, 7)
        until(page, f"document.querySelector('#table-rows ~ * tbody td:nth-child(3)').innerText == '{before + 7:,}'")
        until(page, DRAWN)

        assert page.evaluate("window.isSame")
        assert page.evaluate("document.querySelector('header details').open")
        assert page.evaluate("document.querySelector('figcaption select').selectedIndex") == 1
        assert page.evaluate("document.activeElement.innerText") == "JSON"
        assert page.inner_text("#live").startswith("Updated ")
    assert [said for said in found if "503" not in said] == []  # the store was being written


def test_a_page_as_of_a_time_and_a_paused_or_hidden_one_stay_as_they_are(browser: Browser, folder: Path) -> None:
    with (
        served(folder) as address,
        followed(browser, f"{address}performance?by=campaign_id&campaign=cmp000") as (page, found),
    ):
        before, share = clicks_of(page), page.get_attribute("header .links a", "href")
        page.click("text=Pause updates")
        add_clicks(folder, 3)
        assert is_quiet(page)
        assert clicks_of(page) == before
        page.click("text=Resume updates")
        until(page, f"document.querySelector('#table-rows ~ * tbody td:nth-child(3)').innerText == '{before + 3:,}'")
        page.evaluate(HIDDEN % "true")
        assert is_quiet(page)
        with page.expect_request("**/performance*"):
            page.evaluate(HIDDEN % "false")

        page.goto(f"{address.rstrip('/')}{share}")
        until(page, DRAWN)
        assert clicks_of(page) == before
        assert page.locator("#pause").count() == 0
        assert is_quiet(page)
    assert [said for said in found if "503" not in said] == []


def is_quiet(page: Page) -> bool:
    """Whether a page asks for nothing, in three times the time after which it would."""
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(600)
    return not asked


def test_a_page_says_that_it_has_lost_the_server(browser: Browser, folder: Path) -> None:
    with ExitStack() as stack:
        with served(folder) as address:
            page, _ = stack.enter_context(followed(browser, f"{address}ledger"))
            until(page, "document.querySelector('#live').innerText != ''")
        until(page, "!document.querySelector('#lost').hidden")
        assert "the server does not respond. Trying again." in page.inner_text("#lost")
        with served(folder, urlsplit(address).port or 0):
            until(page, "document.querySelector('#lost').hidden")
            assert page.evaluate("window.isSame")

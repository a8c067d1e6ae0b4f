"""The log-in page in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ViewportSize

from advertisex.settings.web import WebSettings
from advertisex.web.server import serving
from advertisex.web.site import Site
from tests.reporting.opened_page import least_contrast
from tests.web.conftest import KNOWN, TOKENS
from tests.web.test_pages import SCREENS, opened


@pytest.fixture(scope="module")
def guarded(site: Site) -> Iterator[str]:
    """The address of a server that needs tokens."""
    with serving(site, WebSettings.model_validate({"port": 0, "tokens": KNOWN})) as address:
        yield address


@pytest.mark.parametrize("scripts", [True, False])
def test_a_browser_logs_in_sees_the_page_that_it_asked_for_and_logs_out(
    browser: Browser, guarded: str, scripts: bool
) -> None:
    with opened(browser, f"{guarded}quality?limit=3", java_script_enabled=scripts) as (page, found):
        assert page.url == f"{guarded}login?next=%2Fquality%3Flimit%3D3"
        assert page.locator("nav").count() == 0
        page.get_by_label("Token").fill(f" {TOKENS['operator']} ")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{guarded}quality?limit=3")
        assert page.locator(".visitor").inner_text().startswith("operator-1 (operator)")
        page.click("button:has-text('Log out')")
        page.wait_for_url(f"{guarded}login")
        page.goto(guarded)
        assert page.url == f"{guarded}login?next=%2F"
    assert found == []


def test_the_page_is_readable_also_when_a_token_is_wrong(browser: Browser, guarded: str) -> None:
    with opened(browser, f"{guarded}login") as (page, found):
        for theme, width in SCREENS:
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size(ViewportSize(width=width, height=900))
            page.get_by_label("Token").fill("<script>no")
            page.click("button:has-text('Log in')")
            page.wait_for_selector("[role=alert]")
            assert "The token is wrong" in page.locator("[role=alert]").inner_text()
            assert page.evaluate(f"document.documentElement.scrollWidth <= {width}")
            assert least_contrast(page) >= 4.5
    assert [line for line in found if "401" not in line] == []  # the browser logs the status

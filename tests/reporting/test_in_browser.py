"""The page in a real browser: figures are drawn, nothing is requested, and no event text is executed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from advertisex.analysis.answer import Answer
from advertisex.reporting.page import page_of
from tests.reporting.opened_page import Opened, least_contrast, opened_page, until


@pytest.fixture
def opened(browser: Browser, answer: Answer, tmp_path: Path) -> Iterator[Opened]:
    file = tmp_path / "page.html"
    file.write_text(page_of(answer), encoding="utf-8")
    with opened_page(browser, file) as opened:
        yield opened


def test_the_page(opened: Opened) -> None:
    page = opened.page
    figures_are_drawn(page)
    event_texts_are_shown_literally_at_the_axes(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert least_contrast(page) >= 4.5  # required by WCAG 2.2
    a_click_on_a_heading_sorts(page)
    it_fits_on_paper_and_on_a_narrow_screen(page)
    page.locator(".drawn").first.hover()

    assert page.evaluate("window.ran") is None
    assert opened.console == []
    assert [url for url in opened.requested if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len([url for url in opened.requested if url.startswith("file:")]) == 1


def figures_are_drawn(page: Page) -> None:
    assert page.locator(".drawn").count() == 5
    assert page.locator(".drawn .bars .point path").count() > 12
    assert page.locator(".drawn .scatterlayer .point").count() == 14
    assert page.locator(".drawn .heatmaplayer image").count() == 1


def event_texts_are_shown_literally_at_the_axes(page: Page) -> None:
    ticks = set(page.locator(".drawn").first.locator(".xtick text").all_text_contents())
    assert {'=HYPERLINK(….example")', "2026-01-01", "17", "<script>win…3</script>", "(none)"} <= ticks
    assert page.locator(".drawn a[href], .drawn b").count() == 0


def a_click_on_a_heading_sorts(page: Page) -> None:
    """Numbers sort descending, texts ascending, missing values last."""
    table = page.locator("table").first
    for heading, row, column, cell in (
        ("clicks", "first", 2, "11"),
        ("clicks", "first", 2, "0"),
        ("ctr", "last", 3, "–"),
        ("campaign", "last", 0, "(none)"),
    ):
        table.get_by_role("button", name=heading).click()
        assert getattr(table.locator("tbody tr"), row).locator("td").nth(column).text_content() == cell
    assert page.locator("th[aria-sort]").count() == 1


def it_fits_on_paper_and_on_a_narrow_screen(page: Page) -> None:
    width = "document.querySelector('.drawn .main-svg').getAttribute('width')"
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    until(page, f"{width} === '450'")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    until(page, f"{width} !== '450'")
    page.set_viewport_size(ViewportSize(width=400, height=800))
    until(page, "document.documentElement.scrollWidth <= 400")

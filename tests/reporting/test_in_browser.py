"""The page in a real browser: figures are drawn, nothing is requested, and no event text is executed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from advertisex.analysis.answer import Answer
from advertisex.reporting.page import page_of
from tests.browser import opened_browser


@dataclass
class Opened:
    page: Page
    console: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)


@pytest.fixture
def browser() -> Iterator[Browser]:
    with opened_browser() as opened:
        yield opened


@pytest.fixture
def opened(browser: Browser, answer: Answer, tmp_path: Path) -> Iterator[Opened]:
    file = tmp_path / "page.html"
    file.write_text(page_of(answer), encoding="utf-8")
    page = browser.new_page(viewport=ViewportSize(width=1_300, height=900))
    opened = Opened(page)
    page.on("console", lambda message: opened.console.append(message.text))
    page.on("pageerror", lambda error: opened.console.append(str(error)))
    page.on("dialog", lambda dialog: (opened.console.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda requested: opened.requested.append(requested.url))
    page.goto(file.as_uri())
    until(page, "[...document.querySelectorAll('.drawn')].every((one) => one.querySelector('.main-svg'))")
    yield opened
    page.close()


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
        ("campaign id", "last", 0, "(none)"),
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


def until(page: Page, condition: str) -> None:
    """Wait for a condition. Playwright's own wait needs `eval`, which the page's security policy forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"timed out: {condition}")


def least_contrast(page: Page) -> float:
    """The lowest contrast of all texts, in HTML and figures, against the page background."""
    found = page.evaluate("""() => {
        const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        const light = (colour) => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => linear(part / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
        };
        const paper = light(getComputedStyle(document.body).backgroundColor);
        const of = (colour) => Math.max(light(colour), paper) / Math.min(light(colour), paper);
        const texts = document.querySelectorAll("h1, h2, dt, dd, td, th button, figcaption, small, footer");
        const drawn = document.querySelectorAll(".drawn .main-svg g:not(.hoverlayer) > text");
        return Math.min(
            ...[...texts].map((text) => of(getComputedStyle(text).color)),
            ...[...drawn].map((text) => of(getComputedStyle(text).fill)),
        );
    }""")
    assert isinstance(found, float | int)
    return found

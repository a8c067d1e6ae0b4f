"""A page of an answer, opened in a browser, with what it logs and requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

DRAWN = "[...document.querySelectorAll('.drawn')].every((one) => one.querySelector('.main-svg'))"


@dataclass
class Opened:
    page: Page
    console: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)


@contextmanager
def opened_page(browser: Browser, file: Path) -> Iterator[Opened]:
    """Open a page and wait until its figures are drawn."""
    page = browser.new_page(viewport=ViewportSize(width=1_280, height=900))
    opened = Opened(page)
    page.on("console", lambda message: opened.console.append(message.text))
    page.on("pageerror", lambda error: opened.console.append(str(error)))
    page.on("dialog", lambda dialog: (opened.console.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda requested: opened.requested.append(requested.url))
    page.goto(file.as_uri())
    until(page, DRAWN)
    yield opened
    page.close()


def until(page: Page, condition: str) -> None:
    """Wait for a condition. Playwright's own wait needs `eval`, which the page's security policy forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"timed out: {condition}")


def least_contrast(page: Page) -> float:
    """The lowest contrast of all texts, in HTML and figures, against what is behind them."""
    found = page.evaluate("""() => {
        const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const light = (colour) => {
            const [r, g, b] = parts(colour).map((part) => linear(part / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
        };
        const behind = (element) => {
            const { backgroundColor } = getComputedStyle(element);
            return parts(backgroundColor)[3] === 0 ? behind(element.parentElement) : backgroundColor;
        };
        const of = (colour, back) => Math.max(light(colour), light(back)) / Math.min(light(colour), light(back));
        const texts = document.querySelectorAll(
            "h1, h2, dt, dd, td, th button, figcaption, small, footer, a, summary, p, label, select"
        );
        const drawn = document.querySelectorAll(".drawn .main-svg g:not(.hoverlayer) > text");
        return Math.min(
            ...[...texts].map((text) => of(getComputedStyle(text).color, behind(text))),
            ...[...drawn].map((text) => of(getComputedStyle(text).fill, behind(text.closest(".drawn")))),
        );
    }""")
    assert isinstance(found, float | int)
    return found

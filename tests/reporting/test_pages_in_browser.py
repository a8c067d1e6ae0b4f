"""A page of each question in a real browser: wide and narrow, light and dark, with mouse, keyboard and paper."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ViewportSize

from advertisex.reporting.plotly_script import file_name
from tests.reporting.opened_page import DRAWN, Opened, least_contrast, opened_page, until

QUESTIONS = ("summary", "correlation", "funnel", "attribution", "journeys", "reach", "bids", "quality", "restatement")

#: The least number of figures to choose from, for the pages that have such a place.
CHOICES = {"attribution": 2, "restatement": 5}


@pytest.fixture(scope="module", params=QUESTIONS)
def opened(request: pytest.FixtureRequest, browser: Browser, simulated_pages: Path) -> Iterator[Opened]:
    with opened_page(browser, simulated_pages / f"{request.param}.html") as opened:
        yield opened


def test_a_page_fits_wide_and_narrow_screens_in_both_themes(opened: Opened) -> None:
    for width in (1_280, 400):
        opened.page.set_viewport_size(ViewportSize(width=width, height=900))
        until(opened.page, f"document.documentElement.scrollWidth <= {width}")
        for scheme in ("light", "dark"):
            opened.page.emulate_media(color_scheme=scheme)
            assert least_contrast(opened.page) >= 4.5  # required by WCAG 2.2
    assert opened.console == []


def test_a_legend_is_above_its_figure_at_every_width(opened: Opened) -> None:
    below = """[...document.querySelectorAll('.drawn:has(.legend)')].filter((one) =>
        one.querySelector('.legend .bg').getBoundingClientRect().bottom >
        one.querySelector('.nsewdrag').getBoundingClientRect().top + 1).length"""
    for width in (400, 1_280):
        opened.page.set_viewport_size(ViewportSize(width=width, height=900))
        until(opened.page, f"{DRAWN} && {below} === 0")


def test_it_requests_nothing_but_the_shared_script(opened: Opened, simulated_pages: Path) -> None:
    local = [url for url in opened.requested if not url.startswith(("data:", "blob:"))]

    assert local == [opened.page.url.partition("#")[0], (simulated_pages / file_name()).as_uri()]


def test_its_contents_lead_to_the_tables(opened: Opened) -> None:
    page = opened.page
    titles = page.locator("main h2").all_text_contents()
    links = page.locator("nav a")

    assert links.all_text_contents() == (titles if len(titles) > 1 else [])
    if titles[1:]:
        links.last.click()
        until(page, f"document.querySelector(location.hash).textContent === {titles[-1]!r}")
        assert page.locator("main h2").last.bounding_box()["y"] < 900  # type: ignore[index]
    assert page.locator("h1").count() == 1
    assert page.locator("caption").all_text_contents() == titles
    assert page.locator("th:not([scope=col])").count() == 0


def test_wide_tables_scroll_in_their_own_box_and_say_so(opened: Opened) -> None:
    page = opened.page
    page.set_viewport_size(ViewportSize(width=400, height=900))
    tables = page.locator(".table").all()
    wider = [table for table in tables if table.locator(".scrolled").evaluate("it => it.scrollWidth > it.clientWidth")]

    for table in tables:
        assert table.locator(".sideways").is_visible() == (table in wider)
    for table in wider[:1]:
        assert table.evaluate("it => it.classList.contains('more-right')")
        box = table.locator(".scrolled")
        box.focus()
        page.keyboard.press("ArrowRight")
        until(page, "document.querySelector('.more-left') !== null")
        box.evaluate("it => { it.scrollLeft = 0; }")


def test_paper_has_every_column(opened: Opened) -> None:
    page = opened.page
    page.set_viewport_size(ViewportSize(width=1_280, height=900))
    headings = "[...document.querySelectorAll('.scrolled')].map(box => [...new Set([...box.querySelectorAll('th')]"
    headings += ".filter(th => th.offsetWidth).map(th => th.textContent))].join())"
    before = page.evaluate(headings)

    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(headings) == before
    assert page.locator("details").get_attribute("open") is not None
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="null")
    assert page.locator("details").get_attribute("open") is None
    assert page.locator("table ~ table").count() == 0


def test_a_choice_switches_the_figure(opened: Opened) -> None:
    least = CHOICES.get(Path(opened.page.url.partition("#")[0]).stem, 0)
    figure = opened.page.locator("figure:has(select)")
    choices = figure.locator("option").all_text_contents()

    assert len(choices) >= least
    assert figure.count() == (1 if least else 0)
    shown = set()
    for choice in choices[:3]:
        figure.locator("select").select_option(label=choice)
        shown.add(str(figure.locator(".drawn").evaluate("it => JSON.stringify(it.data.map(one => one.y))")))
    assert len(shown) == min(3, len(choices))
    assert opened.console == []


def test_a_funnel_has_a_bar_for_each_step(browser: Browser, simulated_pages: Path) -> None:
    with opened_page(browser, simulated_pages / "funnel.html") as opened:
        bars = opened.page.locator(".drawn .funnellayer .point path").all()
        widths = [box["width"] for bar in bars if (box := bar.bounding_box())]

        assert len(widths) == 8
        assert widths[:4] == sorted(widths[:4], reverse=True)
        assert widths[4:] == sorted(widths[4:], reverse=True)


def test_a_page_without_its_script_has_its_tables(browser: Browser, simulated_pages: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.html").write_bytes((simulated_pages / "funnel.html").read_bytes())

    page = browser.new_page()
    page.goto((tmp_path / "alone.html").as_uri())
    until(page, "document.querySelector('.drawn') === null")

    assert page.locator("#absent").is_visible()
    assert file_name() in page.locator("#absent").inner_text()
    page.get_by_role("button", name="Count").click()
    assert page.locator("th[aria-sort]").count() == 1
    page.close()

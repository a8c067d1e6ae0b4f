"""The HTML page: self-contained, shows what the numbers are based on, and event texts are inert."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import polars as pl
import pytest

from advertisex.analysis.answer import Answer, Chart, Table
from advertisex.reporting.page import MOST_ROWS, page_of
from tests.reporting.conftest import EVIL

#: Attributes that make a browser load or link to something.
FETCHING = {"src", "href", "action", "data", "poster", "srcset", "background", "formaction"}


class Read(HTMLParser):
    """The parsed elements, attributes, scripts and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._in = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts[-1] += data
        elif data.strip():
            self.texts.append(data.strip())


@pytest.fixture
def read(answer: Answer) -> Read:
    return Read(page_of(answer))


def test_the_page_loads_nothing(read: Read) -> None:
    fetching = [found for found in read.attributes if found[1] in FETCHING]
    assert fetching == [("a", "href", f"#table-{name}") for name in ("campaigns", "days", "pairs")]
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(read.tags)


def test_the_policy_allows_exactly_the_two_scripts_by_hash(read: Read) -> None:
    policy = next(
        value for tag, name, value in read.attributes if name == "content" and value and "default-src" in value
    )

    data, plotly, ours = read.scripts
    hashes = {f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in (plotly, ours)}
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert set(rules["script-src"].split()) == hashes
    assert len(json.loads(data)) == 5
    assert "plotly.js v" in plotly
    assert "<" not in data


def test_event_texts_create_no_elements_or_handlers(read: Read) -> None:
    assert "b" not in read.tags
    assert read.tags.count("a") == 3  # the contents
    assert [name for _, name, _ in read.attributes if name.startswith("on")] == []


def test_the_page_shows_what_the_numbers_are_based_on(answer: Answer, read: Read) -> None:
    shown = " ".join(read.texts)

    for text in (
        "Definition example/1", "Since 2026-01-01 00:00:00 UTC", "Until the last event",
        f"Campaign {answer.scope.campaign}",
        "As of now", "Complete up to 2026-01-08 00:00:00 UTC",
        "Computed from 12,345 impressions, 25 rows of the clicks feed",
        "Click window 30d", "By campaign_id", "CTR 1.00 % (0.50 – 2.00)", "Value 1,234.50 EUR",
    ):  # fmt: skip
        assert text in shown
    assert "unset" not in shown


def test_every_row_is_in_the_table_with_its_sort_keys(answer: Answer, read: Read) -> None:
    for name in answer.table("campaigns")["campaign_id"].drop_nulls():
        assert " ".join(name.split()) in {" ".join(text.split()) for text in read.texts}
    keys = [value for tag, name, value in read.attributes if (tag, name) == ("td", "data-key")]
    assert {"1000", "1011", "1234.500000", "2026-01-01 00:00:00"} <= set(keys)


def test_a_long_table_is_truncated_with_a_note(answer: Answer) -> None:
    rows = pl.DataFrame({"n": range(MOST_ROWS + 5)})

    page = page_of(replace(answer, tables=[Table("numbers", "Numbers", rows)], charts=[]))

    assert page.count("<tr>") == 1 + MOST_ROWS
    assert "The first 1,000 of 1,005 rows" in page
    assert "<code>--csv --table numbers</code>" in page


def test_a_partial_table_shows_the_total_number_of_rows(answer: Answer) -> None:
    table = Table("numbers", "Numbers", pl.DataFrame({"n": [1, 2]}), of=5_172, option="--limit N")

    cut, whole = (page_of(replace(answer, tables=[t], charts=[])) for t in (table, replace(table, of=2)))

    assert "2 of 5,172 are listed; <code>--limit N</code> lists more." in cut
    assert "are listed" not in whole
    assert replace(answer, tables=[table]).to_dict()["rows_in_all"] == {"numbers": 5_172}


def test_a_missing_text_differs_from_the_text_none(answer: Answer) -> None:
    rows = pl.DataFrame({"campaign_id": ["–", "(none)", None]})

    page = page_of(replace(answer, tables=[Table("t", "T", rows)], charts=[]))

    assert "<td>–</td>" in page
    assert "<td>(none)</td>" in page
    assert "<td data-none=text>(none)</td>" in page
    assert "<i>(none)</i>: missing in the events" in page


@pytest.mark.parametrize(("length", "layout"), [(20, "beside"), (75, "wide")])
def test_tables_with_long_names_get_the_full_width(answer: Answer, length: int, layout: str) -> None:
    rows = pl.DataFrame({"one": ["x" * length], "other": ["y" * length]})

    assert f'<section class="{layout}"' in page_of(replace(answer, tables=[Table("t", "T", rows)], charts=[]))


def test_a_page_without_figures_is_small(answer: Answer) -> None:
    page = page_of(replace(answer, tables=[], charts=[], facts={"n": 1}))

    assert len(page) < 20_000
    assert re.findall(r"<dd>(.*?)</dd></div>\n</dl>\n</section>", page) == ["1"]


def test_an_empty_table_shows_none(answer: Answer) -> None:
    page = page_of(replace(answer, tables=[Table("t", "T", pl.DataFrame(schema={"a": pl.String}))], charts=[]))

    assert '<td colspan="1">none</td>' in page


def test_rendering_is_deterministic(answer: Answer) -> None:
    assert page_of(answer) == page_of(answer)


def test_notes_and_fields_of_the_scope_are_shown_as_text(answer: Answer) -> None:
    noted = replace(answer, notes=[EVIL[0], "the clocks differ"], scope=replace(answer.scope, where={"app": EVIL[1]}))
    read = Read(page_of(noted))

    assert {EVIL[0], "the clocks differ", f"app={EVIL[1]}"} <= set(read.texts)
    assert "Where" in read.texts
    assert len(read.scripts) == len(Read(page_of(answer)).scripts)
    assert "the clocks differ" in noted._repr_html_()
    assert noted.to_dict()["notes"] == [EVIL[0], "the clocks differ"]
    assert "notes" not in answer.to_dict()
    assert "Where" not in Read(page_of(answer)).texts


def test_charts_of_the_same_title_share_a_place(answer: Answer) -> None:
    rows = pl.DataFrame({"day": ["a", "b"], "n": [1, 2], "m": [2, 1], "none": [0, 0]})
    charts = [Chart("t", "bar", "day", (y,), "By day", choice=f"{y} <i>") for y in ("n", "m", "none")]

    both, one = (page_of(replace(answer, tables=[Table("t", "T", rows)], charts=some)) for some in (charts, charts[1:]))

    assert both.count("data-figure=") == one.count("data-figure=") == 1
    assert re.findall(r'<option value="(\d)">(.*?)</option>', both) == [("0", "n &lt;i&gt;"), ("1", "m &lt;i&gt;")]
    assert "<select>" not in one
    assert "<figcaption>By day, m &lt;i&gt; " in one


def test_parameters_are_folded_and_what_is_asked_is_not(answer: Answer) -> None:
    header = page_of(answer).split("<header>")[1].split("</header>")[0]
    shown, folded = header.split("<details>")

    assert "2026-01-01 00:00:00 UTC" in shown
    assert "Click window" not in shown
    assert "Click window" in folded
    assert "example/1" in folded


def test_codes_are_words_in_tables(answer: Answer) -> None:
    rows = pl.DataFrame({"reason": ["bad_amount", None], "name": ["a_b", "c"]})

    page = page_of(replace(answer, tables=[Table("t", "T", rows, codes=("reason",))], charts=[]))

    assert '<td title="bad_amount" data-key="bad_amount">bad amount</td><td>a_b</td>' in page
    assert "<td data-none=text>(none)</td>" in page


def test_a_rounded_amount_has_all_its_digits_in_a_title(answer: Answer) -> None:
    rows = pl.DataFrame({"value_EUR": pl.Series(["1.005", "2.5"]).cast(pl.Decimal(38, 12))})

    page = page_of(replace(answer, tables=[Table("t", "T", rows)], charts=[]))

    assert '<td class="number" title="1.005" data-key="1.005000000000">1.00</td>' in page
    assert '<td class="number" data-key="2.500000000000">2.50</td>' in page

"""An answer writes itself as JSON, CSV and HTML, and shows itself in a notebook with event texts inert."""

import csv
import io
import json
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from advertisex.analysis.answer import Answer, Table
from advertisex.errors import ConfigurationError
from advertisex.reporting.notebook import MOST_ROWS
from advertisex.reporting.page import page_of
from tests.reporting.conftest import EVIL

FORMATS = ["to_json", "to_csv", "to_html"]


@pytest.mark.parametrize("method", FORMATS)
@pytest.mark.parametrize("kind", [Path, str])
def test_the_file_has_the_returned_text(answer: Answer, tmp_path: Path, method: str, kind: type) -> None:
    file = tmp_path / "written"
    file.write_text("old")

    assert getattr(answer, method)(kind(file)) is None

    if method == "to_html":
        assert [path.name for path in tmp_path.glob("plotly-*.min.js")] != []
        answer.to_html(kind(file), inline=True)
    assert file.read_bytes() == getattr(answer, method)().encode()
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".js"] == ["written"]


@pytest.mark.parametrize("method", FORMATS)
@pytest.mark.parametrize("path", ["absent/file", ".", "-"])
def test_a_file_that_cannot_be_written_is_an_error_with_a_hint(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError) as caught:
        getattr(answer, method)(path)

    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_json_is_the_whole_document_with_all_digits(answer: Answer) -> None:
    document = json.loads(answer.to_json(), parse_float=Decimal)

    assert list(document) == list(answer.to_dict())
    assert document["campaigns"][0]["value_EUR"] == Decimal("1234.5")


def test_csv_is_the_main_table_or_the_named_one(answer: Answer) -> None:
    def header(text: str) -> list[str]:
        return next(csv.reader(io.StringIO(text, newline="")))

    assert header(answer.to_csv()) == answer.table("campaigns").columns
    assert header(answer.to_csv(table="pairs")) == answer.table("pairs").columns


def test_html_is_the_page(answer: Answer) -> None:
    assert answer.to_html() == page_of(answer)


@pytest.mark.parametrize("name", ["nope", "", None, 0, ["days"]])
def test_an_unknown_table_is_an_error_that_lists_the_tables(answer: Answer, name: Any) -> None:
    with pytest.raises(ConfigurationError, match="has no table") as caught:
        answer.table(name)

    assert caught.value.hint == "use one of campaigns, days, pairs"
    if name is not None:
        with pytest.raises(ConfigurationError, match="has no table"):
            answer.to_csv(table=name)


def test_an_answer_without_tables_has_no_csv(answer: Answer) -> None:
    with pytest.raises(ConfigurationError, match="has no table") as caught:
        replace(answer, tables=[]).to_csv()

    assert caught.value.hint


class Fragment(HTMLParser):
    """The parsed elements, attribute names and texts of a fragment."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.rows = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.rows += tag == "tr"

    def handle_data(self, data: str) -> None:
        self.texts.append(" ".join(data.split()))


def test_a_notebook_shows_event_texts_as_texts(answer: Answer) -> None:
    shown = Fragment(answer._repr_html_())

    assert shown.tags == {"div", "h3", "h4", "p", "small", "table", "thead", "tbody", "tr", "th", "td", "i"}
    assert shown.attributes == {"class", "style", "scope"}
    for text in EVIL:
        if text is not None:
            assert " ".join(text.split()) in shown.texts
    assert "(none)" in shown.texts


def test_a_notebook_shows_facts_and_what_they_are_based_on(answer: Answer) -> None:
    shown = Fragment(answer._repr_html_())

    facts = {"Example", "impressions", "12,345", "ctr", "1.00 % (0.50 – 2.00)", "value EUR", "1,234.50", "By day"}
    assert facts <= set(shown.texts)
    assert any("Since 2026-01-01 00:00:00 UTC · Until the last event" in text for text in shown.texts)
    assert any("Definition example/1 · As of now" in text for text in shown.texts)


def test_a_notebook_shows_the_first_rows_of_a_table(answer: Answer) -> None:
    long = Table("numbers", "Numbers", pl.DataFrame({"n": range(MOST_ROWS + 1)}), of=5_000)
    few = Table("few", "Few", pl.DataFrame({"n": range(MOST_ROWS)}))

    shown = Fragment(replace(answer, facts={}, tables=[long, few])._repr_html_())

    assert shown.rows == 2 * (1 + MOST_ROWS)
    assert [text for text in shown.texts if text.endswith((" rows.", " listed."))] == [
        "The first 20 of 21 rows.",
        "21 of 5,000 are listed.",
    ]

"""The script of the figures: beside the page, shared by the pages of a folder, and absent where nothing is drawn."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from plotly.offline import get_plotlyjs

from advertisex.analysis.answer import Answer, Chart, Table
from advertisex.errors import ConfigurationError
from advertisex.reporting.page import page_of, write_page
from advertisex.reporting.plotly_script import file_name


def test_the_pages_of_a_folder_share_the_script(answer: Answer, tmp_path: Path) -> None:
    script = tmp_path / file_name()

    assert write_page(answer, tmp_path / "one.html") == [script, tmp_path / "one.html"]
    written = script.stat()
    assert write_page(answer, tmp_path / "other.html") == [tmp_path / "other.html"]

    assert script.read_text(encoding="utf-8") == get_plotlyjs()
    assert script.stat().st_mtime_ns == written.st_mtime_ns
    assert (tmp_path / "one.html").stat().st_size < 100_000


def test_a_damaged_script_is_written_again(answer: Answer, tmp_path: Path) -> None:
    script = tmp_path / file_name()
    script.write_text("alert(1)")

    assert write_page(answer, tmp_path / "page.html")[0] == script
    assert script.read_text(encoding="utf-8") == get_plotlyjs()


def test_an_inline_page_is_one_file(answer: Answer, tmp_path: Path) -> None:
    answer.to_html(tmp_path / "page.html", inline=True)

    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page_of(answer) == answer.to_html()


@pytest.mark.parametrize("numbers", [[], [0, 0], [None, 0]])
def test_a_page_without_figures_has_no_script(answer: Answer, tmp_path: Path, numbers: list[int | None]) -> None:
    """A figure of nothing, or of zeros only, is not drawn."""
    rows = pl.DataFrame({"day": ["a", "b"][: len(numbers)], "n": numbers}, {"day": pl.String, "n": pl.Int64})
    page = replace(answer, tables=[Table("t", "T", rows)], charts=[Chart("t", "bar", "day", ("n",), "N")])

    assert write_page(page, tmp_path / "page.html") == [tmp_path / "page.html"]
    assert len(page_of(page)) < 25_000


def test_a_script_that_cannot_be_written_is_an_error(answer: Answer, tmp_path: Path) -> None:
    (tmp_path / file_name()).mkdir()

    with pytest.raises(ConfigurationError) as caught:
        write_page(answer, tmp_path / "page.html")

    assert "script" in caught.value.what
    assert not (tmp_path / "page.html").exists()

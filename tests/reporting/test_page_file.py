"""A page is written whole or not at all, and only where a file may stand."""

import os
from pathlib import Path

import pytest

from advertisex.errors import ConfigurationError
from advertisex.reporting.page_file import page_target, write_page


def test_a_page_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    target = page_target(tmp_path / "page.html")
    write_page(target, "one")
    write_page(target, "two é")

    assert target.read_text(encoding="utf-8") == "two é"
    assert os.listdir(tmp_path) == ["page.html"]  # noqa: PTH208 - names


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.html").symlink_to(tmp_path / "page.html")

    write_page(page_target(tmp_path / "link.html"), "one")

    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "page.html").read_text() == "one"


def test_the_file_may_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_page(page_target(tmp_path / "page.html"), "one")
    finally:
        os.umask(before)

    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("path", "said"),
    [("-", "not to stdout"), ("absent/page.html", "no such folder"), (".", "no file"), ("/dev/null", "no file")],
)
def test_where_no_page_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match=said):
        page_target(Path(path))


def test_what_goes_wrong_leaves_nothing_behind(tmp_path: Path) -> None:
    target = page_target(tmp_path / "page.html")
    target.mkdir()  # it came between

    with pytest.raises(ConfigurationError, match="cannot write the page"):
        write_page(target, "one")

    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]

"""Answers are written atomically, and only to regular files."""

import os
from pathlib import Path

import pytest

from advertisex.errors import ConfigurationError
from advertisex.reporting.answer_file import file_target, write_file


def test_a_page_replaces_the_previous_one(tmp_path: Path) -> None:
    target = file_target(tmp_path / "page.html")
    write_file(target, [b"one"])
    write_file(target, ["two é".encode()])

    assert target.read_text(encoding="utf-8") == "two é"
    assert os.listdir(tmp_path) == ["page.html"]  # noqa: PTH208 - names


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.html").symlink_to(tmp_path / "page.html")

    write_file(file_target(tmp_path / "link.html"), [b"one"])

    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "page.html").read_text() == "one"


def test_the_file_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(file_target(tmp_path / "page.html"), [b"one"])
    finally:
        os.umask(before)

    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("-", "not to stdout"),
        ("absent/page.html", "no such folder"),
        (".", "not a regular file"),
        ("/dev/null", "not a regular file"),
    ],
)
def test_invalid_targets_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, error: str) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match=error):
        file_target(Path(path))


def test_a_failed_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    target = file_target(tmp_path / "page.html")
    target.mkdir()  # created between the check and the write

    with pytest.raises(ConfigurationError, match="cannot write the page"):
        write_file(target, [b"one"])

    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]

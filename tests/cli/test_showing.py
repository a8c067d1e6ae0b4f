"""Tables wider than the terminal: they are split into blocks, each with the key columns."""

import polars as pl
import pytest

from advertisex.analysis.answer import Table
from advertisex.cli.analyze.showing import print_rows
from advertisex.cli.output import out


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "width", 80)


def blocks(printed: str) -> list[list[str]]:
    """Return the lines of each block below its title: the header, then the rows."""
    return [block.splitlines()[1:] for block in printed.strip().split("\n\n")]


def test_each_block_repeats_the_key_columns(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = {f"impressions_before_{n}": [n, n, n] for n in range(6)}
    rows = pl.DataFrame({"campaign_id": ["a", "a", "b"], "currency": ["EUR", "USD", None], **numbers})

    print_rows(Table("t", "Value", rows))

    found = blocks(capsys.readouterr().out)
    assert len(found) == 3
    for heading, *lines in found:
        assert heading.split()[:2] == ["campaign_id", "currency"]
        assert [line.split()[:2] for line in lines] == [["a", "EUR"], ["a", "USD"], ["b", "(none)"]]


def test_names_wider_than_the_terminal_are_shortened_in_the_middle(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{'long-' * 30}{n}" for n in range(3)]
    numbers = {f"number_of_something_{n}": range(3) for n in range(4)}

    print_rows(Table("t", "Overlap", pl.DataFrame({"one": names, "other": names[::-1], **numbers})))

    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    for _, *lines in blocks(printed):
        assert len(lines) == 3
        assert len({line.split()[0] for line in lines}) == 3
        assert [line.split()[0][-2:] for line in lines] == ["-0", "-1", "-2"]
        assert [line.split()[1][-2:] for line in lines] == ["-2", "-1", "-0"]


def test_a_table_that_fits_is_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(Table("t", "T", pl.DataFrame({"n": [1], "name": ["x" * 60]})))

    assert blocks(capsys.readouterr().out) == [["n  name" + " " * 56, "1  " + "x" * 60]]

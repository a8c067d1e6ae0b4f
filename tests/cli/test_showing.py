"""Tables wider than the terminal: they are split into blocks, each with the key columns."""

from decimal import Decimal

import polars as pl
import pytest

from advertisex.analysis.answer import Answer, Table
from advertisex.analysis.scope import Scope
from advertisex.cli.analyze.counts import print_summary
from advertisex.cli.analyze.showing import print_answer, print_rows
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


def test_notes_follow_the_facts(capsys: pytest.CaptureFixture[str]) -> None:
    note = "2 creatives unknown to the catalogue; run `advertisex catalogue import FILE`. [bold]\x1b"
    facts = {"value": {"EUR": Decimal("0.000000000001"), "USD": Decimal("1.50")}}
    table = Table("t", "Rows", pl.DataFrame({"n": [1]}))

    print_answer(Answer("q", "q/1", Scope(), {}, {}, facts=facts, tables=[table], notes=[note]))

    lines = capsys.readouterr().out.splitlines()
    assert lines.index(note.replace("\x1b", "␛")) < lines.index("Rows")
    assert [line.split() for line in lines if line.startswith("value ")] == [
        ["value", "EUR", "0.000000000001"], ["value", "USD", "1.50"],
    ]  # fmt: skip


def test_a_summary_shows_gross_value_only_beside_refunds(capsys: pytest.CaptureFixture[str]) -> None:
    counts = dict.fromkeys(("impressions", "clicks", "conversions", "bids"), 0)
    facts = {"counts": counts, "users": 1, "campaigns": 1, "first_event": None, "last_event": None}
    net, gross = {"EUR": Decimal("35.10")}, {"EUR": Decimal("50.10")}

    print_summary(Answer("summary", "summary/3", Scope(), {}, {}, facts=facts | {"value": gross, "gross_value": gross}))
    assert "gross" not in capsys.readouterr().out
    print_summary(Answer("summary", "summary/3", Scope(), {}, {}, facts=facts | {"value": net, "gross_value": gross}))
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["value", "EUR", "35.10"] in printed
    assert ["gross", "value", "EUR", "50.10"] in printed

"""Answers and the ledger in a terminal: what does not fit beside each other is printed in several parts."""

from decimal import Decimal

import polars as pl
import pytest

from advertisex.analysis.answer import Answer, Table
from advertisex.analysis.scope import Scope
from advertisex.cli.analyze.counts import print_summary
from advertisex.cli.analyze.showing import print_answer, print_rows
from advertisex.cli.ledger_table import print_ledger
from advertisex.model import COUNT_NAMES, Counts, LedgerRow


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def blocks(printed: str) -> list[list[str]]:
    """Return the lines of each block below its title: the header, then the rows."""
    return [block.splitlines()[1:] for block in printed.strip().split("\n\n")]


def test_each_block_repeats_the_key_columns(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = {f"impressions_before_{n}": [n, n, n] for n in range(6)}
    rows = pl.DataFrame({"campaign_id": ["a", "a", "b"], "currency": ["EUR", "USD", None], **numbers})

    print_rows(Table("t", "Value", rows))

    found = blocks(capsys.readouterr().out)
    assert len(found) == 2
    assert all(block[0].startswith("campaign_") for block in found)
    for block in found:
        assert [line.split()[:2] for line in block[-3:]] == [["a", "EUR"], ["a", "USD"], ["b", "(none)"]]


def test_names_wider_than_half_of_the_terminal_have_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{'long-' * 30}{n}" for n in range(3)]
    numbers = {f"number_of_something_{n}": range(3) for n in range(4)}

    print_rows(Table("t", "Overlap", pl.DataFrame({"one": names, "other": names[::-1], **numbers})))

    (lines,) = blocks(capsys.readouterr().out)
    keys = [name for pair in zip(names, names[::-1], strict=True) for name in pair]
    assert [line.strip() for line in lines if len(line) > 80] == keys
    assert [line.split() for line in lines if line.startswith("    ")][-3:] == [[str(n)] * 4 for n in range(3)]


def test_a_table_that_fits_is_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(Table("t", "T", pl.DataFrame({"n": [1], "name": ["x" * 60]})))

    assert blocks(capsys.readouterr().out) == [["n  name", "1  " + "x" * 60]]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_number_of_a_ledger_is_shown_whole(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    counts = Counts(**dict.fromkeys(COUNT_NAMES, 1_234_567_890))
    print_ledger([LedgerRow("clicks_conversions", 3, 9, counts)])

    printed = capsys.readouterr().out
    tables = printed.partition("It does not balance")[0].partition("Removed by retention")[0]
    assert max(map(len, tables.splitlines())) <= width
    shown = {word for block in blocks(tables) for line in block[:2] for word in line.split()} & set(COUNT_NAMES)
    assert shown == {name for name in COUNT_NAMES if name not in ("removed", "removed_rejects", "lost")}
    assert tables.count("1,234,567,890") == 2 * len(shown)


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

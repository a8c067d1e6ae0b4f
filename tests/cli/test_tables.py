"""Tables of any shape: they fit the width, and numbers, ids and the words of headings are never cut or broken."""

import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.cli.tables import print_table
from tests.budget import examples

WORD = st.text("abcXYZ019", min_size=1, max_size=9)
KINDS = st.sampled_from(["number", "whole", "prose", ""])


@dataclass(frozen=True)
class Drawn:
    names: list[str]
    kinds: list[str]
    rows: list[list[str]]

    def of(self, kind: str) -> list[str]:
        return [name for name, its in zip(self.names, self.kinds, strict=True) if its == kind]


@st.composite
def tables(draw: st.DrawFn) -> Drawn:
    kinds = ["whole", *draw(st.lists(KINDS, min_size=1, max_size=6))]
    names = ["_".join([f"c{n}", *draw(st.lists(WORD, max_size=3))]) for n in range(len(kinds))]
    cell = {
        "number": st.integers(0, 10**15).map(str),
        "whole": WORD,
        "prose": st.lists(WORD, min_size=1, max_size=30).map(" ".join),
        "": st.lists(WORD, min_size=1, max_size=8).map(" ".join),
    }
    rows = draw(st.lists(st.tuples(*(cell[kind] for kind in kinds)).map(list), min_size=1, max_size=4))
    return Drawn(names, kinds, rows)


def printed(drawn: Drawn, width: int) -> list[str]:
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(text):
        patch.setenv("COLUMNS", str(width))
        numbers, whole, prose = map(drawn.of, ("number", "whole", "prose"))
        print_table("Title", drawn.names, drawn.rows, numbers=numbers, whole=whole, prose=prose)
    return text.getvalue().splitlines()


@settings(max_examples=examples(60))
@given(drawn=tables(), width=st.sampled_from([40, 60, 80, 120]))
def test_everything_fits_and_nothing_is_lost(drawn: Drawn, width: int) -> None:
    lines = printed(drawn, width)

    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
    words = [word for line in lines for word in line.split()]
    named = [name for name, kind in zip(drawn.names, drawn.kinds, strict=True) if kind != "prose"]
    assert all(any(part in word for word in words) for name in named for part in name.split("_"))
    assert {word for row in drawn.rows for cell in row for word in cell.split()} <= set(words)


def test_an_id_that_is_wider_than_the_terminal_is_one_line() -> None:
    long = "https://shop.example/" + "a" * 100
    lines = printed(Drawn(["id", "count"], ["whole", "number"], [[long, "1"], ["b", "23"]]), 60)

    assert [re.sub(" +", " ", line) for line in lines] == ["Title", "id", " count", long, " 1", "b", " 23"]


def test_headings_are_broken_between_words_and_aligned_with_their_cells() -> None:
    drawn = Drawn(["id", "rows_of_clicks", "n"], ["whole", "number", "number"], [["a" * 17, "1", "1234567"]])

    assert printed(drawn, 40) == [
        "Title",
        "                   rows_of_",
        "id                   clicks        n",
        "aaaaaaaaaaaaaaaaa         1  1234567",
    ]

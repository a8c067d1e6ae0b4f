"""What is packed is the same when it is unpacked, and nothing else is taken for it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.reporting.packed import Unreadable, pack, unpack


class Place(NamedTuple):
    name: str
    number: int


class Note(msgspec.Struct, frozen=True):
    text: str
    inner: "Note | None" = None


@dataclass(frozen=True)
class Found:
    value: Any
    places: dict[Place, int] = field(default_factory=dict)
    note: Note | None = None
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)


class Other(NamedTuple):
    name: str


NAIVE = st.datetimes().map(lambda time: time.replace(fold=0))  # a time in UTC is never ambiguous
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.dates(), NAIVE,
    st.decimals(allow_nan=False), st.timedeltas(),
)  # fmt: skip
KEYS = st.one_of(st.text(), st.integers(), st.tuples(st.text(), st.dates()))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.frozensets(st.text(), max_size=3),
        st.dictionaries(KEYS, inner, max_size=3),
        st.builds(Counter, st.dictionaries(st.text(), st.integers(0, 9), max_size=3)),
    ),
    max_leaves=8,
)


@given(VALUES)
def test_every_value_keeps_its_type(value: Any) -> None:
    found = unpack(pack(Found(value)), Found).value
    assert repr(found) == repr(value)  # 1, 1.0 and Decimal(1) are equal; the order of a mapping counts


def test_objects_and_frames_are_the_same() -> None:
    rows = pl.DataFrame(
        {"at": [datetime(2026, 1, 1)], "sum": [Decimal("1.20")], "day": [date(2026, 1, 1)], "n": [None]}
    )
    given = Found([timedelta(days=1)], {Place("a", 1): 2}, Note("x", Note("<b>")), rows)
    found = unpack(pack([given]), list[Found])[0]
    assert (found.value, found.places, found.note) == (given.value, given.places, given.note)
    assert isinstance(next(iter(found.places)), Place)
    assert found.rows.equals(rows)
    assert found.rows.schema == rows.schema


def test_other_bytes_are_an_error() -> None:
    content = pack(Found("text"))
    altered = [content[:end] for end in range(len(content))]
    altered += [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(len(content))]
    for wrong in (*altered, content + b"x", b"<html>", pack("text"), pack([1])):
        with pytest.raises(Unreadable):
            unpack(wrong, Found)


def test_only_classes_that_the_type_names_are_made() -> None:
    for value in (Other("a"), [Other("a")], Found(Other("a"))):
        with pytest.raises(Unreadable):
            unpack(pack(value), Found)
    with pytest.raises(TypeError, match="cannot be packed"):
        pack(object())

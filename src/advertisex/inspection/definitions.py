"""The definitions of the numbers: what each counts, and its formula."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from advertisex.analysis.answer import Table
from advertisex.inspection.place import Place
from advertisex.inspection.reading import Reading
from advertisex.reporting.labels import label

_FILE = Path(__file__).with_name("metrics.toml")
#: A link in Markdown, and text in code style.
_LINK, _CODE = re.compile(r"\[([^\]]*)\]\([^)]*\)"), re.compile(r"`([^`]*)`")


@dataclass(frozen=True, slots=True)
class Defined:
    """A table of definitions, in Markdown.

    Attributes:
        question: what has these numbers: a question, or the ledger.
        part: which part of it; empty for the main one.
        columns: the headings; the first column has the names.
        rows: the texts.
    """

    question: str
    part: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def name(self) -> str:
        """Its name: the question, and the part."""
        return f"{self.question} {self.part}".strip()

    def plain(self) -> list[list[str]]:
        """The rows without Markdown, each with the names in words after the names."""
        return [[_plain(row[0]), _in_words(row[0]), *map(_plain, row[1:])] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Definitions(Reading):
    """All definitions."""

    defined: Sequence[Defined]

    def document(self) -> Mapping[str, Any]:
        """What the API gives."""
        return {
            "definitions": [
                {"of": one.name, **dict(zip(_columns(one), row, strict=True))}
                for one in self.defined
                for row in one.plain()
            ]
        }

    def tables(self) -> list[Table]:
        """One table for each question, or part of one."""
        return [
            Table(
                one.name.replace(" ", "_"),
                label(one.name),
                pl.DataFrame(one.plain(), schema=dict.fromkeys(_columns(one), pl.String), orient="row"),
                keys=(one.columns[0],),
                prose=tuple(one.columns[1:]),
            )
            for one in self.defined
        ]

    def notes(self) -> list[str]:
        """What all numbers have in common."""
        return [
            "Counts and distinct users are counted, never estimated; amounts are exact decimals, summed by currency.",
            "Ratios are divided last. Their 95 % intervals are Wilson's score intervals.",
            "Each answer names the version of its definition, which changes when a number changes its meaning.",
        ]


@cache
def all_definitions() -> Sequence[Defined]:
    """Every table of definitions."""
    tables = tomllib.loads(_FILE.read_text(encoding="utf-8"))["tables"]
    return [Defined(one["question"], one.get("part", ""), one["columns"], one["rows"]) for one in tables]


def definitions(place: Place) -> Definitions:
    """What each number counts, and its formula."""
    return Definitions(all_definitions())


def _columns(one: Defined) -> list[str]:
    return [one.columns[0], "in_words", *one.columns[1:]]


def _plain(text: str) -> str:
    return _CODE.sub(r"\1", _LINK.sub(r"\1", text))


def _in_words(text: str) -> str:
    names = _CODE.findall(text)
    return ", ".join(map(label, names)) if names else label(_plain(text))

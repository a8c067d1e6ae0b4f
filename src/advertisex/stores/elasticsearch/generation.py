"""The names of the indices, and which generation of them is the store.

    ad_impressions_index-g1-2026-11   impressions of November 2026, by event time
    ad_impressions_index              alias of all of them: what to search
    clicks_conversions_index          alias, likewise
    avro_data_index                   alias, likewise
    advertisex-rejects-g1             rejected and filtered messages and conflicts, whole
    advertisex-ledger-g1              one document per partition
    advertisex-commits-g1             ledger history, one document per commit except the last of each partition
    advertisex-notes-g1               small documents about the events, such as alert states
    advertisex-catalogue-g1           one document per import of the catalogue
    advertisex-rejects, …             aliases of these

A rebuild makes the indices of the next generation. They have no aliases until they take the place of the others. The
ledger's alias decides which generation is the store. Stores of format 1 had neither generations nor these aliases.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import polars as pl

from advertisex.errors import StoreError
from advertisex.feeds import FEEDS
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.mappings import DTYPES
from advertisex.stores.elasticsearch.times import parse_time
from advertisex.stores.elasticsearch.verify import gone

#: The aliases of events by feed (the names are those of the case study), and of everything else.
ALIASES = {
    "impressions": "ad_impressions_index",
    "clicks": "clicks_conversions_index",
    "bids": "avro_data_index",
    "rejects": "advertisex-rejects",
    "commits": "advertisex-commits",
    "notes": "advertisex-notes",
    "catalogue": "advertisex-catalogue",
    "ledger": "advertisex-ledger",
}
#: The ledger is the last to be created: a store exists if its ledger does.
INTERNAL = tuple(what for what in ALIASES if what not in FEEDS)
#: The indices of format 1, besides those of events. Its templates have the names of these and of the event aliases.
FORMAT_1 = {what: f"advertisex_{what}" for what in ("rejects", "commits", "notes", "ledger")}

_GENERATION = re.compile(r"-g([0-9]+)$")
_PERIOD = r"-[0-9]{4,}-[0-9]{2}(?:-[0-9]{2})?"


@dataclass(frozen=True, slots=True)
class Names:
    """The names that one store object uses.

    Attributes:
        prefix: prefix of all names.
        generation: number of the generation.
        by_alias: whether to search by alias, as readers do: they see a rebuilt store at once. A writer names the
            indices of its generation.
    """

    prefix: str
    generation: int
    by_alias: bool = False

    def alias(self, what: str) -> str:
        """The alias of a feed's events, or of an internal index."""
        return self.prefix + ALIASES[what]

    def template(self, what: str) -> str:
        """The name of an index template, and of an internal index."""
        return f"{self.alias(what)}-g{self.generation}"

    def search(self, what: str) -> str:
        """What to search for a feed's events, or for the documents of an internal index."""
        if self.by_alias:
            return self.alias(what)
        return self.template(what) + ("-*" if what in FEEDS else "")

    def events(self, feed: str, period: str) -> str:
        """The index of a feed's events of a period."""
        return f"{self.template(feed)}-{period}"


@dataclass(frozen=True, slots=True)
class Found:
    """A store that exists.

    Attributes:
        generation: number of its generation; 0 for format 1.
        format: its format.
        rebuilt_at: when it was rebuilt; None if never.
        own: own fields of each feed, with their dtypes.
    """

    generation: int
    format: int
    rebuilt_at: datetime | None
    own: Mapping[str, Mapping[str, pl.DataType]]


def find(connection: Connection, prefix: str) -> Found | None:
    """The store with this prefix, or None."""
    names = [prefix + ALIASES["ledger"], prefix + FORMAT_1["ledger"]]
    found = ledgers(connection, names)
    return max(found, key=lambda one: one.generation, default=None)


def ledgers(connection: Connection, names: list[str]) -> list[Found]:
    """The stores whose ledger has one of these names; a name without an index is skipped."""
    path = f"/{','.join(map(quote, names))}/_mapping?ignore_unavailable=true"
    answer = connection.request("GET", path, accept={404})
    if answer.status >= 300:
        return []
    return [_found(name, index["mappings"]) for name, index in answer.json().items()]


def _found(name: str, mapping: Mapping[str, Any]) -> Found:
    meta = mapping.get("_meta", {})
    number = _GENERATION.search(name)
    rebuilt_at = meta.get("rebuilt_at")
    columns = mapping.get("properties", {}).get("columns", {}).get("properties", {})
    own = {
        feed: {name: DTYPES[kind["type"]] for name, kind in fields["properties"].items() if kind["type"] in DTYPES}
        for feed, fields in columns.items()
    }
    return Found(
        int(number[1]) if number else 0, meta.get("format", 1), parse_time(rebuilt_at) if rebuilt_at else None, own
    )


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of a store whose ledger was deleted, or has lost its alias.

    Attributes:
        generation: number of its generation.
        ledger: name of its ledger's index.
        is_deleted: whether that index was deleted.
        alias: the alias that it had.
    """

    generation: int
    ledger: str
    is_deleted: bool
    alias: str

    def error(self, where: str) -> StoreError:
        """The exception for it."""
        if self.is_deleted:
            return gone(self.ledger, where)
        return StoreError(
            f"index {self.ledger} has lost its alias {self.alias}",
            where=where,
            hint=f"add it again: PUT /{self.ledger}/_alias/{self.alias}; or run `advertisex rebuild`",
        )


def remains(connection: Connection, prefix: str) -> Remains | None:
    """What is left of a store with this prefix that `find` does not find, or None.

    Internal indices without documents are left by a first start that was interrupted.
    """
    aliases = aliased(connection, prefix)
    found = {number: names for number, names in _by_generation(prefix, aliases).items() if number}
    if not found:
        return None
    number = max((n for n, names in found.items() if any(aliases[name] for name in names)), default=max(found))
    names = Names(prefix, number)
    ledger, internal = names.template("ledger"), {names.template(what) for what in INTERNAL}
    if ledger not in found[number] and internal >= set(found[number]) and not _holds(connection, found[number]):
        return None
    return Remains(number, ledger, ledger not in found[number], names.alias("ledger"))


def _holds(connection: Connection, names: Iterable[str]) -> bool:
    """Whether any of these indices has a document."""
    path = f"/{','.join(map(quote, names))}"
    connection.request("POST", f"{path}/_refresh")
    return bool(connection.request("POST", f"{path}/_count").json()["count"])


def generations(connection: Connection, prefix: str) -> dict[int, list[str]]:
    """All indices of all generations; those of format 1 have generation 0."""
    return _by_generation(prefix, aliased(connection, prefix))


def aliased(connection: Connection, prefix: str) -> dict[str, list[str]]:
    """All indices with one of our names before a suffix, with those of their aliases that are ours."""
    patterns = ",".join(quote(f"{prefix}{alias}*") for alias in (*ALIASES.values(), *FORMAT_1.values()))
    answer = connection.request("GET", f"/{patterns}/_alias?expand_wildcards=all").json()
    ours = {prefix + alias for alias in ALIASES.values()}
    return {name: sorted(ours.intersection(index["aliases"])) for name, index in answer.items()}


def _by_generation(prefix: str, names: Iterable[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    current = re.compile(rf"(?:{'|'.join(ALIASES.values())})-g([0-9]+)(?:{_PERIOD})?")
    first = re.compile(rf"(?:{'|'.join(ALIASES[feed] for feed in FEEDS)}){_PERIOD}|{'|'.join(FORMAT_1.values())}")
    for name in sorted(names):
        rest = name.removeprefix(prefix)
        if match := current.fullmatch(rest):
            found.setdefault(int(match[1]), []).append(name)
        elif first.fullmatch(rest):
            found.setdefault(0, []).append(name)
    return found

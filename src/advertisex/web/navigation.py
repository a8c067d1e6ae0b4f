"""The pages: their names, their groups, and the filters that stay when another page is opened."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from advertisex.catalogue.join import TAKEN
from advertisex.feeds import FEEDS, Feed
from advertisex.questions.definitions import SELECTED, WITHOUT
from advertisex.questions.option import Parameter, parameters_of
from advertisex.questions.selection import Selection
from advertisex.settings.feeds import configured_feeds
from advertisex.web.answers import ASKED
from advertisex.web.readings import READINGS, REJECTS, Endpoint
from advertisex.web.site import Site


@dataclass(frozen=True, slots=True)
class Part:
    """A reading on a page.

    Attributes:
        endpoint: the reading.
        fixed: the values of options that the page does not offer.
        without: names of further options that it does not offer.
    """

    endpoint: Endpoint
    fixed: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()

    @property
    def parameters(self) -> list[Parameter]:
        """The options that the page offers."""
        left_out = {*self.fixed, *self.without}
        return [one for one in self.endpoint.parameters if one.public_name not in left_out]

    def query(self, given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The options of this part among those of the page."""
        names = {one.public_name for one in self.parameters}
        return [*(pair for pair in given if pair[0] in names), *self.fixed.items()]


def _parts(*paths: str, **fixed: str) -> list[Part]:
    return [Part(READINGS[path], fixed) for path in paths]


#: The pages of readings: of what they consist.
READING_PAGES: dict[str, list[Part]] = {
    "rejects": [Part(REJECTS)],
    "conflicts": [Part(REJECTS, {"kind": "conflict"})],
    "ledger": _parts("ledger", "ledger/history"),
    "sources": _parts("sources"),
    "alerts": _parts("alerts/list", all="true"),
    "anomalies": _parts("anomalies"),
    "erasures": _parts("erasures"),
    "catalogue": [
        *_parts("catalogue/unknown"),
        Part(READINGS["catalogue/show"], without=frozenset({"flights"})),
        Part(READINGS["catalogue/show"], {"flights": "true"}, frozenset({"creative", "limit", "after"})),
        *_parts("catalogue/history"),
    ],
    "doctor": _parts("doctor"),
    "settings": _parts("settings"),
    "definitions": _parts("definitions"),
}

#: The question of the first page.
OVERVIEW = "overview"

_REFERENCE = ("catalogue", "settings", "definitions")

#: The pages beside the overview, by group.
GROUPS: dict[str, Sequence[str]] = {
    "Questions": [name for name in ASKED if name != OVERVIEW],
    "Operations": [name for name in READING_PAGES if name not in _REFERENCE],
    "Reference": _REFERENCE,
}


def parameters_of_parts(parts: Iterable[Part]) -> list[Parameter]:
    """The options of all parts of a page, each once."""
    return list({one.public_name: one for part in parts for one in part.parameters}.values())


def filters_of(name: str) -> list[Parameter]:
    """The filters that a page takes."""
    if name in READING_PAGES:
        return [one for one in parameters_of_parts(READING_PAGES[name]) if one.option.is_filter]
    return [one for one in parameters_of(Selection) if one.public_name not in WITHOUT.get(name, ())]


def links_from(site: Site, current: str, given: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What the templates show of the pages: the overview, and the others by group, as (name, address, title).

    A filter stays if the other page has the same one: `since` of a question is a time of events, and that of the
    rejects one of their ingestion. `where` stays if the events of the other page have its field.
    """
    fields = {name: frozenset(_fields_of(feed)) for name, feed in configured_feeds(site.settings).items()}
    kept = {one.public_name: one.option for one in filters_of(current)}

    def link(name: str, title: str) -> tuple[str, str, str]:
        same = {one.public_name for one in filters_of(name) if kept.get(one.public_name) == one.option}
        query = urlencode([
            (option, text)
            for option, text in given
            if option in same and text and (option != "where" or _has_field(name, text, fields))
        ])  # fmt: skip
        page = "" if name == OVERVIEW else name
        return name, f"/{page}?{query}" if query else f"/{page}", title

    groups = {group: [link(name, name.capitalize()) for name in names] for group, names in GROUPS.items()}
    return {"overview": link(OVERVIEW, "Overview"), "groups": groups}


def _fields_of(feed: Feed) -> Sequence[str]:
    """The fields that the events of a feed have, with those that the catalogue gives them."""
    return [*feed.columns, *(TAKEN if "creative_id" in feed.columns else ())]


def _has_field(name: str, where: str, fields: Mapping[str, frozenset[str]]) -> bool:
    """Whether a question takes a filter on a field: all of its feeds have it, or clicks alone, see `check_scope`."""
    feeds = SELECTED.get(name, tuple(FEEDS))
    having = [feed for feed in feeds if where.partition("=")[0] in fields[feed]]
    return len(having) == len(feeds) or having == ["clicks"]

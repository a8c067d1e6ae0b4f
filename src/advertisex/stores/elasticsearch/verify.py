"""Compare an index, as the cluster returns it, with what AdvertiseX creates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from advertisex.errors import IndexGone

_RESTORE = "restore it from a snapshot, or run `advertisex rebuild` to make a new store from the log"
#: What can be done about an index that was changed.
UNDO = "undo that change, restore the index from a snapshot, or run `advertisex rebuild`"
_PIPELINES = ("default_pipeline", "final_pipeline")
#: Values of settings `index.mapping.*` that change nothing; limits on fields make a write fail, which is reported.
_HARMLESS = {"coerce": "true", "ignore_malformed": "false", "source.mode": "stored"}
#: The least values of settings that the searches need, which are their defaults.
_LEAST = {"max_result_window": 10_000, "max_terms_count": 65_536}
#: Blocks that stop the writes or the answers of the store. Elasticsearch sets the last one when a disk is full.
BLOCKS = ("read_only", "metadata", "read", "write", "read_only_allow_delete")


@dataclass(frozen=True, slots=True)
class Expected:
    """What an index must be.

    Attributes:
        mapping: the types of its fields; it may have more.
        id: its id in the list of indices; None for an internal index.
        alias: its alias; None for a generation that is not the store.
    """

    mapping: Mapping[str, Any]
    id: str | None = None
    alias: str | None = None


def gone(name: str, where: str) -> IndexGone:
    """The exception for an index that was deleted."""
    return IndexGone(f"index {name} was deleted", where=where, hint=_RESTORE)


def replaced(name: str, where: str) -> IndexGone:
    """The exception for an index that was deleted and created again by someone else."""
    what = f"index {name} was deleted and created again by another tool, so its events are missing"
    return IndexGone(what, where=where, hint=f"delete it and {_RESTORE}")


def id_of(index: Mapping[str, Any]) -> str | None:
    """The id in the mapping of an index of events; None if AdvertiseX did not create it."""
    found = index.get("mappings", {}).get("_meta", {}).get("id")
    return found if isinstance(found, str) else None


def is_closed(index: Mapping[str, Any]) -> bool:
    """Whether an index is closed."""
    return str(_settings(index).get("verified_before_close")) == "true"


def blocks(index: Mapping[str, Any]) -> list[str]:
    """The blocks on an index."""
    found = _settings(index).get("blocks", {})
    return [block for block in BLOCKS if str(found.get(block)) == "true"]


def flaws(index: Mapping[str, Any], expected: Expected) -> Iterator[str]:
    """Why documents that are written to an index could be changed, dropped, or not be found, each as a clause."""
    settings, mapping = _settings(index), index.get("mappings", {})
    for pipeline in _PIPELINES:
        if settings.get(pipeline, "_none") != "_none":
            yield f"its setting index.{pipeline} is {settings[pipeline]}"
    if settings.get("mode", "standard") != "standard":
        yield f"its setting index.mode is {settings['mode']}"
    for name, value in _leaves(settings.get("mapping", {})):
        if not name.endswith("limit") and _HARMLESS.get(name) != value:
            yield f"its setting index.mapping.{name} is {value}"
    for name, least in _LEAST.items():
        if int(settings.get(name, least)) < least:
            yield f"its setting index.{name} is {settings[name]}, but must be at least {least}"
    if mapping.get("_source", {}) not in ({}, {"enabled": True}):
        yield "it does not keep documents whole (_source)"
    if mapping.get("_routing", {}).get("required"):
        yield "its documents need a routing value"
    if mapping.get("dynamic") != "strict":
        yield f"its mapping is not strict (dynamic: {mapping.get('dynamic', 'true')})"
    if mapping.get("runtime"):
        yield f"it has the runtime field {next(iter(mapping['runtime']))}"
    yield from _wrong_fields(mapping.get("properties", {}), expected.mapping)
    yield from _wrong_alias(index.get("aliases", {}), expected.alias)


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings by their dotted names."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, str(value).lower()


def _wrong_fields(found: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    for name, field in expected.items():
        if name not in found:
            yield f"it has no field {name}"
        elif found[name] != field:
            has, needs = found[name].get("type", "object"), field["type"]
            yield (
                f"its field {name} is {has} instead of {needs}"
                if has != needs
                else (f"its field {name} has other options: {found[name]}")
            )


def _wrong_alias(aliases: Mapping[str, Mapping[str, Any]], alias: str | None) -> Iterator[str]:
    if alias is None:
        return
    if alias not in aliases:
        yield f"it does not have the alias {alias}"
    elif hidden := aliases[alias].keys() & {"filter", "index_routing", "search_routing"}:
        yield f"its alias {alias} has a {min(hidden)}"


def _settings(index: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = index.get("settings", {}).get("index", {})
    return found

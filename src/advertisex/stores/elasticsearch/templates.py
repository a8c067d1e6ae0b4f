"""The index templates of one generation of the store.

Each index is created with its whole mapping. The template sets its shards and replicas, and forbids that a write to
an index that was deleted creates it again. That holds only while no template of another tool takes precedence.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec

from advertisex.errors import StoreError
from advertisex.stores.elasticsearch.client import Connection

#: Above that of format 1, whose patterns match these indices, too.
PRIORITY = 600
_WHAT = "set up the event store"
_QUERY = "filter_path=" + ",".join(
    f"index_templates.{field}"
    for field in (
        "name",
        "index_template.index_patterns",
        "index_template.priority",
        "index_template.allow_auto_create",
    )
)


class _Body(msgspec.Struct):
    index_patterns: list[str] = []
    priority: int = 0
    allow_auto_create: bool | None = None


class _Template(msgspec.Struct):
    name: str
    index_template: _Body


class _Answer(msgspec.Struct):
    index_templates: list[_Template] = []


def put_template(
    connection: Connection, name: str, pattern: str, settings: Mapping[str, Any], mapping: Mapping[str, Any]
) -> None:
    """Create or update an index template."""
    body = {
        "index_patterns": [pattern],
        "priority": PRIORITY,
        "allow_auto_create": False,
        "_meta": {"managed_by": "advertisex"},
        "template": {"settings": settings, "mappings": {"dynamic": "strict", "properties": mapping}},
    }
    connection.request("PUT", f"/_index_template/{quote(name)}", body, what=_WHAT)


def foreign_template(connection: Connection, names: Iterable[str]) -> tuple[str, str] | None:
    """A template of another tool that takes precedence for one of these indices: its name, and the index.

    Raises:
        StoreError: the templates cannot be read.
    """
    found = _templates(connection)
    for name in names:
        matching = [one for one in found if any(fnmatchcase(name, p) for p in one.index_template.index_patterns)]
        first = max(matching, key=lambda one: one.index_template.priority, default=None)
        if first is not None and first.index_template.priority > PRIORITY:
            return first.name, name
    return None


def takes_precedence(template: str, index: str) -> str:
    """What is wrong with a template of `foreign_template`, as a clause."""
    return f"index template {template} matches {index} and has a higher priority than that of AdvertiseX"


#: What can be done about it.
TEMPLATE_HINT = f"lower its priority to less than {PRIORITY}, narrow its index_patterns, or set elasticsearch.prefix"


def check_templates(connection: Connection, names: Iterable[str]) -> None:
    """Check that no template of another tool takes precedence.

    Raises:
        StoreError: one does; the message names it.
    """
    if found := foreign_template(connection, names):
        raise StoreError(takes_precedence(*found), where=str(connection.address), hint=TEMPLATE_HINT)


def missing_templates(connection: Connection, names: Iterable[str]) -> list[str]:
    """Those of our templates that do not exist, or that do not forbid automatic creation."""
    ours = {one.name for one in _templates(connection) if one.index_template.allow_auto_create is False}
    return [name for name in names if name not in ours]


def _templates(connection: Connection) -> list[_Template]:
    answer = connection.request("GET", f"/_index_template?{_QUERY}", what=_WHAT, accept={HTTPStatus.NOT_FOUND})
    return [] if answer.status >= HTTPStatus.MULTIPLE_CHOICES else _decoded(answer.data)


def _decoded(data: bytes) -> list[_Template]:
    return msgspec.json.decode(data, type=_Answer).index_templates

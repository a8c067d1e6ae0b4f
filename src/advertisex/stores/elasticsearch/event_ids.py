"""Which documents are events: those whose id is that of one. Others are another tool's."""

import re
from typing import Protocol
from urllib.parse import quote

from advertisex.errors import StoreError
from advertisex.stores.elasticsearch.client import Connection

_EVENT_ID = re.compile("[0-9a-f]{32}")


class _Identified(Protocol):
    """A hit."""

    id: str
    index: str


def is_event_id(text: str) -> bool:
    """Whether a document id is that of an event; those that Elasticsearch makes are not."""
    return _EVENT_ID.fullmatch(text) is not None


def event_id(connection: Connection, hit: _Identified) -> bytes:
    """The id of an event.

    Raises:
        StoreError: another tool created the document.
    """
    if not is_event_id(hit.id):
        raise foreign_document(connection, hit)
    return bytes.fromhex(hit.id)


def foreign_document(connection: Connection, hit: _Identified) -> StoreError:
    """The exception for a document that another tool created."""
    what = f"document {hit.id} in index {hit.index} is not an event: another tool created it"
    return StoreError(what, where=str(connection.address), hint=delete_hint(hit.index, hit.id))


def delete_hint(index: str, document: str) -> str:
    """How to delete a document."""
    return f"delete it: DELETE /{index}/_doc/{quote(document, safe='')}"

"""A store of format 1 in Elasticsearch, as versions made it before stores had a format."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.client import Connection
from tests.contracts.store_places import Place

ALIAS = "clicks_conversions_index"
_POSITION = {"topic": {"type": "keyword"}, "partition": {"type": "integer"}, "offset": {"type": "long"}}
_LEDGER = _POSITION | {
    "next_offset": {"type": "long"},
    "read": {"type": "long"},
    "log": {"type": "keyword"},
    "replayed": {"type": "long"},
}
_MAPPINGS: dict[str, dict[str, Any]] = {
    "advertisex_ledger": _LEDGER,
    "advertisex_commits": _LEDGER,
    "advertisex_rejects": _POSITION | {"replayed_to": {"type": "keyword"}},
    "advertisex_notes": {"kind": {"type": "keyword"}, "key": {"type": "keyword"}, "document": {"type": "binary"}},
}
_EVENT: dict[str, Any] = _POSITION | {"user_id": {"type": "keyword"}, "event_time": {"type": "date_nanos"}}


def create(
    place: Place,
    ledger: Mapping[str, tuple[int, str]],
    notes: Mapping[tuple[str, str], bytes],
    marks: Mapping[tuple[str, int], str],
) -> None:
    """Create a store of format 1 with one event.

    Args:
        place: its URL, and the prefix of its indices.
        ledger: by topic, the messages read (all of partition 0, from offset 0) and the identity of the log.
        notes: documents by kind and key.
        marks: position of the replay, by topic and offset of the reject.
    """
    connection, prefix = Connection(address_of(place.url), ElasticsearchSettings()), place.elasticsearch.prefix

    def write(index: str, number: int, document: object) -> None:
        connection.request("PUT", f"/{prefix}{index}/_doc/{number}", document)

    for name, mapping in (*_MAPPINGS.items(), (ALIAS, _EVENT)):
        is_events = name == ALIAS
        template = {
            "mappings": {"dynamic": "strict", "properties": mapping},
            "aliases": {prefix + name: {}} if is_events else {},
        }
        pattern = prefix + name + ("-*" if is_events else "")
        body = {"index_patterns": [pattern], "priority": 500, "template": template}
        connection.request("PUT", f"/_index_template/{prefix}{name}", body)
        connection.request("PUT", f"/{prefix}{name}" + ("-2026-01" if is_events else ""))
    event = {"topic": "clicks_conversions", "partition": 0, "offset": 0, "user_id": "old"}
    write(f"{ALIAS}-2026-01", 0, event)
    for number, (topic, (read, log)) in enumerate(ledger.items()):
        row = {"topic": topic, "partition": 0, "next_offset": read, "read": read, "log": log, "replayed": 0}
        write("advertisex_ledger", number, row)
    write("advertisex_ledger", len(ledger), {"topic": "not yet read", "partition": 1, "next_offset": None})
    for number, ((kind, key), document) in enumerate(notes.items()):
        write("advertisex_notes", number, {"kind": kind, "key": key, "document": b64encode(document).decode()})
    for number, ((topic, offset), replay) in enumerate(marks.items()):
        write("advertisex_rejects", number, {"topic": topic, "partition": 0, "offset": offset, "replayed_to": replay})
    connection.close()

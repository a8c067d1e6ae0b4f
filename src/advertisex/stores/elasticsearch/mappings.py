"""The mappings of the indices.

Mappings are strict: an unknown field is an error. Identifiers are plain keywords; Elasticsearch rejects one that is
longer than Lucene's limit, which is also the rule of the feeds (`MAX_TEXT`). Other text is stored at any length, but
is searchable by value only up to 8,191 characters. Times are `date_nanos`, which cover 1970 to 2262; an event outside
that range is rejected, too. An amount is a double for other tools; its exact text is in the object `exact`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from advertisex.feeds import Feed
from advertisex.feeds.feed import AMOUNT
from advertisex.feeds.rules import MAX_TEXT
from advertisex.model import COUNT_NAMES

#: What fits into 64 bits of nanoseconds since 1970, to the microsecond.
_FIRST_TIME = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC
_LAST_TIME = datetime(2262, 4, 11, 23, 47, 16, 854_775)  # noqa: DTZ001 - naive UTC

#: Fields state what to ignore, so that a setting of their index (`index.mapping.*`) does not make Elasticsearch skip a
#: value. It forgets a statement of its default: this is longer than any text that it accepts, and not the default.
_NOTHING = 1_000_000_000
_ID: dict[str, Any] = {"type": "keyword", "ignore_above": _NOTHING}
#: 8,191 characters of 4 bytes fit into a Lucene term; longer text is stored, but not indexed.
_TEXT: dict[str, Any] = {"type": "keyword", "ignore_above": 8191}
_TIME: dict[str, Any] = {"type": "date_nanos"}
_COUNT: dict[str, Any] = {"type": "long", "ignore_malformed": False}
_PARTITION: dict[str, Any] = {"type": "integer", "ignore_malformed": False}
_SLICE: dict[str, Any] = {"type": "short", "ignore_malformed": False}
_UNREAD: dict[str, Any] = {"type": "object", "enabled": False}
_TYPES: dict[pl.DataType, dict[str, Any]] = {
    pl.String(): _TEXT,
    pl.Int64(): _COUNT,
    AMOUNT: {"type": "double", "ignore_malformed": False},
    pl.Boolean(): {"type": "boolean", "ignore_malformed": False},
    pl.Datetime("us"): _TIME,
}
#: The dtype of an own field, by the type of its mapping.
DTYPES: dict[str, pl.DataType] = {kind["type"]: dtype for dtype, kind in _TYPES.items()}

_PROVENANCE: dict[str, Any] = {
    "topic": _ID,
    "partition": _PARTITION,
    "offset": _COUNT,
    "ingested_at": _TIME,
    "processed_at": _TIME,
}
_NUMBERS = dict.fromkeys(COUNT_NAMES, _COUNT)
_OF: dict[str, Any] = {"topic": _ID, "partition": _PARTITION}
#: The mapping of each internal index.
MAPPINGS: dict[str, dict[str, Any]] = {
    "rejects": {
        **_PROVENANCE,
        "feed": _ID,
        "kind": _ID,
        "stage": _ID,
        "reason": _ID,
        "detail": _TEXT,
        "payload": {"type": "binary"},
        "bytes": _COUNT,
        "replayed_to": _ID,
        "resolution": _ID,
    },
    "commits": {
        **_OF,
        "feed": _ID,
        "start": _COUNT,
        "end": _COUNT,
        "committed_at": _TIME,
        **_NUMBERS,
        "change": {"type": "keyword", "index": False, "doc_values": False},
    },
    "notes": {"kind": _ID, "key": _ID, "document": {"type": "binary"}},
    "catalogue": {"imported_at": _TIME, "rows": _UNREAD, "campaigns": _UNREAD},
    "ledger": {
        **_OF,
        "next_offset": _COUNT,
        **_NUMBERS,
        "log": _ID,
        "append_id": {"type": "keyword", "index": False, "doc_values": False},
        "commit": {"type": "keyword", "index": False, "doc_values": False},
        "committed_at": _TIME,
        "last": _UNREAD,
        "erasures": _COUNT,
        "kept_since": {"type": "keyword", "index": False, "doc_values": False},
        "kept_from": _COUNT,
    },
}


def event_mapping(feed: Feed) -> dict[str, Any]:
    """The mapping of a feed's events."""
    ids = {f.column for f in feed.fields if f.is_id}
    own = {name: _ID if name in ids else _TYPES[dtype] for name, dtype in feed.columns.items()}
    return own | {"exact": _UNREAD, "user_slice": _SLICE} | _PROVENANCE


def unstorable(documents: pl.DataFrame, mapping: Mapping[str, Any]) -> frozenset[int]:
    """The rows of a frame that Elasticsearch cannot store under a mapping: a long id, or a time out of range."""
    checks = [pl.lit(value=False)]
    for name, dtype in documents.schema.items():
        if mapping.get(name) == _ID:
            checks.append(pl.col(name).str.len_bytes() > int(MAX_TEXT))
        elif mapping.get(name) == _TIME and dtype == pl.Datetime:
            checks.append(~pl.col(name).is_between(_FIRST_TIME, _LAST_TIME))
    is_unstorable = pl.any_horizontal(checks).fill_null(value=False)
    rows = documents.with_row_index("unstorable row").filter(is_unstorable)["unstorable row"]
    return frozenset(rows.to_list())


def own_fields(feed: str, own: Mapping[str, pl.DataType]) -> dict[str, Any]:
    """The addition to the ledger's mapping that records own fields of a feed.

    No document has them. Elasticsearch merges additions of several workers, and rejects a change of type.
    """
    fields = {name: {"type": _TYPES[dtype]["type"]} for name, dtype in own.items()}
    return {"columns": {"properties": {feed: {"properties": fields}}}}


def own_mapping(own: Mapping[str, pl.DataType]) -> dict[str, Any]:
    """The mapping of own fields in the events of a feed."""
    return {name: _TYPES[dtype] for name, dtype in own.items()}

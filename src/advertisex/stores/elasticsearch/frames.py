"""Documents of Elasticsearch as frames with the dtypes of the store contract."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import polars as pl

from advertisex.feeds.feed import AMOUNT
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.event_ids import event_id
from advertisex.stores.elasticsearch.search import search_all
from advertisex.stores.elasticsearch.times import TIME_FORMAT

_PYTHON: dict[pl.DataType, Any] = {
    pl.String(): str | None,
    pl.Int64(): int | None,
    pl.Int32(): int | None,
    pl.Int16(): int | None,
    pl.Boolean(): bool | None,
    AMOUNT: str | None,
    pl.Datetime("us"): str | None,
    pl.Binary(): str | None,
}


def frames(
    connection: Connection, index: str, columns: Mapping[str, pl.DataType], query: Mapping[str, Any] | None
) -> Iterator[pl.DataFrame]:
    """The documents of an index that match a query, as frames with these columns; `event_id` is the document id."""
    for page in search_all(connection, index, [{"_shard_doc": "asc"}], query=query):
        ids = [event_id(connection, hit) for hit in page]
        yield frame_of([hit.source for hit in page], columns, ids)


@cache
def _decoder(columns: tuple[tuple[str, pl.DataType], ...]) -> Callable[[msgspec.Raw], Any]:
    """A decoder of these fields of a document, which skips the others; the exact text of amounts is in `exact`."""
    fields: dict[bool, list[tuple[str, Any, Any]]] = {False: [], True: []}
    names: dict[str, str] = {}
    for i, (name, dtype) in enumerate(columns):
        fields[dtype == AMOUNT].append((f"c{i}", _PYTHON[dtype], None))
        names[f"c{i}"] = name
    exact = msgspec.defstruct("Exact", fields[True], rename=names, gc=False)
    fields[False].append(("exact", exact, msgspec.field(default_factory=exact)))
    return msgspec.json.Decoder(msgspec.defstruct("Row", fields[False], rename=names, gc=False)).decode


def frame_of(
    sources: Sequence[msgspec.Raw], columns: Mapping[str, pl.DataType], ids: Sequence[bytes] = ()
) -> pl.DataFrame:
    """Documents as a frame with these columns; `ids` are the values of `event_id`."""
    own = [(name, dtype) for name, dtype in columns.items() if name != "event_id"]
    decode = _decoder(tuple(own))
    rows = [decode(source) for source in sources]
    exact = [row.exact for row in rows] if AMOUNT in columns.values() else []
    series = {
        name: _series(name, [getattr(row, f"c{i}") for row in (exact if dtype == AMOUNT else rows)], dtype)
        for i, (name, dtype) in enumerate(own)
    }
    if "event_id" in columns:
        series["event_id"] = pl.Series("event_id", ids, dtype=pl.Binary)
    return pl.DataFrame([series[name] for name in columns])


def _series(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    if dtype == pl.Datetime:
        return pl.Series(name, values, dtype=pl.String).str.to_datetime(TIME_FORMAT, time_unit="us")
    if dtype == pl.Binary:
        return pl.Series(name, [None if v is None else b64decode(v) for v in values], dtype=pl.Binary)
    if dtype == AMOUNT:
        return pl.Series(name, values, dtype=pl.String).cast(AMOUNT)
    return pl.Series(name, values, dtype=dtype)

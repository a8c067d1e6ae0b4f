"""Convert documents of Elasticsearch to frames with the dtypes of the store contract."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import polars as pl

from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.search import Hit, search_all

_PYTHON: dict[pl.DataType, Any] = {
    pl.String(): str | None,
    pl.Int64(): int | None,
    pl.Int32(): int | None,
    pl.Float64(): float | None,
    pl.Datetime("us"): str | None,
    pl.Binary(): str | None,
}


def frames(
    connection: Connection, alias: str, columns: Mapping[str, pl.DataType], query: Mapping[str, Any] | None
) -> Iterator[pl.DataFrame]:
    """The documents of an alias that match a query, as frames with these columns; `event_id` is the document id."""
    for page in search_all(connection, alias, [{"_shard_doc": "asc"}], query=query):
        yield frame_of(page, columns)


@cache
def _decoder(columns: tuple[tuple[str, pl.DataType], ...]) -> Callable[[msgspec.Raw], Any]:
    """A decoder of these fields of a document, which skips the others."""
    fields = [(f"c{i}", _PYTHON[dtype], None) for i, (_, dtype) in enumerate(columns)]
    names = {f"c{i}": name for i, (name, _) in enumerate(columns)}
    return msgspec.json.Decoder(msgspec.defstruct("Row", fields, rename=names, gc=False)).decode


def frame_of(hits: Sequence[Hit], columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Documents as a frame with these columns."""
    own = {name: dtype for name, dtype in columns.items() if name != "event_id"}
    decode = _decoder(tuple(own.items()))
    rows = [decode(hit.source) for hit in hits]
    made = {
        name: _series(name, [getattr(one, f"c{i}") for one in rows], dtype)
        for i, (name, dtype) in enumerate(own.items())
    }
    if "event_id" in columns:
        made["event_id"] = pl.Series("event_id", [bytes.fromhex(hit.id) for hit in hits], dtype=pl.Binary)
    return pl.DataFrame([made[name] for name in columns])


def _series(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    if dtype == pl.Datetime:
        return pl.Series(name, values, dtype=pl.String).str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ", time_unit="us")
    if dtype == pl.Binary:
        return pl.Series(name, [None if v is None else b64decode(v) for v in values], dtype=pl.Binary)
    return pl.Series(name, values, dtype=dtype)

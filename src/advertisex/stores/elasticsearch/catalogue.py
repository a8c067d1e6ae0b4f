"""The catalogue in Elasticsearch: one document for each import, written at once.

Its rows are an object that Elasticsearch keeps but does not index: one list of values for each column.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
import polars as pl

from advertisex.model import CATALOGUE_COLUMNS
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.conditions import all_of, stored_by
from advertisex.stores.elasticsearch.documents import write_document
from advertisex.stores.elasticsearch.search import Hit, search_all
from advertisex.stores.elasticsearch.times import TIME_FORMAT, iso, parse_time

_TEXTS = {name: pl.String() for name in CATALOGUE_COLUMNS}


class _Import(msgspec.Struct):
    imported_at: str
    rows: dict[str, list[str | None]] = {}


class Catalogue:
    """The imports of the catalogue.

    Args:
        connection: connection to the cluster.
        index: name of the index.
    """

    def __init__(self, connection: Connection, index: str) -> None:
        self._connection, self._index = connection, index

    def write(self, rows: pl.DataFrame, imported_at: datetime) -> None:
        """Write one import."""
        texts = rows.select(pl.col("valid_from").dt.to_string(TIME_FORMAT) if n == "valid_from" else n for n in _TEXTS)
        document = _Import(iso(imported_at), texts.to_dict(as_series=False))
        path = f"/{quote(self._index)}/_doc/{quote(document.imported_at, safe='')}"
        write_document(self._connection, path, document)

    def read(self, as_of: datetime | None) -> pl.DataFrame:
        """The last import at or before a time: `CATALOGUE_COLUMNS`, ordered by creative and time."""
        for hit in self._imports("desc", as_of, limit=1):
            found = msgspec.json.decode(hit.source, type=_Import)
            time = pl.col("valid_from").str.to_datetime(TIME_FORMAT, time_unit="us")
            return pl.DataFrame(found.rows, schema=_TEXTS).with_columns(time).sort("creative_id", "valid_from")
        return pl.DataFrame(schema=CATALOGUE_COLUMNS)

    def times(self) -> list[datetime]:
        """The times of all imports, ascending."""
        hits = self._imports("asc", source=["imported_at"])
        return [parse_time(msgspec.json.decode(hit.source, type=_Import).imported_at) for hit in hits]

    def last(self) -> datetime | None:
        """The time of the last import."""
        hits = self._imports("desc", limit=1, source=["imported_at"])
        return next((parse_time(msgspec.json.decode(hit.source, type=_Import).imported_at) for hit in hits), None)

    def copy_to(self, other: "Catalogue") -> None:
        """Copy all imports with their times; idempotent."""
        for time in self.times():
            other.write(self.read(time), time)

    def _imports(
        self, order: str, as_of: datetime | None = None, *, limit: int | None = None, source: Any = True
    ) -> Iterator[Hit]:
        query = all_of(stored_by(as_of, "imported_at"))
        pages = search_all(
            self._connection, self._index, [{"imported_at": order}], query=query, limit=limit, source=source
        )
        for page in pages:
            yield from page

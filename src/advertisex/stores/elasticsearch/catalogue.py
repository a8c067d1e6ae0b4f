"""The catalogue in Elasticsearch: one document for each import, written at once.

Its creatives and campaigns are objects that Elasticsearch keeps but does not index: one list of values for each column.
Times and amounts are text, so that they stay exact.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
import polars as pl

from advertisex.model import CAMPAIGN_COLUMNS, CATALOGUE_COLUMNS
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.conditions import all_of, stored_by
from advertisex.stores.elasticsearch.documents import write_document
from advertisex.stores.elasticsearch.search import Hit, search_all
from advertisex.stores.elasticsearch.times import TIME_FORMAT, iso, parse_time

#: One list of values for each column of a table.
_Columns = dict[str, list[str | int | None]]


class _Import(msgspec.Struct):
    imported_at: str
    rows: _Columns = {}
    campaigns: _Columns = {}


class Catalogue:
    """The imports of the catalogue.

    Args:
        connection: connection to the cluster.
        index: name of the index.
    """

    def __init__(self, connection: Connection, index: str) -> None:
        self._connection, self._index = connection, index

    def write(self, creatives: pl.DataFrame, campaigns: pl.DataFrame, imported_at: datetime) -> None:
        """Write one import."""
        rows, flights = _columns(creatives, CATALOGUE_COLUMNS), _columns(campaigns, CAMPAIGN_COLUMNS)
        document = _Import(iso(imported_at), rows, flights)
        path = f"/{quote(self._index)}/_doc/{quote(document.imported_at, safe='')}"
        write_document(self._connection, path, document)

    def creatives(self, as_of: datetime | None) -> pl.DataFrame:
        """The creatives of the last import at or before a time: `CATALOGUE_COLUMNS`, ordered by creative and time."""
        return _frame(self._read("rows", as_of).rows, CATALOGUE_COLUMNS).sort("creative_id", "valid_from")

    def campaigns(self, as_of: datetime | None) -> pl.DataFrame:
        """The campaigns of the last import at or before a time: `CAMPAIGN_COLUMNS`, ordered by campaign and start."""
        return _frame(self._read("campaigns", as_of).campaigns, CAMPAIGN_COLUMNS).sort("campaign_id", "start")

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
            other.write(self.creatives(time), self.campaigns(time), time)

    def _read(self, table: str, as_of: datetime | None) -> _Import:
        """One table of the last import at or before a time."""
        hits = self._imports("desc", as_of, limit=1, source=["imported_at", table])
        return next((msgspec.json.decode(hit.source, type=_Import) for hit in hits), _Import(""))

    def _imports(
        self, order: str, as_of: datetime | None = None, *, limit: int | None = None, source: Any = True
    ) -> Iterator[Hit]:
        query = all_of(stored_by(as_of, "imported_at"))
        pages = search_all(
            self._connection, self._index, [{"imported_at": order}], query=query, limit=limit, source=source
        )
        for page in pages:
            yield from page


def _columns(rows: pl.DataFrame, columns: Mapping[str, pl.DataType]) -> _Columns:
    """The columns of a table as they are stored."""
    return rows.select(_stored(name, dtype) for name, dtype in columns.items()).to_dict(as_series=False)


def _stored(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Datetime:
        return pl.col(name).dt.to_string(TIME_FORMAT)
    return pl.col(name).cast(pl.String) if dtype == pl.Decimal else pl.col(name)


def _frame(found: _Columns, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The table that is stored as these columns."""
    stored = {name: dtype if dtype == pl.Int64 else pl.String() for name, dtype in columns.items()}
    rows = pl.DataFrame(found or None, schema=stored)
    return rows.with_columns(
        pl.col(name).str.to_datetime(TIME_FORMAT, time_unit="us") if dtype == pl.Datetime else pl.col(name).cast(dtype)
        for name, dtype in columns.items()
    )

"""Imports of the catalogue into a store: import one if it has changed, and list them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from advertisex.catalogue.change import CatalogueChange, diff_catalogues
from advertisex.errors import ConfigurationError
from advertisex.model import CATALOGUE_COLUMNS
from advertisex.stores.contract import EventStore


@dataclass(frozen=True, slots=True)
class CatalogueImport:
    """An import of the catalogue.

    Attributes:
        imported_at: its commit time (naive UTC); None if the store had the same catalogue, so that nothing was written.
        creatives: number of creatives in the catalogue.
        campaigns: number of campaigns in it.
        change: what it changed, compared with the catalogue before.
    """

    imported_at: datetime | None
    creatives: int
    campaigns: int
    change: CatalogueChange


def import_catalogue(rows: pl.DataFrame, store: EventStore) -> CatalogueImport:
    """Replace the catalogue of a store, unless it has the same rows already.

    Args:
        rows: `CATALOGUE_COLUMNS`, for example from `read_catalogue`.
        store: the event store.

    Raises:
        ConfigurationError: a column or a value is missing, or a creative has two rows from the same time.
        StoreError: the write failed; the call can be repeated.
    """
    rows = _checked(rows)
    change = diff_catalogues(store.catalogue(), rows)
    is_new = not change.identical or not store.catalogue_imports()
    return _import(store.import_catalogue(rows) if is_new else None, rows, change)


def imports_of(store: EventStore) -> Iterator[CatalogueImport]:
    """All imports of a store, from the first to the last, each compared with the one before."""
    before = pl.DataFrame(schema=CATALOGUE_COLUMNS)
    for imported_at in store.catalogue_imports():
        rows = store.catalogue(imported_at)
        yield _import(imported_at, rows, diff_catalogues(before, rows))
        before = rows


def _import(imported_at: datetime | None, rows: pl.DataFrame, change: CatalogueChange) -> CatalogueImport:
    return CatalogueImport(imported_at, rows["creative_id"].n_unique(), rows["campaign_id"].n_unique(), change)


def _checked(rows: pl.DataFrame) -> pl.DataFrame:
    if missing := [name for name in CATALOGUE_COLUMNS if name not in rows.columns]:
        raise ConfigurationError(
            f"missing column in the catalogue: {', '.join(missing)}",
            hint=f"expected the columns {', '.join(CATALOGUE_COLUMNS)}, as returned by read_catalogue",
        )
    try:
        rows = rows.select(pl.col(name).cast(dtype) for name, dtype in CATALOGUE_COLUMNS.items())
    except pl.exceptions.PolarsError as error:
        raise ConfigurationError(
            "wrong type in the catalogue", hint="expected text, and valid_from as naive UTC times"
        ) from error
    wrong = rows.filter(
        pl.col("creative_id").is_null() | pl.col("campaign_id").is_null()
        | pl.struct("creative_id", "valid_from").is_duplicated()
    )  # fmt: skip
    if wrong.height:
        raise ConfigurationError(
            f"invalid row in the catalogue: creative {wrong['creative_id'][0]!r}, campaign {wrong['campaign_id'][0]!r}",
            hint="each creative needs one row with a campaign, or several with different valid_from",
        )
    return rows

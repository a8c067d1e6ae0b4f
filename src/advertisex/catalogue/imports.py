"""Imports of the catalogue into a store: import one if it has changed, and list them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from advertisex.catalogue.campaign_change import CampaignChange, diff_campaigns
from advertisex.catalogue.campaigns import first_fault
from advertisex.catalogue.change import CatalogueChange, diff_catalogues
from advertisex.errors import ConfigurationError
from advertisex.model import CAMPAIGN_COLUMNS, CATALOGUE_COLUMNS
from advertisex.stores.contract import EventStore


@dataclass(frozen=True, slots=True)
class CatalogueImport:
    """An import of the catalogue.

    Attributes:
        imported_at: its commit time (naive UTC); None if the store had the same catalogue, so that nothing was written.
        creatives: number of creatives in the catalogue.
        campaigns: number of campaigns that they belong to.
        flights: number of flights of campaigns in it.
        change: what it changed of the creatives, compared with the catalogue before.
        campaign_change: what it changed of the flights of campaigns.
    """

    imported_at: datetime | None
    creatives: int
    campaigns: int
    flights: int
    change: CatalogueChange
    campaign_change: CampaignChange

    @property
    def identical(self) -> bool:
        """Whether the catalogue before was the same."""
        return self.change.identical and self.campaign_change.identical


def import_catalogue(
    creatives: pl.DataFrame | None, store: EventStore, campaigns: pl.DataFrame | None = None
) -> CatalogueImport:
    """Replace the catalogue of a store, unless it has the same rows already.

    Args:
        creatives: `CATALOGUE_COLUMNS`, for example from `read_catalogue`; None: they stay as they are.
        store: the event store.
        campaigns: `CAMPAIGN_COLUMNS`, for example from `read_campaigns`; None: they stay as they are.

    Raises:
        ConfigurationError: a column or a value is missing or invalid, a creative has two rows from the same time, or
            flights of a campaign overlap or have several currencies.
        StoreError: the write failed; the call can be repeated.
    """
    old_creatives, old_campaigns = store.catalogue(), store.campaigns()
    creatives = old_creatives if creatives is None else _checked_creatives(creatives)
    campaigns = old_campaigns if campaigns is None else _checked_campaigns(campaigns)
    changes = diff_catalogues(old_creatives, creatives), diff_campaigns(old_campaigns, campaigns)
    is_new = not all(change.identical for change in changes) or not store.catalogue_imports()
    imported_at = store.import_catalogue(creatives, campaigns) if is_new else None
    return _import(imported_at, creatives, campaigns, *changes)


def imports_of(store: EventStore) -> Iterator[CatalogueImport]:
    """All imports of a store, from the first to the last, each compared with the one before."""
    before = pl.DataFrame(schema=CATALOGUE_COLUMNS), pl.DataFrame(schema=CAMPAIGN_COLUMNS)
    for imported_at in store.catalogue_imports():
        after = store.catalogue(imported_at), store.campaigns(imported_at)
        changes = diff_catalogues(before[0], after[0]), diff_campaigns(before[1], after[1])
        yield _import(imported_at, *after, *changes)
        before = after


def _import(
    imported_at: datetime | None,
    creatives: pl.DataFrame,
    campaigns: pl.DataFrame,
    change: CatalogueChange,
    campaign_change: CampaignChange,
) -> CatalogueImport:
    numbers = creatives["creative_id"].n_unique(), creatives["campaign_id"].n_unique(), campaigns.height
    return CatalogueImport(imported_at, *numbers, change, campaign_change)


def _checked_creatives(rows: pl.DataFrame) -> pl.DataFrame:
    rows = _cast(rows, CATALOGUE_COLUMNS, "read_catalogue", "text, and valid_from as naive UTC times")
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


def _checked_campaigns(rows: pl.DataFrame) -> pl.DataFrame:
    expected = "start and end as naive UTC times, decimal amounts, whole counts, and text"
    rows = _cast(rows, CAMPAIGN_COLUMNS, "read_campaigns", expected)
    if fault := first_fault(rows):
        raise ConfigurationError(fault.what, where=f"row {fault.row} of the campaigns", hint=fault.hint)
    return rows


def _cast(rows: pl.DataFrame, columns: Mapping[str, pl.DataType], reader: str, expected: str) -> pl.DataFrame:
    if missing := [name for name in columns if name not in rows.columns]:
        raise ConfigurationError(
            f"missing column in the catalogue: {', '.join(missing)}",
            hint=f"expected the columns {', '.join(columns)}, as returned by {reader}",
        )
    try:
        return rows.select(pl.col(name).cast(dtype) for name, dtype in columns.items())
    except pl.exceptions.PolarsError as error:
        raise ConfigurationError("wrong type in the catalogue", hint=f"expected {expected}") from error

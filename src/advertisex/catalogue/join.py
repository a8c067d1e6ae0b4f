"""Joins events with the catalogue: the campaign and advertiser of an event's creative at the event's time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from advertisex.stores.contract import EventStore

#: The columns that an event takes from the catalogue.
TAKEN = ("campaign_id", "advertiser_id")


@dataclass(frozen=True)
class Catalogue:
    """The catalogue as of one time.

    Attributes:
        rows: `CATALOGUE_COLUMNS`, ordered by creative and time.
    """

    rows: pl.DataFrame

    def join(self, events: pl.DataFrame, columns: Collection[str] = TAKEN) -> pl.DataFrame:
        """Add columns of the catalogue to events, in unchanged order; null for creatives that it does not have.

        Args:
            events: creative_id and event_time (naive UTC), and any other columns.
            columns: any of `TAKEN`.
        """
        if not self._changing:
            return events.join(self._by_creative.select("creative_id", *columns), on="creative_id", how="left",
                               maintain_order="left")  # fmt: skip
        numbered = events.with_row_index("_row").sort("event_time")
        joined = numbered.join_asof(
            self._by_time.select("creative_id", "valid_from", *columns),
            left_on="event_time",
            right_on="valid_from",
            by="creative_id",
            strategy="backward",
            check_sortedness=False,  # both are sorted; Polars cannot check it by group, and warns
        )
        return joined.sort("_row").drop("_row", "valid_from")

    @property
    def _changing(self) -> bool:
        """Whether the campaign of any creative depends on the time."""
        return self.rows["valid_from"].null_count() < self.rows.height

    @cached_property
    def _by_creative(self) -> pl.DataFrame:
        return self.rows.select("creative_id", *TAKEN)

    @cached_property
    def _by_time(self) -> pl.DataFrame:
        earliest = pl.lit(datetime.min).cast(pl.Datetime("us"))  # noqa: DTZ901 - naive UTC, like all times here
        return self.rows.with_columns(pl.col("valid_from").fill_null(earliest)).sort("valid_from")


def catalogue_of(store: EventStore, as_of: datetime | None = None) -> Catalogue:
    """The store's catalogue as of a time, or now."""
    return Catalogue(store.catalogue(as_of))

"""Flights of the catalogue: the one that a campaign has at an event's time."""

from dataclasses import dataclass

import polars as pl

from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore


@dataclass(frozen=True, slots=True)
class Flights:
    """The flights of all campaigns as of one time.

    Attributes:
        rows: `CAMPAIGN_COLUMNS`, ordered by campaign and start.
    """

    rows: pl.DataFrame

    def join(self, events: pl.DataFrame, *columns: str) -> pl.DataFrame:
        """Add columns of the flight to events, in unchanged order; null outside every flight.

        Args:
            events: campaign_id (String or Categorical) and event_time, and any other columns.
            columns: any of `CAMPAIGN_COLUMNS`; each is named `flight_` and its name.
        """
        named = self.rows.select(
            pl.col("campaign_id").cast(events["campaign_id"].dtype),
            "start",
            "end",
            *(pl.col(name).alias(f"flight_{name}") for name in columns),
        )
        if not named["campaign_id"].is_duplicated().any():
            joined = events.join(named, on="campaign_id", how="left", maintain_order="left")
        else:
            joined = (
                events.with_row_index("_row")
                .sort("event_time")
                .join_asof(
                    named.sort("start"),
                    left_on="event_time",
                    right_on="start",
                    by="campaign_id",
                    check_sortedness=False,  # both are sorted; Polars cannot check it by group, and warns
                )
                .sort("_row")
                .drop("_row")
            )
        is_inside = (pl.col("start") <= pl.col("event_time")) & (pl.col("event_time") < pl.col("end"))
        inside = (pl.when(is_inside).then(f"flight_{name}").alias(f"flight_{name}") for name in columns)
        return joined.with_columns(inside).drop("start", "end")


def flights_of(store: EventStore, scope: Scope) -> Flights:
    """The flights as of the time of an answer."""
    return Flights(store.campaigns(scope.as_of))

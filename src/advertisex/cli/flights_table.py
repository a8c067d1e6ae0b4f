"""Shows the flights of campaigns as a table."""

import polars as pl

from advertisex.cli.tables import print_table
from advertisex.reporting.cells import format_times, format_value

_COLUMNS = (
    "campaign", "start (UTC)", "end (UTC)", "budget", "impressions", "clicks", "conversions", "rate", "currency",
)  # fmt: skip
_NUMBERS = ("budget", "impressions", "clicks", "conversions", "rate")


def print_flights(flights: pl.DataFrame) -> None:
    """Print flights, `CAMPAIGN_COLUMNS`."""
    starts, ends = (format_times(flights[name].to_list()) for name in ("start", "end"))
    body = [
        (
            row["campaign_id"],
            start,
            end,
            *(row[name] for name in ("budget", "impressions", "clicks", "conversions")),
            None if row["rate"] is None else f"{format_value(row['rate'])} {row['rate_type']}",
            row["currency"],
        )
        for row, start, end in zip(flights.iter_rows(named=True), starts, ends, strict=True)
    ]
    print_table("Flights of campaigns", _COLUMNS, body, numbers=_NUMBERS, whole=_COLUMNS, keys=("campaign",))


def print_flight_changes(changes: pl.DataFrame) -> None:
    """Print changes of flights, `CAMPAIGN_CHANGE_COLUMNS`."""
    columns = ("campaign", "start (UTC)", "change", "field", "before", "after")
    starts = format_times(changes["start"].to_list())
    # as in the table of flights, the time of a day's beginning is left out
    values = pl.col("before", "after").str.strip_suffix("T00:00:00Z")
    texts = changes.with_columns(start=pl.Series(starts, dtype=pl.String)).with_columns(values)
    print_table("Changes of flights", columns, texts.iter_rows(), whole=columns, keys=("campaign",))

"""What other campaigns of the catalogue change: flights added and removed, and fields with other values."""

from dataclasses import dataclass

import polars as pl

from advertisex.model import CAMPAIGN_COLUMNS

#: Columns of a change, one row for each flight that was added or removed, and for each field of a changed one. `before`
#: and `after` are texts with all digits, times in ISO 8601 (UTC); null if the field was or is empty.
CAMPAIGN_CHANGE_COLUMNS: dict[str, pl.DataType] = {
    "campaign_id": pl.String(),
    "start": pl.Datetime("us"),
    "change": pl.String(),
    "field": pl.String(),
    "before": pl.String(),
    "after": pl.String(),
}

#: What identifies a flight: one that starts at another time is another flight.
_FLIGHT = ("campaign_id", "start")
_FIELDS = [name for name in CAMPAIGN_COLUMNS if name not in _FLIGHT]
_ADDED, _REMOVED = pl.col("was").is_null(), pl.col("is").is_null()
_HAS_CHANGED = pl.col("before").ne_missing(pl.col("after"))


@dataclass(frozen=True, slots=True)
class CampaignChange:
    """The difference between the campaigns of two catalogues.

    Attributes:
        rows: `CAMPAIGN_CHANGE_COLUMNS`, ordered by campaign and start. `change` is `added`, `removed` or `changed`;
            `field`, `before` and `after` are null unless it is `changed`.
    """

    rows: pl.DataFrame

    @property
    def identical(self) -> bool:
        """Whether both catalogues have the same flights."""
        return self.rows.is_empty()

    @property
    def counts(self) -> dict[str, int]:
        """The number of flights added, removed and changed."""
        found = dict(self.rows.group_by("change").agg(pl.struct(*_FLIGHT).n_unique()).iter_rows())
        return {change: found.get(change, 0) for change in ("added", "removed", "changed")}

    @property
    def campaigns(self) -> list[str]:
        """The campaigns of these flights, ordered."""
        return self.rows["campaign_id"].unique().sort().to_list()


def diff_campaigns(before: pl.DataFrame, after: pl.DataFrame) -> CampaignChange:
    """Compare the campaigns of two catalogues, flight by flight.

    Args:
        before: `CAMPAIGN_COLUMNS`.
        after: likewise.
    """
    old, new = _as_text(before, "before", "was"), _as_text(after, "after", "is")
    flights = old.join(new, on=_FLIGHT, how="full", coalesce=True)
    whole = flights.filter(_ADDED | _REMOVED).with_columns(
        pl.when(_ADDED).then(pl.lit("added")).otherwise(pl.lit("removed")).alias("change"),
        *(pl.lit(None, pl.String).alias(name) for name in ("field", "before", "after")),
    )
    both = flights.filter(~(_ADDED | _REMOVED))
    changed = [
        both.rename({f"{name} {side}": side for side in ("before", "after")})
        .filter(_HAS_CHANGED)
        .with_columns(change=pl.lit("changed"), field=pl.lit(name))
        for name in _FIELDS
    ]
    rows = pl.concat([part.select(*CAMPAIGN_CHANGE_COLUMNS) for part in (whole, *changed)])
    return CampaignChange(rows.sort(*_FLIGHT, maintain_order=True))


def _as_text(rows: pl.DataFrame, suffix: str, mark: str) -> pl.DataFrame:
    """The flights with all fields as text, and a mark that each of them exists."""
    texts = (_text(name).alias(f"{name} {suffix}") for name in _FIELDS)
    return rows.select(*_FLIGHT, *texts, pl.lit(value=True).alias(mark))


def _text(name: str) -> pl.Expr:
    dtype, column = CAMPAIGN_COLUMNS[name], pl.col(name)
    if dtype == pl.Datetime:
        return column.dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")
    if dtype == pl.Decimal:
        return column.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    return column.cast(pl.String)

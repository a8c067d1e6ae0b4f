"""What a new catalogue changes: creatives added, removed and moved, and whether answers about the past change."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

#: Columns of a change, one row for each creative and time from which on it differs (`valid_from`, null: always).
#: `rewrites` marks a creative that loses or changes its campaign for a time that the catalogue before covers.
CHANGE_COLUMNS: dict[str, pl.DataType] = {
    "creative_id": pl.String(),
    "change": pl.String(),
    "valid_from": pl.Datetime("us"),
    "campaign_before": pl.String(),
    "campaign_after": pl.String(),
    "advertiser_before": pl.String(),
    "advertiser_after": pl.String(),
    "rewrites": pl.Boolean(),
}

_ALWAYS = datetime.min  # noqa: DTZ901 - naive UTC, like all times here
_HAS_MOVED = pl.col("campaign_before").ne_missing(pl.col("campaign_after"))
_HAS_NEW_ADVERTISER = pl.col("advertiser_before").ne_missing(pl.col("advertiser_after"))


@dataclass(frozen=True, slots=True)
class CatalogueChange:
    """The difference between two catalogues.

    Attributes:
        rows: `CHANGE_COLUMNS`, ordered by creative and time. `change` is `added`, `removed`, `moved` (to another
            campaign) or `advertiser` (of the same campaign).
        identical: whether both catalogues have the same rows.
    """

    rows: pl.DataFrame
    identical: bool

    @property
    def counts(self) -> dict[str, int]:
        """The number of creatives added, removed and moved, and of those with only another advertiser."""
        found = dict(self.rows.group_by("change").agg(pl.col("creative_id").n_unique()).iter_rows())
        return {change: found.get(change, 0) for change in ("added", "removed", "moved", "advertiser")}

    @property
    def campaigns(self) -> list[str]:
        """The campaigns that gain, lose or keep these creatives, ordered."""
        return _campaigns(self.rows)

    @property
    def rewritten(self) -> list[str]:
        """The campaigns whose answers about the past change, because a creative loses or changes its campaign."""
        return _campaigns(self.rows.filter("rewrites"))


def diff_catalogues(before: pl.DataFrame, after: pl.DataFrame) -> CatalogueChange:
    """Compare two catalogues by the campaign and advertiser that each creative has at each time.

    A row that is added with a later `valid_from` than the rows of its creative before does not count as rewriting, but
    answers about events since then change.

    Args:
        before: `CATALOGUE_COLUMNS`.
        after: likewise.
    """
    old, new = _by_time(before), _by_time(after)
    points = pl.concat([old, new]).select("creative_id", "valid_from").unique().sort("valid_from")
    latest = old.group_by("creative_id").agg(last=pl.col("valid_from").max())
    compared = (
        _at(_at(points, old, "before"), new, "after")
        .filter(_HAS_MOVED | _HAS_NEW_ADVERTISER)
        .join(latest, on="creative_id", how="left")
    )
    in_new = pl.col("creative_id").is_in(new["creative_id"].unique().implode())
    change = (
        pl.when(pl.col("last").is_null()).then(pl.lit("added"))
        .when(~in_new).then(pl.lit("removed"))
        .when(_HAS_MOVED.any().over("creative_id")).then(pl.lit("moved"))
        .otherwise(pl.lit("advertiser"))
    )  # fmt: skip
    covered = pl.col("campaign_before").is_not_null() & (pl.col("valid_from") <= pl.col("last"))
    rows = compared.with_columns(change=change, rewrites=_HAS_MOVED & covered.fill_null(False))
    rows = rows.sort("creative_id", "valid_from").with_columns(
        pl.when(pl.col("valid_from") != _ALWAYS).then("valid_from").alias("valid_from")
    )
    return CatalogueChange(rows.select(*CHANGE_COLUMNS), _ordered(before).equals(_ordered(after)))


def _by_time(rows: pl.DataFrame) -> pl.DataFrame:
    always = pl.lit(_ALWAYS).cast(pl.Datetime("us"))
    return rows.with_columns(pl.col("valid_from").fill_null(always)).sort("valid_from")


def _at(points: pl.DataFrame, rows: pl.DataFrame, suffix: str) -> pl.DataFrame:
    """Add the campaign and the advertiser that each creative has at each point."""
    values = rows.select(
        "creative_id",
        "valid_from",
        pl.col("campaign_id").alias(f"campaign_{suffix}"),
        pl.col("advertiser_id").alias(f"advertiser_{suffix}"),
    )
    # both are sorted by time; Polars cannot check it by group, and warns
    return points.join_asof(values, on="valid_from", by="creative_id", check_sortedness=False)


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("creative_id", "valid_from", nulls_last=False)


def _campaigns(rows: pl.DataFrame) -> list[str]:
    return pl.concat([rows["campaign_before"], rows["campaign_after"]]).drop_nulls().unique().sort().to_list()

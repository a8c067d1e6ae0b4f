"""The parts of the gaps between our numbers and theirs under an explanation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import numpy as np
import polars as pl

from advertisex.analysis.reconciliation.causes import Explanation, caused
from advertisex.analysis.reconciliation.combinations import median_cells
from advertisex.analysis.reconciliation.comparison import Pair
from advertisex.analysis.reconciliation.unknown_creatives import found_elsewhere
from advertisex.analysis.reconciliation.zones import ZoneDays, dates

#: A part of the gap of a cell: sums of its cause.
PART: dict[str, pl.DataType] = {
    "pair": pl.Int64(),
    "campaign_id": pl.String(),
    "day": pl.Date(),
    "cause": pl.String(),
    "detail": pl.String(),
    "amount": pl.Int128(),
}
CELL = ["pair", "campaign_id", "day"]


@dataclass(frozen=True)
class Side:
    """What is compared.

    Attributes:
        pairs: the measures.
        sums: our sums with their pair, see `paired_sums`.
        theirs: see `paired_report`.
        first, last: the range of days.
        zone: our time zone.
        test_zones: whether the partner may have another one.
    """

    pairs: Sequence[Pair]
    sums: pl.DataFrame
    theirs: pl.DataFrame
    first: date
    last: date
    zone: str
    test_zones: bool


def parts_of(
    side: Side, cells: pl.DataFrame, structural: pl.DataFrame, slots: pl.Series, own: ZoneDays, zone: ZoneDays,
    explanations: Mapping[int, Explanation],
) -> pl.DataFrame:  # fmt: skip
    """The parts of all gaps, which add up to them; the rest is unexplained."""
    days = pl.DataFrame({"slot": slots, "own_day": dates(own.days), "day": dates(zone.days)})
    found = [pl.DataFrame(schema=PART)]
    for pair, explanation in explanations.items():
        rows = side.sums.filter(pl.col("pair") == pair).join(days, on="slot", how="left")
        stored = rows.filter(pl.col("left_out") == "").filter(pl.col("own_day") != pl.col("day"))
        moved = pl.concat(
            [stored.drop("own_day"), stored.drop("day").rename({"own_day": "day"}).with_columns(pl.col("amount") * -1)],
            how="diagonal",
        ).with_columns(cause=pl.lit("time_zone"), detail=pl.lit(zone.name))
        left = (
            caused(rows, explanation.chosen).filter(pl.col("sign") != 0).with_columns(pl.col("amount") * pl.col("sign"))
        )
        parts = pl.concat([frame.select(pl.col(n).cast(t) for n, t in PART.items()) for frame in (moved, left)])
        parts = parts.join(structural, on=CELL, how="anti", nulls_equal=True)
        parts = parts.filter(pl.col("day").is_between(side.first, side.last) & pl.col("campaign_id").is_in(
            side.theirs["campaign_id"].unique().implode()))  # fmt: skip
        parts = parts.group_by(*CELL, "cause", "detail").agg(pl.col("amount").sum())
        found.append(parts)
        of_pair = cells.filter(pl.col("pair") == pair).join(structural, on=CELL, how="anti", nulls_equal=True)
        if explanation.scaled:
            found.append(_scaled(of_pair, parts, side.pairs[pair].factor_cause))
        elif side.pairs[pair].measure == "impressions":
            without = rows.filter((pl.col("left_out") == "") & pl.col("campaign_id").is_null())
            found.append(_of_unknown_creatives(of_pair, parts, without))
    return pl.concat([frame.select(*PART) for frame in found]).filter(pl.col("amount") != 0)


def _of_unknown_creatives(cells: pl.DataFrame, parts: pl.DataFrame, without: pl.DataFrame) -> pl.DataFrame:
    """The parts of impressions that have no campaign here."""
    sums = parts.group_by(CELL).agg(part=pl.col("amount").sum())
    rest = cells.join(sums, on=CELL, how="left").with_columns(rest=pl.col("gap") - pl.col("part").fill_null(0))
    found = found_elsewhere(without, rest)
    pair = cells["pair"].first()
    rows = [(pair, campaign, day, "unknown_creative", "", part) for (campaign, day), part in found.items()]
    return pl.DataFrame(rows, PART, orient="row")


def _scaled(cells: pl.DataFrame, parts: pl.DataFrame, cause: str) -> pl.DataFrame:
    """The parts of a constant factor: the median of theirs / predicted, each cell with our amount as weight; exact."""
    sums = parts.group_by(CELL).agg(part=pl.col("amount").sum())
    fitted = cells.join(sums, on=CELL, how="left").with_columns(predicted=pl.col("ours") + pl.col("part").fill_null(0))
    theirs, predicted = fitted["theirs"].to_list(), fitted["predicted"].to_list()
    at = int(median_cells(np.array(theirs, dtype=np.float64), np.array([predicted], dtype=np.float64))[0])
    if at < 0:
        return pl.DataFrame(schema=PART)
    amounts = [(one * theirs[at] * 2 + predicted[at]) // (2 * predicted[at]) - one for one in predicted]
    factor = f"× {float(Fraction(theirs[at], predicted[at])):.6g}"
    return fitted.select(
        *CELL, cause=pl.lit(cause), detail=pl.lit(factor), amount=pl.Series(amounts, dtype=pl.Int128)
    )  # fmt: skip

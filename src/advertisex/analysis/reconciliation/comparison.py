"""Puts our numbers and theirs side by side, in one unit, by campaign and day."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from advertisex.analysis.cost import COST
from advertisex.analysis.money import units
from advertisex.analysis.reconciliation.partner_report import PartnerReport
from advertisex.analysis.reconciliation.report_feed import COUNTS, MONEY
from advertisex.model import MONEY as PLACES

#: Decimal places of each measure, as integers.
SCALES = dict.fromkeys(COUNTS, 0) | {"cost": COST, "revenue": PLACES}


@dataclass(frozen=True)
class Pair:
    """A measure in our currency and in theirs.

    Attributes:
        measure: one of `SCALES`.
        ours: our currency; None for counts, and for money without a currency.
        theirs: their currency.
        factor: see `Block`.
        is_ours: whether we have this currency.
        is_theirs: whether they have this currency.
    """

    measure: str
    ours: str | None = None
    theirs: str | None = None
    factor: str = "nuisance"
    is_ours: bool = True
    is_theirs: bool = True

    @property
    def factor_cause(self) -> str:
        """The cause of a constant factor."""
        return "unexplained" if self.factor == "nuisance" else "currency"


def pairs_of(report: PartnerReport, sums: pl.DataFrame) -> list[Pair]:
    """The measures to compare. One currency of theirs that we do not have is compared with one that only we have."""
    pairs = [Pair(measure) for measure in COUNTS if measure in report.measures]
    for measure in MONEY:
        if measure in report.measures:
            ours = sums.filter(pl.col("measure") == measure)["currency"].unique().sort().to_list()
            theirs = report.rows.filter(pl.col(measure) != 0)["currency"].unique().sort().to_list()
            pairs += _of_currencies(measure, ours, theirs)
    return pairs


def _of_currencies(measure: str, ours: Sequence[str | None], theirs: Sequence[str | None]) -> list[Pair]:
    both = [one for one in theirs if one in ours]
    only_ours, only_theirs = ([one for one in own if one not in both] for own in (ours, theirs))
    # between amounts of one currency, a factor is as unexplained as between counts
    pairs = [Pair(measure, one, one, "maybe" if one is None else "nuisance") for one in both]
    if len(only_ours) == len(only_theirs) == 1:
        # without a currency, an amount is taken to be in the only one that we have
        factor = "maybe" if None in (*only_ours, *only_theirs) else "always"
        return [*pairs, Pair(measure, only_ours[0], only_theirs[0], factor)]
    pairs += [Pair(measure, one, None, is_theirs=False) for one in only_ours]
    return pairs + [Pair(measure, None, one, is_ours=False) for one in only_theirs]


def paired_sums(sums: pl.DataFrame, pairs: Sequence[Pair]) -> pl.DataFrame:
    """Our sums with the index of their pair; those without one are left out."""
    return _paired(sums, pairs, [(one.measure, one.ours) if one.is_ours else None for one in pairs])


def paired_report(report: PartnerReport, pairs: Sequence[Pair]) -> pl.DataFrame:
    """Their numbers: pair, campaign_id, day, theirs (Int128)."""
    parts = []
    for measure in report.measures:
        amount = (
            units(measure).cast(pl.Int128) * 10 ** (SCALES[measure] - PLACES) if measure in MONEY else pl.col(measure)
        )
        currency = pl.col("currency") if measure in MONEY else pl.lit(None, pl.String).alias("currency")
        parts.append(
            report.rows.select(
                pl.lit(measure).alias("measure"), currency, "campaign_id", "day", amount.cast(pl.Int128).alias("theirs")
            )
        )
    paired = _paired(pl.concat(parts), pairs, [(one.measure, one.theirs) if one.is_theirs else None for one in pairs])
    return paired.group_by("pair", "campaign_id", "day").agg(pl.col("theirs").sum())


def _paired(rows: pl.DataFrame, pairs: Sequence[Pair], keys: Sequence[tuple[str, str | None] | None]) -> pl.DataFrame:
    table = pl.DataFrame(
        [(*key, number) for number, key in enumerate(keys) if key is not None],
        schema={"measure": pl.String, "currency": pl.String, "pair": pl.Int64},
        orient="row",
    )
    return rows.join(table, on=["measure", "currency"], how="inner", nulls_equal=True)


def cells_of(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Every campaign and day of either side.

    Args:
        ours: pair, campaign_id, day, amount.
        theirs: see `paired_report`.

    Returns:
        pair, campaign_id, day, ours, theirs, gap (Int128), ordered by these.
    """
    keys = ["pair", "campaign_id", "day"]
    own = ours.group_by(keys).agg(ours=pl.col("amount").sum())
    both = own.join(theirs, on=keys, how="full", nulls_equal=True, coalesce=True)
    both = both.with_columns(pl.col("ours", "theirs").fill_null(0)).filter(
        (pl.col("ours") != 0) | (pl.col("theirs") != 0)
    )
    return both.select(*keys, "ours", "theirs", gap=pl.col("theirs") - pl.col("ours")).sort(keys, nulls_last=True)

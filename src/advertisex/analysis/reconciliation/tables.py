"""The tables of a reconciliation."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import polars as pl

from advertisex.analysis.money import decimals
from advertisex.analysis.reconciliation.causes import CAUSES
from advertisex.analysis.reconciliation.comparison import SCALES, Pair
from advertisex.analysis.reconciliation.explain import Explained
from advertisex.analysis.reconciliation.report_feed import COUNTS

_CELL = ["pair", "campaign_id", "day"]
_ORDER = {cause: number for number, cause in enumerate(CAUSES)}


def with_structure(cells: pl.DataFrame, found: Explained) -> pl.DataFrame:
    """All parts of the gaps: those of choice, those of structure, and what is unexplained; they add up to the gaps."""
    whole = cells.join(found.structural, on=_CELL, how="inner", nulls_equal=True)
    parts = pl.concat([found.parts, whole.select(*_CELL, "cause", "detail", amount="gap")])
    sums = parts.group_by(_CELL).agg(part=pl.col("amount").sum())
    rest = cells.join(sums, on=_CELL, how="left", nulls_equal=True).with_columns(
        amount=pl.col("gap") - pl.col("part").fill_null(0), cause=pl.lit("unexplained"), detail=pl.lit("")
    )
    together = pl.concat([parts, rest.select(*_CELL, "cause", "detail", "amount")])
    return together.filter(pl.col("amount") != 0)


def compared(cells: pl.DataFrame, tolerance: Fraction) -> pl.DataFrame:
    """Add share (f64: gap / ours, null if that is 0) and within (Boolean: |gap| ≤ tolerance · |ours|) to sums."""
    numbers = list(cells.select("ours", "gap").iter_rows())
    share = [float(Fraction(gap, ours)) if ours else None for ours, gap in numbers]
    within = [abs(gap) * tolerance.denominator <= abs(ours) * tolerance.numerator for ours, gap in numbers]
    return cells.with_columns(pl.Series("share", share, pl.Float64), pl.Series("within", within, pl.Boolean))


def gap_rows(
    cells: pl.DataFrame, parts: pl.DataFrame, pairs: Sequence[Pair], tolerance: Fraction
) -> dict[str, pl.DataFrame]:
    """The gaps by campaign and day, of counts and of money; those beyond the tolerance, and large ones, first.

    Returns:
        campaign_id, day, measure, for money currency and partner_currency, ours, theirs, gap, share, within, explained
        (the part of the gap with a cause), unexplained, and causes: the largest first, in words.
    """
    named = parts.filter(pl.col("cause") != "unexplained").with_columns(size=pl.col("amount").abs())
    named = named.sort("size", pl.col("cause").replace_strict(_ORDER, return_dtype=pl.Int64, default=99), "detail",
                       descending=[True, False, False])  # fmt: skip
    text = pl.concat_str("cause", pl.lit(" "), "detail").str.strip_chars_end()
    by_cell = named.group_by(_CELL, maintain_order=True).agg(
        causes=text.str.join(", "), explained=pl.col("amount").sum()
    )
    rows = compared(cells.filter(pl.col("gap") != 0), tolerance)
    rows = rows.join(by_cell, on=_CELL, how="left", nulls_equal=True, maintain_order="left").with_columns(
        pl.col("explained").fill_null(0), pl.col("causes").fill_null("")
    )
    rows = rows.with_columns(unexplained=pl.col("gap") - pl.col("explained"), size=pl.col("gap").abs())
    rows = rows.sort("within", "size", *_CELL, descending=[False, True, False, False, False], nulls_last=True).drop(
        "size"
    )
    last = ["ours", "theirs", "gap", "share", "within", "explained", "unexplained", "causes"]
    return _split(rows, pairs, ["campaign_id", "day"], last, ["ours", "theirs", "gap", "explained", "unexplained"])


def campaign_rows(cells: pl.DataFrame, pairs: Sequence[Pair], tolerance: Fraction) -> dict[str, pl.DataFrame]:
    """The numbers of each campaign over all days, of counts and of money, like `gap_rows` without causes."""
    sums = cells.group_by("pair", "campaign_id").agg(pl.col("ours", "theirs", "gap").sum())
    rows = compared(sums.sort("campaign_id", "pair", nulls_last=True), tolerance)
    last = ["ours", "theirs", "gap", "share", "within"]
    return _split(rows, pairs, ["campaign_id"], last, ["ours", "theirs", "gap"])


def cause_rows(
    parts: pl.DataFrame, cells: pl.DataFrame, pairs: Sequence[Pair], events: Mapping[tuple[str, str], int]
) -> dict[str, pl.DataFrame]:
    """The volume of each cause, of counts and of money.

    Returns:
        cause, detail, measure, for money currency and partner_currency, volume (the sum of the absolute parts), net
        (the sum of the parts), share (f64: volume / the volume of all parts of the measure), cells (i64: campaigns and
        days) and events (i64: those behind the cause, in all measures).
    """
    sums = parts.group_by("pair", "cause", "detail").agg(
        volume=pl.col("amount").abs().sum(), net=pl.col("amount").sum(), cells=pl.len().cast(pl.Int64)
    )
    totals = dict(sums.group_by("pair").agg(pl.col("volume").sum()).iter_rows())
    sums = sums.sort(pl.col("cause").replace_strict(_ORDER, return_dtype=pl.Int64), "detail", "pair")
    shares = [float(Fraction(volume, totals[pair])) for pair, volume in sums.select("pair", "volume").iter_rows()]
    behind = [events.get(key, 0) for key in sums.select("cause", "detail").iter_rows()]
    sums = sums.with_columns(pl.Series("share", shares, pl.Float64), pl.Series("events", behind, pl.Int64))
    last = ["volume", "net", "share", "cells", "events"]
    return _split(sums, pairs, ["cause", "detail"], last, ["volume", "net"])


def _split(
    rows: pl.DataFrame, pairs: Sequence[Pair], first: list[str], last: list[str], amounts: list[str]
) -> dict[str, pl.DataFrame]:
    """The rows of counts, as integers, and those of money, as decimals with the places of a cost."""
    table = pl.DataFrame(
        [(number, one.measure, one.ours, one.theirs) for number, one in enumerate(pairs)],
        schema={"pair": pl.Int64, "measure": pl.String, "currency": pl.String, "partner_currency": pl.String},
        orient="row",
    )
    named = rows.join(table, on="pair", how="left", maintain_order="left")
    is_count = pl.col("measure").is_in(COUNTS)
    counts = named.filter(is_count).with_columns(pl.col(amounts).cast(pl.Int64))
    money = named.filter(~is_count)
    places = max(SCALES.values())
    to_cost = pl.when(pl.col("measure") == "cost").then(1).otherwise(10 ** (places - SCALES["revenue"])).cast(pl.Int128)
    money = money.with_columns((pl.col(name) * to_cost).alias(name) for name in amounts)
    money = money.with_columns(decimals(money[name], places) for name in amounts)
    return {
        "counts": counts.select(*first, "measure", *last),
        "money": money.select(*first, "measure", "currency", "partner_currency", *last),
    }

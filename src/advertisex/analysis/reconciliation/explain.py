"""Divides each gap between our numbers and theirs into parts, each with its cause."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from advertisex.analysis.reconciliation.block import Block
from advertisex.analysis.reconciliation.causes import Explanation, Treatment
from advertisex.analysis.reconciliation.comparison import SCALES
from advertisex.analysis.reconciliation.fit import fit
from advertisex.analysis.reconciliation.parts import CELL, PART, Side, parts_of
from advertisex.analysis.reconciliation.report_feed import COUNTS
from advertisex.analysis.reconciliation.zones import ZoneDays, zone_days, zones_of

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Explained:
    """Why the numbers differ.

    Attributes:
        parts: `PART`, without those of structure.
        structural: pair, campaign_id, day, cause, detail: cells whose whole gap has one cause.
        zones: the days of the zones that explain the gaps equally, the chosen one first; only ours if that is it.
        is_moved: whether the chosen zone is not ours.
        explanations: by pair, the chosen one and those that explain it equally.
        not_tried: names of causes that were not tried, by measure.
        slots: the time slots of the zones.
    """

    parts: pl.DataFrame
    structural: pl.DataFrame
    zones: list[ZoneDays]
    is_moved: bool
    explanations: dict[int, list[Explanation]]
    not_tried: dict[str, list[str]]
    slots: pl.Series


def explain(side: Side, cells: pl.DataFrame) -> Explained:
    """Explain the gaps of cells."""
    slots = side.sums["slot"].unique().sort()
    zones = [ZoneDays(side.zone, zone_days(slots, side.zone))]
    if side.test_zones:
        zones += zones_of(slots, side.zone)
    start, length = (side.first - _EPOCH).days, (side.last - side.first).days + 1
    campaigns = sorted(set(side.sums["campaign_id"].drop_nulls()) & set(side.theirs["campaign_id"]))
    known = np.isin(np.arange(length), [(day - side.first).days for day in side.theirs["day"].unique()])
    blocks, pairs = _blocks(side, campaigns, slots, length)
    counts = [n for n, block in enumerate(blocks) if side.pairs[pairs[n][0]].measure in COUNTS]
    deciding = counts or list(range(len(blocks)))
    days = [zone.days - start for zone in zones]
    first = fit([blocks[n] for n in deciding], days, known)
    others = [n for n in range(len(blocks)) if n not in deciding]
    second = fit([blocks[n] for n in others], [days[first.zone]], known)
    results: dict[int, tuple[list[Explanation], Any]] = {}
    not_tried: dict[str, list[str]] = {}
    for found, asked in ((first, deciding), (second, others)):
        for place, number in enumerate(asked):
            not_tried[blocks[number].name] = [str(cause) for cause in found.not_tried[place]]
            for pair in pairs[number]:
                results[pair] = found.explanations[place], found.empty_days[place]
    is_moved = first.zone != 0
    chosen = [zones[number] for number in first.zones]
    structural = _structural(side, cells, {pair: empty for pair, (_, empty) in results.items()}, known)
    parts = parts_of(
        side, cells, structural, slots, zones[0], chosen[0], {n: found[0] for n, (found, _) in results.items()}
    )
    return Explained(
        parts, structural, chosen, is_moved, {pair: found for pair, (found, _) in results.items()}, not_tried, slots
    )


def _blocks(side: Side, campaigns: list[str], slots: pl.Series, length: int) -> tuple[list[Block], list[list[int]]]:
    """The blocks of the pairs: clicks and conversions are one, because their events are."""
    groups: dict[str, list[int]] = {}
    for number, pair in enumerate(side.pairs):
        name = "clicks" if pair.measure == "conversions" else pair.measure
        groups.setdefault(name if name in COUNTS else f"{name} {number}", []).append(number)
    places = pl.DataFrame({"campaign_id": campaigns}, schema={"campaign_id": pl.String}).with_row_index("place")
    blocks = []
    for name, pairs in groups.items():
        scale = 10.0 ** SCALES[side.pairs[pairs[0]].measure]
        order = pl.DataFrame({"pair": pairs, "row": range(len(pairs))}, schema={"pair": pl.Int64, "row": pl.Int64})
        own = side.sums.join(order, on="pair").join(places, on="campaign_id", how="left")
        kinds = own.select("left_out", "late", "suspect").unique().sort(pl.all())
        own = own.join(kinds.with_row_index("kind"), on=["left_out", "late", "suspect"], how="left")
        cell = pl.col("row") * len(campaigns) + pl.col("place").cast(pl.Int64)
        theirs = np.zeros((len(pairs), len(campaigns), length))
        day = (pl.col("day") - side.first).dt.total_days().alias("at")
        reported = side.theirs.join(order, on="pair").join(places, on="campaign_id")
        for row, place, at, amount in reported.select("row", "place", day, "theirs").iter_rows():
            theirs[row, place, at] += amount / scale
        blocks.append(
            Block(
                name.partition(" ")[0],
                (len(pairs), len(campaigns), length),
                theirs.reshape(-1),
                own.select(cell.fill_null(-1).alias("cell"))["cell"].to_numpy(),
                slots.search_sorted(own["slot"]).cast(pl.Int64).to_numpy(),
                own["kind"].cast(pl.Int64).to_numpy(),
                np.array([amount / scale for amount in own["amount"]]),
                [Treatment(*kind) for kind in kinds.iter_rows()],
                side.pairs[pairs[0]].factor,
            )
        )
    return blocks, list(groups.values())


def _structural(side: Side, cells: pl.DataFrame, empty_days: dict[int, Any], known: Any) -> pl.DataFrame:
    """The cells whose whole gap has one cause, because one side lacks the campaign or the day."""
    ours, theirs = (set(frame["campaign_id"].drop_nulls()) for frame in (side.sums, side.theirs))
    empty = {
        (pair, side.first + timedelta(int(at))) for pair, days in empty_days.items() for at in np.flatnonzero(days)
    }
    delivered = set(cells.filter(pl.col("ours") != 0).select("pair", "day").iter_rows())
    absent = {side.first + timedelta(int(at)) for at in np.flatnonzero(~known)}
    rows = []
    for pair, campaign, day in cells.select(CELL).iter_rows():
        if campaign is None:
            found = ("unknown_creative", "")
        elif campaign not in theirs or not side.pairs[pair].is_theirs:
            found = ("not_in_report", "" if campaign not in theirs else side.pairs[pair].ours or "no currency")
        elif campaign not in ours:
            found = ("unknown_campaign", "")
        elif not side.pairs[pair].is_ours:
            found = ("currency", side.pairs[pair].theirs or "none")
        elif day in absent:
            found = ("missing_day", "theirs")
        elif (pair, day) in empty and (pair, day) not in delivered:
            found = ("missing_day", "ours")
        else:
            continue
        rows.append((pair, campaign, day, *found))
    return pl.DataFrame(rows, {name: PART[name] for name in (*CELL, "cause", "detail")}, orient="row")

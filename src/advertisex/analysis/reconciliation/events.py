"""The events behind each cause: how many they are, and the first of them with their positions."""

from collections.abc import Iterator

import polars as pl

from advertisex.analysis.reconciliation.causes import CAUSES, Explanation, caused
from advertisex.analysis.reconciliation.explain import Explained
from advertisex.analysis.reconciliation.our_rows import OurRows
from advertisex.analysis.reconciliation.parts import Side
from advertisex.analysis.reconciliation.report_feed import COUNTS
from advertisex.analysis.reconciliation.zones import dates, zone_days

_SHOWN: dict[str, pl.DataType] = {
    "cause": pl.String(),
    "detail": pl.String(),
    "feed": pl.String(),
    "event_time": pl.Datetime("us"),
    "campaign_id": pl.String(),
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
}
#: The order of events; not their positions first, because those depend on how the messages came.
_PLACE = ["event_time", "feed", "campaign_id", "topic", "partition", "offset"]


def events_of(
    rows: OurRows, side: Side, found: Explained, limit: int
) -> tuple[pl.DataFrame, dict[tuple[str, str], int]]:
    """Find the events behind the causes.

    A row of the clicks feed is one event, whatever it counts. An event can be behind two causes, one of them the time
    zone.

    Args:
        rows: our rows.
        side: what was compared.
        found: why the numbers differ.
        limit: maximum number of events listed per cause and detail.

    Returns:
        The first events by cause: cause, detail, feed, event_time, campaign_id, topic, partition, offset. The number of
        all events by cause and detail.
    """
    listed, counts = pl.DataFrame(schema=_SHOWN), dict[tuple[str, str], int]()
    for frame in rows.frames():
        for one in _behind(frame, side, found):
            for cause, detail, number in one.group_by("cause", "detail").len().iter_rows():
                counts[cause, detail] = counts.get((cause, detail), 0) + number
            both = pl.concat([listed, one])
            listed = both.sort(_PLACE).group_by("cause", "detail", maintain_order=True).head(limit).select(*_SHOWN)
    order = {cause: number for number, cause in enumerate(CAUSES)}
    by_cause = pl.col("cause").replace_strict(order, return_dtype=pl.Int64)
    return listed.sort(by_cause, "detail", *_PLACE), counts


def _behind(frame: pl.DataFrame, side: Side, found: Explained) -> Iterator[pl.DataFrame]:
    """The rows of a frame that are behind a cause."""
    if frame.is_empty():
        return
    days = pl.DataFrame(
        {"slot": found.slots, "own_day": dates(zone_days(found.slots, side.zone)), "day": dates(found.zones[0].days)}
    )
    dated = frame.with_columns(slot=pl.col("event_time").dt.truncate("15m")).join(days, on="slot")
    for measures in (("impressions",), ("clicks", "conversions"), ("cost",), ("revenue",)):
        pairs = [number for number, pair in enumerate(side.pairs) if pair.measure in measures]
        if not pairs or (measures[0] not in COUNTS and any(pair.measure in COUNTS for pair in side.pairs)):
            continue  # money follows the counts
        counted = dated.filter(pl.any_horizontal(pl.col(name).fill_null(0) != 0 for name in measures))
        yield from _of_pair(counted, side, found, pairs)


def _of_pair(counted: pl.DataFrame, side: Side, found: Explained, pairs: list[int]) -> Iterator[pl.DataFrame]:
    """The rows behind a cause, of the pairs of one block."""
    explanation = found.explanations.get(pairs[0], [Explanation()])[0]
    cells = found.structural.filter(pl.col("pair").is_in(pairs)).drop("pair").unique(["campaign_id", "day"])
    keys = ["campaign_id", "day"]
    inside = pl.col("day").is_between(side.first, side.last)
    stored = counted.filter(pl.col("left_out") == "")
    whole = stored.drop("day").rename({"own_day": "day"}).join(cells, on=keys, how="inner", nulls_equal=True)
    yield whole.select(*_SHOWN)
    reported = pl.col("campaign_id").is_in(side.theirs["campaign_id"].unique().implode())
    left = counted.filter(inside & reported).join(cells, on=keys, how="anti")
    yield caused(left, explanation.chosen).filter(pl.col("sign") != 0).select(*_SHOWN)
    if found.is_moved:
        moves = stored.filter((pl.col("own_day") != pl.col("day")) & reported)
        moves = moves.filter(inside | pl.col("own_day").is_between(side.first, side.last))
        yield moves.with_columns(cause=pl.lit("time_zone"), detail=pl.lit(found.zones[0].name)).select(*_SHOWN)

"""Moved events: events that a changed catalogue gives to another campaign or advertiser, as of two times.

An event that was known at the first time moves if the catalogues of both times differ for its creative at its own time.
It leaves the numbers of its former campaign and enters those of the new one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from advertisex.analysis.auctions import in_scope
from advertisex.analysis.calendar import period
from advertisex.analysis.late_events import KEY, MEASURES, summed
from advertisex.analysis.scope import Scope
from advertisex.catalogue.join import TAKEN, Catalogue, catalogue_of
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore
from advertisex.times import micros_of

_BEFORE, _AFTER = ({name: f"{name}_{side}" for name in TAKEN} for side in ("before", "after"))
_ALWAYS = pl.lit(micros_of(datetime.min)).cast(pl.Datetime("us"))  # noqa: DTZ901 - naive UTC, like all times here
_DIFFERS = pl.any_horizontal(pl.col(_BEFORE[name]).ne_missing(pl.col(_AFTER[name])) for name in TAKEN)

#: Moved events are counted by these.
_MOVE: dict[str, pl.DataType] = {
    "feed": pl.String(),
    "day": pl.Date(),
    "creative_id": pl.String(),
    "valid_from": pl.Datetime("us"),
    **dict.fromkeys([*_BEFORE.values(), *_AFTER.values()], pl.String()),
    "was_in_scope": pl.Boolean(),
    "is_in_scope": pl.Boolean(),
}


@dataclass(frozen=True, slots=True)
class Moves:
    """The moved events of a scope, counted.

    Attributes:
        counts: number (i64) of moved events by `_MOVE`.
    """

    counts: pl.DataFrame

    @property
    def sums(self) -> pl.DataFrame:
        """What the moves add to the numbers of each campaign and day, like `summed`: less than 0 where events left."""
        signed = self._by_key(left=-1)
        counts = (pl.when(pl.col("feed") == name).then("events").otherwise(0).alias(name) for name in MEASURES)
        empty = summed([])
        return pl.concat([empty, signed.with_columns(counts)], how="diagonal").select(empty.columns)

    @property
    def touched(self) -> pl.DataFrame:
        """The number of events that left or entered each campaign and day: `KEY`, moved_events (i64)."""
        return self._by_key(left=1).group_by(KEY).agg(moved_events=pl.col("events").sum())

    @property
    def changes(self) -> pl.DataFrame:
        """The creatives that moved, those with most events first.

        Returns:
            creative_id, valid_from (Datetime µs: the event time from which the change applies; null if from any time),
            campaign_id_before, campaign_id_after, advertiser_id_before, advertiser_id_after, events (i64).
        """
        names = ["creative_id", "valid_from", *(f"{name}_{side}" for name in TAKEN for side in ("before", "after"))]
        changes = self.counts.group_by(names).agg(events=pl.col("number").sum())
        changes = changes.sort("events", "creative_id", "valid_from", descending=[True, False, False])
        return changes.with_columns(pl.when(pl.col("valid_from") != _ALWAYS).then("valid_from"))

    def by_feed(self, *, entered: bool = False) -> dict[str, int]:
        """The number of moved events by feed; with `entered`, only those that were not in the scope before."""
        counted = self.counts.filter(~pl.col("was_in_scope")) if entered else self.counts
        return {feed: int(counted.filter(pl.col("feed") == feed)["number"].sum()) for feed in FEEDS}

    def _by_key(self, *, left: int) -> pl.DataFrame:
        """Feed, `KEY` and events (i64) of those that left, times a sign, and of those that entered."""
        counts = self.counts.filter(
            pl.col(_BEFORE["campaign_id"]).ne_missing(pl.col(_AFTER["campaign_id"]))
            | (pl.col("was_in_scope") != pl.col("is_in_scope"))
        )
        sides = (("was_in_scope", _BEFORE, left), ("is_in_scope", _AFTER, 1))
        return pl.concat(
            counts.filter(side).select("feed", "day", campaign_id=taken["campaign_id"], events=pl.col("number") * sign)
            for side, taken, sign in sides
        )


def moved_events(store: EventStore, scope: Scope, start: datetime) -> Moves:
    """Find the events of a scope that moved between `start` and the scope's `as_of`."""
    before, after = catalogue_of(store, start), catalogue_of(store, scope.as_of)
    periods = _periods(before, after)
    counts = [pl.DataFrame(schema=_MOVE | {"number": pl.Int64()})]
    for feed in FEEDS if periods.height else ():
        if "creative_id" in FEEDS[feed].columns:
            counts += _counted(store, feed, replace(scope, as_of=start), before, after, periods)
    return Moves(pl.concat(counts).group_by(list(_MOVE)).agg(pl.col("number").sum()))


def _periods(before: Catalogue, after: Catalogue) -> pl.DataFrame:
    """The creatives that differ, and the event times from which one of their rows is valid: creative_id, valid_from."""
    differing = pl.concat([rows.join(others, on=rows.columns, how="anti", nulls_equal=True)
                           for rows, others in ((before.rows, after.rows), (after.rows, before.rows))])  # fmt: skip
    rows = pl.concat([before.rows, after.rows]).join(differing, on="creative_id", how="semi")
    always = differing.select("creative_id", valid_from=_ALWAYS)
    starts = rows.select("creative_id", pl.col("valid_from").fill_null(_ALWAYS))
    return pl.concat([always, starts]).unique().sort("valid_from")


def _counted(
    store: EventStore, feed: str, scope: Scope, before: Catalogue, after: Catalogue, periods: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    """Count the moved events of a feed, frame by frame."""
    is_in_scope, creatives = in_scope(scope, feed), periods["creative_id"].unique().implode()
    read = dict.fromkeys([*is_in_scope.meta.root_names(), "creative_id", "event_time"])
    for frame in store.scan(feed, [name for name in read if name not in TAKEN], scope.within):
        rows = before.join(frame.filter(pl.col("creative_id").is_in(creatives)))
        rows = after.join(rows.with_columns(is_in_scope.alias("was_in_scope")).rename(_BEFORE))
        rows = rows.with_columns(is_in_scope.alias("is_in_scope")).rename(_AFTER)
        moved = rows.filter(_DIFFERS, pl.any_horizontal("was_in_scope", "is_in_scope")).sort("event_time")
        dated = moved.join_asof(
            periods,
            left_on="event_time",
            right_on="valid_from",
            by="creative_id",
            check_sortedness=False,  # both are sorted; Polars cannot check it by group, and warns
        )
        by_move = dated.with_columns(period("day", scope.zone), feed=pl.lit(feed)).group_by(list(_MOVE))
        yield by_move.agg(number=pl.len().cast(pl.Int64))

"""Journeys: how many touches precede a conversion, of which kind and key, how long before it, and in which order.

A conversion's touches are those of attribution, with one window for clicks and views alike, both ends inclusive. Within
a window a conversion is

    click-through   with at least one click
    view-through    without a click, with an impression
    untouched       with neither

so the three add up to the conversions. Everything else is about the longest window. A conversion counts as often as its
row says.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import check_duration, check_limit
from advertisex.analysis.attribution.touches import Rules, read
from advertisex.analysis.intervals import share
from advertisex.analysis.journeys.followed import followed, paths
from advertisex.analysis.journeys.lags import distribution, quantiles
from advertisex.analysis.journeys.path_text import path_text
from advertisex.analysis.keys import key_of
from advertisex.analysis.listing import LISTED
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import ConfigurationError
from advertisex.reporting.cells import duration_text
from advertisex.stores.contract import EventStore

DEFINITION = "journeys/1"

#: The windows that are compared by default.
WINDOWS = (timedelta(days=1), timedelta(days=7), timedelta(days=28))

_SECONDS = ("min", "p25", "median", "p75", "p90", "p95", "p99", "max")
_CONVERSIONS = pl.col("conversions").sum()


def journeys(
    store: EventStore,
    scope: Scope = Scope(),
    *,
    by: str = "campaign_id",
    within_campaign: bool = False,
    windows: Sequence[timedelta] = WINDOWS,
    limit: int = LISTED,
) -> Answer:
    """Describe the journeys that lead to the conversions of a scope, including touches before the scope.

    Args:
        store: the event store.
        scope: scope of the conversions; for touches only its `until` and `as_of` apply.
        by: the key of a touch: `website`, or a text or flag field of impressions, own fields among them; see `keys`.
        within_campaign: count only touches of the conversion's own campaign.
        windows: how long before a conversion touches count; the longest one is that of lags, lengths and paths.
        limit: maximum number of paths to list.

    Returns:
        Facts: conversions, touched and untouched (i64). Tables:
        `windows`: window, click_through, view_through, untouched (conversions, i64), and the share of each (f64);
        `lags` and `lag_distribution`: see `lags`;
        `lengths`: touches (0 for conversions without one), conversions, conversions_at_least (i64), share (f64);
        `paths`: rank, path, steps, conversions (i64), share (f64), those of the most conversions first;
        `first_last`: first, last (keys of the first and the last touch), conversions (i64), share (f64).
        All shares are of the conversions, except in `lag_distribution`.

    Raises:
        AnalysisError: the scope contains no conversion.
        ConfigurationError: the scope is invalid, no window is given, or one is not above 0 or longer than a hundred
            years, the limit is invalid, or a feed does not have the key.
    """
    scope, limit = check_scope(scope, store, ["clicks"]), check_limit(limit)
    windows = check_windows(windows)
    key = key_of(store, by, ["impressions"])
    rules = Rules(key, within_campaign, split=False, click_window=windows[-1], view_window=windows[-1])
    inputs = read(store, scope, rules, all_users=False)
    found = followed(inputs, rules)
    conversions = int(inputs.conversions.filter("is_target").select(_CONVERSIONS).item())
    untouched = conversions - int(found.select(_CONVERSIONS).item())
    listed, distinct = _most_frequent(found, limit)
    walked = paths(inputs, rules, listed["example"])
    texts = [path_text([inputs.keys[int(key)] for key in walked[one]]) for one in listed["example"]]
    ranks = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("rank")
    most_frequent = listed.select(ranks, pl.Series("path", texts, pl.String), "steps", "conversions")
    return Answer(
        question="journeys",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, ["impressions", "clicks"]),
        computed_from=inputs.rows,
        parameters={
            "by": by,
            "scope": "campaign" if within_campaign else "any",
            "windows": [duration_text(window) for window in windows],
        },
        lookback=rules.lookback,
        facts={"conversions": conversions, "touched": conversions - untouched, "untouched": untouched},
        tables=[
            Table("windows", "Conversions by window", _by_window(found, windows, conversions), keys=("window",)),
            Table("lags", "Lag of conversions", quantiles(found), seconds=_SECONDS),
            Table("lag_distribution", "Conversions by lag", distribution(found, windows[-1])),
            Table("lengths", "Conversions by number of touches", _lengths(found, untouched)),
            Table(
                "paths",
                "Most frequent paths",
                _share(most_frequent, conversions),
                keys=("rank",),
                of=distinct,
                option="--limit",
                prose=("path",),
            ),
            Table(
                "first_last",
                "Conversions by first and last touch",
                _share(_ends(found, inputs.keys), conversions),
                keys=("first", "last"),
            ),
        ],
        charts=[
            Chart("windows", "bar", "window", ("click_through", "view_through", "untouched"), "Conversions by window"),
            Chart("lag_distribution", "bar", "lag", ("from_first", "from_last"), "Conversions by lag"),
            Chart("lengths", "bar", "touches", ("conversions",), "Conversions by number of touches"),
            Chart("first_last", "heatmap", "last", ("first",), "Conversions by first and last touch", "conversions"),
        ],
    )


def check_windows(windows: object, name: str = "windows") -> list[timedelta]:
    """Return the windows in ascending order, without repetitions.

    Raises:
        ConfigurationError: there is none, or one is not a duration above 0 and up to a hundred years.
    """
    found = list(windows) if isinstance(windows, Iterable) and not isinstance(windows, str) else []
    if not found:
        raise ConfigurationError(
            f"{name}: expected a list of durations, got {windows!r}", hint="use [timedelta(days=7)], for example"
        )
    return sorted({check_duration(window, name, minimum=timedelta.resolution) for window in found})


def _by_window(found: pl.DataFrame, windows: Sequence[timedelta], conversions: int) -> pl.DataFrame:
    """Count the conversions of each kind; a click wins over any view."""
    rows = []
    for window in windows:
        clicked, viewed = (
            (pl.col(age) <= window // timedelta(microseconds=1)).fill_null(value=False)
            for age in ("click_age", "view_age")
        )
        counts = found.select(
            pl.col("conversions").filter(clicked).sum().alias("click_through"),
            pl.col("conversions").filter(viewed & ~clicked).sum().alias("view_through"),
        ).row(0)
        rows.append((duration_text(window), *counts, conversions - sum(counts)))
    kinds = ("click_through", "view_through", "untouched")
    table = pl.DataFrame(rows, {"window": pl.String, **dict.fromkeys(kinds, pl.Int64)}, orient="row")
    return table.with_columns(share(pl.col(kind), conversions).alias(f"{kind}_share") for kind in kinds)


def _lengths(found: pl.DataFrame, untouched: int) -> pl.DataFrame:
    """Count the conversions with each number of touches that occurs, and those with that number or more."""
    none = pl.DataFrame({"touches": [0], "conversions": [untouched]}).filter(pl.lit(untouched > 0))
    sums = pl.concat([none, found.select("touches", "conversions")]).group_by("touches").agg(_CONVERSIONS)
    at_least = pl.col("conversions").cum_sum(reverse=True)
    return sums.sort("touches").with_columns(
        conversions_at_least=at_least, share=share(pl.col("conversions"), _CONVERSIONS)
    )


def _most_frequent(found: pl.DataFrame, limit: int) -> tuple[pl.DataFrame, int]:
    """Return the paths of the most conversions (path, steps, conversions, example: one of them), and how many exist.

    Ties go to the path with fewer steps, then to the first and the last key in their order, then to the hash.
    """
    sums = found.group_by("path").agg(
        _CONVERSIONS, pl.col("steps", "first", "last").first(), pl.col("conversion").min().alias("example")
    )
    order = ["conversions", "steps", "first", "last", "path"]
    chosen = sums.sort(order, descending=[True, False, False, False, False]).head(limit)
    return chosen, sums.height


def _ends(found: pl.DataFrame, keys: pl.Series) -> pl.DataFrame:
    """Count the conversions with each pair of first and last key."""
    sums = found.group_by("first", "last").agg(_CONVERSIONS).sort("first", "last")
    return sums.with_columns(first=keys[sums["first"]], last=keys[sums["last"]])


def _share(rows: pl.DataFrame, conversions: int) -> pl.DataFrame:
    return rows.with_columns(share=share(pl.col("conversions"), conversions))

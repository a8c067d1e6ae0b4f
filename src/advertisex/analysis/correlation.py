"""Correlation between the clicks and the conversions of users.

Definitions, over the users with any row in the clicks feed: x is a user's clicks, y the user's conversions.

    clicks_per_conversion   Σx / Σy, called correlation in the original case study; null without a conversion
    std_deviation           square root of Σ(x − mean)² / n       (population, as Elasticsearch names it)
    std_deviation_sampling  square root of Σ(x − mean)² / (n − 1) (sample); null for one user
    pearson r               (nΣxy − ΣxΣy) / √((nΣx² − (Σx)²)(nΣy² − (Σy)²)); null where x or y is constant
    spearman rho            Pearson's r of the ranks, ties get their mean rank
    p                       two-sided, Student's t with n − 2 degrees of freedom, t = r √((n − 2) / (1 − r²))

All sums are exact integers, so the result depends neither on the order of the events nor on the store.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, get_args

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import ByDay, optional
from advertisex.analysis.calendar import period
from advertisex.analysis.money import check_integers
from advertisex.analysis.scan import categorical, scan_events
from advertisex.analysis.scope import Scope, check_scope
from advertisex.analysis.student_t import two_sided_p
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

DEFINITION = "correlation/1"

_CHARTS = [Chart("per_user", "bar", "kind", ("mean", "median", "std_deviation"), "Clicks and conversions per user")]
_CHARTS_BY_DAY = [
    Chart("days", "line", "day", ("r", "rho"), "Correlation of clicks and conversions by day"),
    Chart("days", "line", "day", ("clicks_per_conversion",), "Clicks per conversion by day"),
]
_RATIOS = ("clicks_per_conversion", "r", "r_p", "rho", "rho_p")


@dataclass(frozen=True, slots=True)
class Distribution:
    """Distribution of a count over users."""

    sum: int
    mean: float
    median: float
    std_deviation: float
    std_deviation_sampling: float | None


@dataclass(frozen=True, slots=True)
class Correlation:
    """How the clicks and conversions of users are distributed and related.

    Attributes:
        users: number of users with any row in the clicks feed.
        clicks: distribution of the clicks per user.
        conversions: distribution of the conversions per user.
        clicks_per_conversion: ratio of the totals; None without a conversion.
        r: Pearson's r; None if undefined.
        r_p: two-sided p-value of r.
        rho: Spearman's rho; None if undefined.
        rho_p: two-sided p-value of rho.
    """

    users: int
    clicks: Distribution
    conversions: Distribution
    clicks_per_conversion: float | None
    r: float | None
    r_p: float | None
    rho: float | None
    rho_p: float | None

    def facts(self) -> dict[str, Any]:
        """Return the facts of the answer."""
        return {
            "users": self.users,
            "clicks": asdict(self.clicks),
            "conversions": asdict(self.conversions),
            "clicks_per_conversion": self.clicks_per_conversion,
            "pearson": {"r": self.r, "p": self.r_p, "n": self.users},
            "spearman": {"rho": self.rho, "p": self.rho_p, "n": self.users},
        }

    def row(self) -> dict[str, Any]:
        """Return the facts as one table row, with each distribution reduced to its sum."""
        return asdict(self) | {"clicks": self.clicks.sum, "conversions": self.conversions.sum}


def correlate(store: EventStore, scope: Scope = Scope(), *, by: ByDay | None = None) -> Answer:
    """Correlate the clicks and conversions of users within the scope.

    Args:
        store: the event store.
        scope: selects the events.
        by: the breakdown; None gives totals only.

    Returns:
        Facts: users (i64), clicks and conversions (their distributions over users), clicks_per_conversion (f64 or
        None), pearson and spearman. Tables `per_user` (the distributions) and `measures` (the ratio and the
        coefficients). By day, instead, the table `days`: day (Date), users, clicks,
        conversions (i64), clicks_per_conversion, r, r_p, rho, rho_p (f64 or null), over the users with a row on that
        day. Days without rows are left out.

    Raises:
        ConfigurationError: the scope is invalid, or the breakdown is unknown.
        AnalysisError: the scope contains no clicks and no conversions, or a sum may overflow.
    """
    scope, by = check_scope(scope, store, ["clicks"]), optional(by, get_args(ByDay), "by")
    totals = _user_totals(store, scope)
    if not totals.height:
        raise AnalysisError(
            "no clicks or conversions found",
            where=scope.text(),
            hint="widen the range, or process clicks first",
        )
    found = relate(totals)
    return Answer(
        question="correlation",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, ["clicks"]),
        computed_from={"clicks": _rows(store, scope)},
        parameters={} if by is None else {"by": by},
        facts=found.facts(),
        tables=_totals(found) if by is None else [Table("days", "Correlation by day", _days(store, scope))],
        charts=_CHARTS if by is None else _CHARTS_BY_DAY,
    )


def _totals(found: Correlation) -> list[Table]:
    kinds = [{"kind": kind, **asdict(getattr(found, kind))} for kind in ("clicks", "conversions")]
    measures = [
        ("clicks_per_conversion", found.clicks_per_conversion, None),
        ("pearson_r", found.r, found.r_p),
        ("spearman_rho", found.rho, found.rho_p),
    ]
    columns = {"measure": pl.String, "value": pl.Float64, "p": pl.Float64}
    return [
        Table(
            "per_user",
            "Clicks and conversions per user",
            pl.DataFrame(kinds, schema_overrides={"std_deviation_sampling": pl.Float64}),
        ),
        Table("measures", "Correlation of clicks and conversions", pl.DataFrame(measures, columns, orient="row")),
    ]


def _days(store: EventStore, scope: Scope) -> pl.DataFrame:
    user, day = categorical("user_id", pl.Categories.random()), period("day", scope.zone)
    totals = (
        scan_events(store, "clicks", scope, user, day, pl.col("clicks"), pl.col("conversions"))
        .group_by("day", "user_id")
        .agg(pl.col("clicks", "conversions").sum())
        .sort("day")
    )
    days = totals.partition_by("day", maintain_order=True, as_dict=True)
    rows = [{"day": day, **relate(group).row()} for (day,), group in days.items()]
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(_RATIOS, pl.Float64))


def relate(totals: pl.DataFrame) -> Correlation:
    """Correlate the clicks and conversions (i64) of each user."""
    clicks, conversions = totals["clicks"], totals["conversions"]
    r, r_p = _pearson(clicks, conversions)
    # twice the mean rank is an integer, so sums of ranks are exact too
    rho, rho_p = _pearson(*((s.rank("average") * 2).cast(pl.Int64) for s in (clicks, conversions)))
    total = int(conversions.sum())
    return Correlation(
        users=totals.height,
        clicks=_distribution(clicks),
        conversions=_distribution(conversions),
        clicks_per_conversion=int(clicks.sum()) / total if total else None,
        r=r,
        r_p=r_p,
        rho=rho,
        rho_p=rho_p,
    )


def _user_totals(store: EventStore, scope: Scope) -> pl.DataFrame:
    if not scope.where:
        return store.user_totals(scope.within, scope.campaign)
    rows = scan_events(store, "clicks", scope, *map(pl.col, ("user_id", "clicks", "conversions")))
    return rows.group_by("user_id").agg(pl.col("clicks", "conversions").sum()).sort("user_id")


def _rows(store: EventStore, scope: Scope) -> int:
    if not scope.conditions("clicks"):
        return store.extent("clicks", scope.within).events
    return scan_events(store, "clicks", scope, pl.col("campaign_id")).height


def _distribution(x: pl.Series) -> Distribution:
    n, total = len(x), _sum(x)
    spread = n * _sum(x, x) - total**2  # n² times the variance
    median = x.median()
    assert isinstance(median, float)
    return Distribution(
        sum=total,
        mean=total / n,
        median=median,
        std_deviation=math.sqrt(spread / n**2),
        std_deviation_sampling=math.sqrt(spread / (n * (n - 1))) if n > 1 else None,
    )


def _pearson(x: pl.Series, y: pl.Series) -> tuple[float | None, float | None]:
    n = len(x)
    covariance = n * _sum(x, y) - _sum(x) * _sum(y)
    product = (n * _sum(x, x) - _sum(x) ** 2) * (n * _sum(y, y) - _sum(y) ** 2)
    if not product:
        return None, None
    r = math.copysign(math.sqrt(covariance**2 / product), covariance)
    return r, _p_value(covariance, product, n)


def _p_value(covariance: int, product: int, n: int) -> float | None:
    """The p-value of r = covariance / √product; 1 − r² is computed exactly, to avoid cancellation."""
    if n < 3:
        return None
    return two_sided_p(product - covariance**2, product, n - 2)


def _sum(x: pl.Series, y: pl.Series | None = None) -> int:
    """Σx or Σxy of counts, exact in 128 bits.

    Raises:
        AnalysisError: it may overflow.
    """
    wide = x.cast(pl.Int128)
    largest: Any = (x.max(), 1 if y is None else y.max())
    check_integers(math.prod(largest), len(x))
    return int((wide if y is None else wide * y.cast(pl.Int128)).sum())

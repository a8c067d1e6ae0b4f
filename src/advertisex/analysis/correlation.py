"""Correlation: how the clicks and the conversions of users relate.

Definitions. Over the users who have any row in the clicks feed: x is a user's clicks, y the conversions.

    clicks_per_conversion   Σx / Σy, what the original case study calls correlation; null without a conversion
    std_deviation           square root of Σ(x − mean)² / n       (population, as Elasticsearch names it)
    std_deviation_sampling  square root of Σ(x − mean)² / (n − 1) (sample); null for one user
    pearson r               (nΣxy − ΣxΣy) / √((nΣx² − (Σx)²)(nΣy² − (Σy)²)); null where x or y is constant
    spearman rho            Pearson's r of the ranks, ties sharing their mean rank
    p                       two-sided, Student's t with n − 2 degrees of freedom, t = r √((n − 2) / (1 − r²))

All sums are exact integers, so the result depends neither on the order of the events nor on the store.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

DEFINITION = "correlation/1"


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a count is spread over users."""

    sum: int
    mean: float
    median: float
    std_deviation: float
    std_deviation_sampling: float | None


@dataclass(frozen=True, slots=True)
class Correlation:
    """The answer.

    Attributes:
        scope: what was asked about.
        users: users with any row in the clicks feed.
        clicks: of each user.
        conversions: of each user.
        clicks_per_conversion: null where there is no conversion.
        r: Pearson's, null where it is not defined.
        r_p: its two-sided p-value.
        rho: Spearman's, null where it is not defined.
        rho_p: its two-sided p-value.
    """

    scope: Scope
    users: int
    clicks: Distribution
    conversions: Distribution
    clicks_per_conversion: float | None
    r: float | None
    r_p: float | None
    rho: float | None
    rho_p: float | None

    def to_dict(self) -> dict[str, Any]:
        """The answer as one JSON document."""
        return {
            "definition": DEFINITION,
            "range": self.scope.to_dict(),
            "users": self.users,
            "clicks": asdict(self.clicks),
            "conversions": asdict(self.conversions),
            "clicks_per_conversion": self.clicks_per_conversion,
            "pearson": {"r": self.r, "p": self.r_p, "n": self.users},
            "spearman": {"rho": self.rho, "p": self.rho_p, "n": self.users},
        }


def correlate(store: EventStore, scope: Scope) -> Correlation:
    """Relate the clicks and conversions of users within the scope.

    Raises:
        AnalysisError: no click and no conversion is stored there.
    """
    totals = store.user_totals(scope.within, scope.campaign)
    if not totals.height:
        raise AnalysisError(
            "no click or conversion is stored there",
            where=scope.text(),
            mend="widen the range, or process some first",
        )
    clicks, conversions = totals["clicks"], totals["conversions"]
    r, r_p = _pearson(clicks, conversions)
    # Twice the mean rank is a whole number, so ranks are summed as exactly as counts
    rho, rho_p = _pearson(*((s.rank("average") * 2).cast(pl.Int64) for s in (clicks, conversions)))
    total = int(conversions.sum())
    return Correlation(
        scope=scope,
        users=totals.height,
        clicks=_distribution(clicks),
        conversions=_distribution(conversions),
        clicks_per_conversion=int(clicks.sum()) / total if total else None,
        r=r,
        r_p=r_p,
        rho=rho,
        rho_p=rho_p,
    )


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
    """Of r = covariance / √product: 1 − r² is taken before rounding, where it matters most."""
    from scipy.special import stdtr  # noqa: PLC0415 - slow to import, and only this needs it

    freedom = n - 2
    if freedom < 1:
        return None
    unexplained = product - covariance**2
    if not unexplained:
        return 0.0
    t = math.sqrt(freedom * covariance**2 / unexplained)
    return float(2 * stdtr(freedom, -t))


def _sum(x: pl.Series, y: pl.Series | None = None) -> int:
    """Σx, or Σxy, exact: in 128 bits."""
    wide = x.cast(pl.Int128)
    return int((wide if y is None else wide * y.cast(pl.Int128)).sum())

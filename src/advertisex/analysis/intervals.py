"""Ratios of counts and their confidence intervals."""

import polars as pl

#: Confidence level of the intervals, and the corresponding quantile of the standard normal distribution.
CONFIDENCE = 0.95
Z = 1.959963984540054


def ratio(count: str, of: str, name: str) -> pl.Expr:
    """Divide one column of counts by another (Float64); null if the divisor is 0."""
    return pl.when(pl.col(of) != 0).then(pl.col(count) / pl.col(of)).alias(name)


def share(count: pl.Expr, of: int | pl.Expr) -> pl.Expr:
    """Divide a column of integers by one number, not 0, and round once (Float64).

    Polars multiplies by the reciprocal of a single divisor, which rounds twice; hence the column of divisors.
    """
    return count / (count * 0 + of)


def rate(count: str, of: str, name: str) -> list[pl.Expr]:
    """A ratio with its 95 % Wilson score interval, as columns `name`, `name_low`, `name_high` (Float64).

    With k successes in n trials, p = k / n: (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n).
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927) 209-212.

    Args:
        count: integer column of successes.
        of: integer column of trials.
        name: name of the ratio.

    Returns:
        The three columns; all null without trials. If there are more successes than trials, only the interval
        is null.
    """
    k, n = pl.col(count), pl.col(of)
    p, spread = k / n, Z**2 / n
    middle = p + spread / 2
    half = Z * (p * (1 - p) / n + spread / (4 * n)).sqrt()
    low = pl.when(k == 0).then(0.0).otherwise((middle - half) / (1 + spread))  # exactly 0, without rounding noise
    high = pl.when(k == n).then(1.0).otherwise((middle + half) / (1 + spread))
    is_known = (n > 0) & (k <= n)
    return [
        ratio(count, of, name),
        pl.when(is_known).then(low).alias(f"{name}_low"),
        pl.when(is_known).then(high).alias(f"{name}_high"),
    ]

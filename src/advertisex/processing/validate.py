"""Validate stage: checks rows against the rules of the feed."""

from collections.abc import Sequence

import polars as pl

from advertisex.codecs.rejection import Rejection, shown
from advertisex.feeds import Feed, Rule
from advertisex.processing.rejected import rejected_frame


def validate(
    standardised: pl.DataFrame, decoded: pl.DataFrame, feed: Feed, ingested_at: Sequence[int]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into valid ones and those that break a rule.

    Args:
        standardised: events with `row`.
        decoded: the same rows, with the text of each field.
        feed: the feed, with its rules.
        ingested_at: when each message was ingested, in microseconds since the epoch; indexed by `row`.

    Returns:
        The valid rows, with `ingested_at` (µs) added; and the rejected ones (see `rejected_frame`), each with the
        code of the first rule it breaks, and a detail with the field and its value.
    """
    ingested = pl.Series("ingested_at", ingested_at, dtype=pl.Int64).cast(pl.Datetime("us"))
    standardised = standardised.with_columns(ingested.gather(standardised["row"]))
    reason = standardised.select(_first_broken(feed.rules)).to_series()
    if reason.null_count() == standardised.height:
        return standardised, rejected_frame("validate", {})
    broken = decoded.with_columns(reason.alias("rule")).filter(pl.col("rule").is_not_null())
    rejections = {row["row"]: _rejection(feed.rules[row["rule"]], row) for row in broken.iter_rows(named=True)}
    return standardised.filter(reason.is_null()), rejected_frame("validate", rejections)


def _first_broken(rules: Sequence[Rule]) -> pl.Expr:
    """The index of the first rule that a row breaks, or null."""
    numbered = (pl.when(rule.broken).then(pl.lit(number, dtype=pl.UInt16)) for number, rule in enumerate(rules))
    return pl.coalesce(*numbered)


def _rejection(rule: Rule, texts: dict[str, object]) -> Rejection:
    return Rejection(rule.code, f"{rule.field}: {rule.requirement}, got {shown(texts[rule.field])}")

"""Stage 3, validate: the feed's rules decide what is an event."""

from collections.abc import Sequence

import polars as pl

from advertisex.feeds import Feed, Rule
from advertisex.processing.refusals import Refusal, refused_frame, shown


def validate(standardised: pl.DataFrame, feed: Feed) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the rows that keep every rule from those that break one.

    Returns:
        The valid rows, columns as they came; and the refused ones (see `refused_frame`), each with the first
        rule that it breaks and a detail that names the field and shows the value.
    """
    verdict = standardised.select(_first_broken(feed.rules)).to_series()
    if verdict.null_count() == standardised.height:
        return standardised, refused_frame("validate", {})
    # A time that was read may lie outside the years that Python knows; a detail shows the text as it came
    times = [name for name, dtype in standardised.schema.items() if dtype == pl.Datetime]
    broken = standardised.drop(times).with_columns(verdict.alias("rule")).filter(pl.col("rule").is_not_null())
    refusals = {row["row"]: _refusal(feed.rules[row["rule"]], row) for row in broken.iter_rows(named=True)}
    return standardised.filter(verdict.is_null()), refused_frame("validate", refusals)


def _first_broken(rules: Sequence[Rule]) -> pl.Expr:
    """The number of the first rule that a row breaks, or null."""
    numbered = (pl.when(rule.broken).then(pl.lit(number, dtype=pl.UInt8)) for number, rule in enumerate(rules))
    return pl.coalesce(*numbered)


def _refusal(rule: Rule, row: dict[str, object]) -> Refusal:
    value = row.get(f"raw.{rule.field}", row.get(rule.field))
    return Refusal(rule.code, f"{rule.field}: {rule.says}, got {shown(value)}")

"""Enrich stage: adds the registered domain of the website. The campaign is looked up when a question is asked."""

import polars as pl

from advertisex.processing.websites import registered_domains


def enrich(kept: pl.DataFrame) -> pl.DataFrame:
    """Add `domain` (String) if the feed has a website."""
    if "host" not in kept.columns:
        return kept
    return kept.with_columns(registered_domains(kept["host"]).alias("domain"))

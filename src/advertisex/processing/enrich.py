"""Enrich stage: adds the registered domain of the website, and the creative's campaign and advertiser."""

from dataclasses import dataclass, field

import polars as pl

from advertisex.processing.websites import registered_domains

_COLUMNS = ("creative_id", "campaign_id", "advertiser_id")


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(_COLUMNS, pl.String))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The campaign and advertiser of each creative.

    Attributes:
        creatives: creative_id (unique), campaign_id, advertiser_id; all String.
    """

    creatives: pl.DataFrame = field(default_factory=_empty)


def enrich(kept: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Add `domain` if the feed has a website, and `campaign_id` and `advertiser_id` if it has a creative.

    Both are null if the creative is not in the catalogue.
    """
    if "host" in kept.columns:
        kept = kept.with_columns(registered_domains(kept["host"]).alias("domain"))
    if "creative_id" not in kept.columns:
        return kept
    return kept.join(catalogue.creatives, on="creative_id", how="left", maintain_order="left")

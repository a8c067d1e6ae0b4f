"""Stage 5, enrich: the registered domain of the website, and campaign and advertiser of the creative."""

from dataclasses import dataclass, field

import polars as pl

from advertisex.processing.websites import registered_domains

_COLUMNS = ("creative_id", "campaign_id", "advertiser_id")


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(_COLUMNS, pl.String))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Which campaign and advertiser each creative belongs to.

    Attributes:
        creatives: creative_id (unique), campaign_id, advertiser_id; all String.
    """

    creatives: pl.DataFrame = field(default_factory=_empty)


def enrich(kept: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Add `domain`, `campaign_id` and `advertiser_id` where the feed has a website or a creative.

    A creative that the catalogue lacks keeps null for both: it is stored, and shows as a gap.
    """
    if "host" in kept.columns:
        kept = kept.with_columns(registered_domains(kept["host"]).alias("domain"))
    if "creative_id" not in kept.columns:
        return kept
    return kept.join(catalogue.creatives, on="creative_id", how="left", maintain_order="left")

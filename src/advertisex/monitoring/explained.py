"""Anomalies that a larger incident explains: only the most general one is reported."""

import polars as pl


def drop_explained(flagged: pl.DataFrame) -> pl.DataFrame:
    """Drop rows explained by a larger incident.

    These are all metrics of a silent feed, campaigns whose feed is bad too, and the volume of the clicks of a campaign
    whose impressions are bad too.
    """
    bad, metric = flagged.filter("bad"), pl.col("metric")
    keys = ["bucket", "feed"]
    silent = bad.filter(metric == "silence").select(keys)
    of_feeds = bad.filter(pl.col("campaign").is_null()).select(*keys, "metric")
    feeds, campaigns = flagged.filter(pl.col("campaign").is_null()), flagged.filter(pl.col("campaign").is_not_null())
    low = (metric == "volume") & (pl.col("value") < pl.col("low")) & (pl.col("feed") == "impressions")
    unseen = bad.filter(low).select("bucket", "campaign", "metric", feed=pl.lit("clicks"))
    campaigns = campaigns.join(unseen, on=["bucket", "campaign", "metric", "feed"], how="anti")
    kept = pl.concat([feeds.filter(metric != "silence"), campaigns.join(of_feeds, on=[*keys, "metric"], how="anti")])
    return pl.concat([feeds.filter(metric == "silence"), kept.join(silent, on=keys, how="anti")])

"""Finds impressions without a campaign, because the catalogue does not know their creative, in the partner's numbers.

The partner knows the campaign, so they are missing from ours in other campaigns of the same day. What is left
unexplained there is taken for them if the days fit: if that explains more than three quarters of them in the sums of
the days.
"""

from collections import Counter
from datetime import date

import polars as pl


def found_elsewhere(without: pl.DataFrame, rest: pl.DataFrame) -> dict[tuple[str, date], int]:
    """Assign impressions without a campaign to campaigns.

    Args:
        without: day and amount of our impressions without a campaign.
        rest: campaign_id, day, and rest: what the other causes leave of the gap.

    Returns:
        The part of each campaign and day, in the order of campaigns until all of a day are assigned; empty if the days
        do not fit.
    """
    known, left = Counter[date](), Counter[date]()
    for day, amount in without.select("day", "amount").iter_rows():
        known[day] += amount
    for day, amount in rest.select("day", "rest").iter_rows():
        left[day] += amount
    explained = sum(abs(left[day]) - abs(left[day] - number) for day, number in known.items())
    if 2 * explained <= known.total():
        return {}
    found = {}
    for campaign, day, amount in rest.sort("day", "campaign_id").select("campaign_id", "day", "rest").iter_rows():
        if part := min(max(amount, 0), known[day]):
            found[campaign, day] = part
            known[day] -= part
    return found

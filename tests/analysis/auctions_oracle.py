"""Reference implementation of auctions in plain loops."""

from datetime import timedelta
from typing import Any


def winners(bids: list[dict[str, Any]], impressions: list[dict[str, Any]]) -> set[bytes]:
    """The event ids of the bids that won, impression by impression."""
    chosen = (selected(bids, impression) for impression in impressions)
    return {bid["event_id"] for bid in chosen if bid is not None}


def selected(bids: list[dict[str, Any]], impression: dict[str, Any]) -> dict[str, Any] | None:
    """The bid that an impression selects, if any."""
    rivals = [
        row
        for row in bids
        if row["auction_id"] is not None
        and row["auction_id"] == impression["auction_id"]
        and abs(row["event_time"] - impression["event_time"]) <= timedelta(days=1)
    ]
    theirs = [row for row in rivals if row["creative_id"] == impression["creative_id"]] or rivals
    earlier = [row for row in theirs if row["event_time"] <= impression["event_time"]]
    if not theirs:
        return None
    when = max(row["event_time"] for row in earlier) if earlier else min(row["event_time"] for row in theirs)
    return max((row for row in theirs if row["event_time"] == when), key=lambda row: row["event_id"])

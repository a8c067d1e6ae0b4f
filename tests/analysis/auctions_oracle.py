"""Reference implementation of auctions in plain loops."""

from datetime import timedelta
from typing import Any


def winners(bids: list[dict[str, Any]], impressions: list[dict[str, Any]]) -> set[bytes]:
    """The event ids of the bids that won, impression by impression."""
    won = set()
    for impression in impressions:
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
            continue
        when = max(row["event_time"] for row in earlier) if earlier else min(row["event_time"] for row in theirs)
        won.add(max(row["event_id"] for row in theirs if row["event_time"] == when))
    return won

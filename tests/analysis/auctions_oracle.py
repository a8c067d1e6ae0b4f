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
        theirs = [row for row in rivals if row["creative_id"] == impression["creative_id"]]
        if rivals:
            won.add(max(theirs or rivals, key=lambda row: (row["event_time"], row["event_id"]))["event_id"])
    return won

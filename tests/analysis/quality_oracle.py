"""Reference implementation of the quality checks in plain Python, written from docs/metrics.md only."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

Row = dict[str, Any]

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def percentile(values: Sequence[int], percent: int) -> int:
    """The smallest value that at least this percentage of the values does not exceed."""
    return next(
        v for v in sorted(values) if Fraction(sum(x <= v for x in values), len(values)) >= Fraction(percent, 100)
    )


def place(row: Row) -> tuple[datetime, bytes]:
    return row["event_time"], row["event_id"]


def matched_impression(click: Row, impressions: Sequence[Row]) -> Row | None:
    """The impression that a click is matched to."""
    own = [
        i
        for i in impressions
        if i["user_id"] == click["user_id"]
        and i["campaign_id"] == click["campaign_id"]
        and timedelta(0) <= click["event_time"] - i["event_time"] <= 30 * DAY
    ]
    return max(own, key=place, default=None)


def clicks_without_impression(clicks: Sequence[Row], impressions: Sequence[Row]) -> list[Row]:
    return [c for c in clicks if c["clicks"] > 0 and matched_impression(c, impressions) is None]


def conversions_without_touch(rows: Sequence[Row], clicks: Sequence[Row], impressions: Sequence[Row]) -> list[Row]:
    def is_touched(conversion: Row) -> bool:
        def near(touch: Row, window: timedelta) -> bool:
            age = conversion["event_time"] - touch["event_time"]
            return touch["user_id"] == conversion["user_id"] and timedelta(0) <= age <= window

        return any(c["clicks"] > 0 and near(c, 30 * DAY) for c in clicks) or any(near(i, DAY) for i in impressions)

    return [r for r in rows if r["conversions"] > 0 and not is_touched(r)]


def impressions_without_bid(rows: Sequence[Row], bids: Sequence[Row]) -> list[Row]:
    return [
        i
        for i in rows
        if i["auction_id"] is not None
        and not any(b["auction_id"] == i["auction_id"] and abs(b["event_time"] - i["event_time"]) <= DAY for b in bids)
    ]


def creatives_without_campaign(impressions: Sequence[Row], bids: Sequence[Row]) -> dict[str, tuple[int, int]]:
    counts = [
        Counter(r["creative_id"] for r in rows if r["creative_id"] is not None and r["campaign_id"] is None)
        for rows in (impressions, bids)
    ]
    return {creative: (counts[0][creative], counts[1][creative]) for creative in counts[0] | counts[1]}


def campaigns_without_creative(clicks: Sequence[Row], campaigns: set[str]) -> dict[str, int]:
    return Counter(c["campaign_id"] for c in clicks if campaigns and c["campaign_id"] not in campaigns)


def unknown_currencies(rows: dict[str, list[Row]], known: set[str]) -> dict[tuple[str, str], int]:
    return Counter(
        (feed, r["currency"]) for feed, own in rows.items() for r in own if r["currency"] not in {None, *known}
    )


def instant_clicks(
    rows: Sequence[Row], own_impressions: Sequence[Row], impressions: Sequence[Row]
) -> set[bytes] | None:
    """Clicks too soon after their impression; None if a feed has events, but only times in whole seconds.

    Args:
        rows: the rows of the clicks feed in the scope.
        own_impressions: the impressions in the scope.
        impressions: all impressions that a click may match.
    """
    clicks = [c for c in rows if c["clicks"] > 0]
    for events in (clicks, own_impressions):
        if events and all(is_whole(e["event_time"]) for e in events):
            return None
    found = set()
    for click in clicks:
        seen = matched_impression(click, impressions)
        if seen is None or is_whole(click["event_time"]) or is_whole(seen["event_time"]):
            continue
        if timedelta(0) < click["event_time"] - seen["event_time"] < timedelta(milliseconds=300):
            found.add(click["event_id"])
    return found


def is_whole(time: datetime) -> bool:
    return time == time.replace(microsecond=0)


def runs(rows: Sequence[Row], *, on_domains: bool) -> set[bytes]:
    """Five consecutive events of a user in less than a second; impressions also on five domains."""
    found: set[bytes] = set()
    of_users = defaultdict(list)
    for row in sorted(rows, key=place):
        if row["domain"] is not None if on_domains else row["clicks"] > 0:
            of_users[row["user_id"]].append(row)
    for own in of_users.values():
        for start in range(len(own) - 4):
            run = own[start : start + 5]
            if run[-1]["event_time"] - run[0]["event_time"] < SECOND and (
                not on_domains or len({r["domain"] for r in run}) == 5
            ):
                found |= {r["event_id"] for r in run}
    return found


def outliers(rows: Sequence[Row], number: str | None, least: int, deviations: float = 3.5) -> tuple[set[bytes], int]:
    """The events of outlier days, and the daily number from which a day is one."""
    days: dict[Any, int] = defaultdict(int)
    rows = [r for r in rows if number is None or r[number] > 0]
    for row in rows:
        days[row["user_id"], row["event_time"].date()] += 1 if number is None else row[number]
    logarithms = [math.log(n) for n in days.values()]
    center = median(logarithms)
    spread = max(1.4826 * median([abs(x - center) for x in logarithms]), math.log(2))
    first = max(least, int(math.exp(center + deviations * spread)) + 1)
    return {r["event_id"] for r in rows if days[r["user_id"], r["event_time"].date()] >= first}, first


def median(values: Sequence[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2

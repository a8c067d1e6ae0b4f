"""Reference implementation of costs and performance in plain loops, over fractions."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from advertisex.analysis.scope import Scope
from tests.analysis.auctions_oracle import selected
from tests.analysis.small_worlds import Dataset, Rows
from tests.analysis.test_impression_match import expected_match

#: amount, currency, source
Charge = tuple[Fraction, str | None, str]
#: What a row counts under.
KeyOf = Callable[[dict[str, Any], datetime], Any]

SMALLEST = Fraction(1, 10**15)


def flight_of(flights: Rows, campaign: str | None, time: datetime) -> dict[str, Any]:
    for flight in flights:
        if flight["campaign_id"] == campaign and flight["start"] <= time < flight["end"]:
            return flight
    return {}


def impression_charge(data: Dataset, flights: Rows, impression: dict[str, Any]) -> Charge | None:
    flight = flight_of(flights, impression["campaign_id"], impression["event_time"])
    if flight.get("rate_type") == "fixed":
        return None
    bid = selected(data.bids, impression)
    if bid is not None:
        same = [row for row in data.impressions if (selected(data.bids, row) or {}).get("event_id") == bid["event_id"]]
        first = min(same, key=lambda row: (row["event_time"], row["event_id"]))
        bid = bid if first["event_id"] == impression["event_id"] else None
    bid = bid or {"price_paid": None, "amount": None, "currency": None}
    rate = flight.get("rate_type")
    candidates = [
        (impression["cost"], 1, impression["currency"], "cost"),
        (bid["price_paid"], 1, bid["currency"], "price_paid"),
        (impression["clearing_price"], 1000, impression["currency"], "clearing_price"),
        (flight["rate"] if rate == "cpm" else None, 1000, flight.get("currency"), "rate"),
        (None if rate else bid["amount"], 1, bid["currency"], "bid"),
    ]
    return next(((Fraction(a) / by, currency, source) for a, by, currency, source in candidates if a is not None), None)


def click_charge(data: Dataset, flights: Rows, row: dict[str, Any]) -> Charge | None:
    flight = flight_of(flights, row["campaign_id"], row["event_time"])
    counted = {"cpc": "clicks", "cpa": "conversions"}.get(flight.get("rate_type", ""))
    if counted is None or not row[counted]:
        return None
    match = expected_match(row, data.impressions)
    stated = match and impression_charge(data, flights, match)
    if stated and stated[2] in ("cost", "price_paid", "clearing_price"):
        return None
    return Fraction(flight["rate"]) * row[counted], flight["currency"], "rate"


def fee_until(flight: dict[str, Any], time: datetime) -> Fraction:
    share = Fraction(
        (time - flight["start"]) // timedelta.resolution, (flight["end"] - flight["start"]) // timedelta.resolution
    )
    return Fraction(flight["rate"]) * min(max(share, Fraction(0)), Fraction(1)) // SMALLEST * SMALLEST


def sold(data: Dataset, row: dict[str, Any]) -> dict[str, Any]:
    """The row that a row of the clicks feed counts under: that of the conversion which a refund takes back."""
    if row["value"] is None or row["value"] >= 0 or row["transaction_id"] is None:
        return row
    known = [one for one in data.clicks if one["transaction_id"] == row["transaction_id"] and one["conversions"] > 0]
    return min(known, key=lambda one: (one["event_time"], one["event_id"]), default=row)


def expected(
    data: Dataset, flights: Rows, scope: Scope, of_impression: KeyOf, of_click: KeyOf
) -> dict[Any, dict[str, Any]]:
    """Counts and money by key; fees count under null."""
    found: dict[Any, dict[str, Any]] = defaultdict(
        lambda: (
            {"impressions": 0, "clicks": 0, "conversions": 0, "spend": defaultdict(Fraction), "sources": set()}
            | {name: defaultdict(Fraction) for name in ("gross_revenue", "refunds")}
        )
    )

    def is_in_range(time: datetime) -> bool:
        return (scope.since is None or scope.since <= time) and (scope.until is None or time < scope.until)

    def charge(key: Any, what: Charge | None) -> None:
        if what:
            found[key]["spend"][what[1]] += what[0]
            found[key]["sources"].add((what[1], what[2]))

    for row in data.impressions:
        if is_in_range(row["event_time"]) and scope.campaign in (None, row["campaign_id"]):
            key = of_impression(row, row["event_time"])
            found[key]["impressions"] += 1
            charge(key, impression_charge(data, flights, row))
    for row in data.clicks:
        counts_under = sold(data, row)
        if not is_in_range(row["event_time"]) or scope.campaign not in (None, counts_under["campaign_id"]):
            continue
        refund, earned = row["value"] is not None and row["value"] < 0, row["conversions"] > 0
        if not (row["clicks"] or earned or refund):
            continue
        key = of_click(counts_under, row["event_time"])
        found[key]["clicks"] += row["clicks"]
        found[key]["conversions"] += row["conversions"]
        charge(key, click_charge(data, flights, row))
        if row["value"] is not None and (refund or earned):
            found[key]["refunds" if refund else "gross_revenue"][row["currency"]] += abs(Fraction(row["value"]))
    return found


def expected_fees(data: Dataset, flights: Rows, scope: Scope) -> dict[str, dict[str, Fraction]]:
    """The fees that are due in a scope: by campaign and currency."""
    last = max(row["event_time"] for rows in (data.impressions, data.clicks, data.bids) for row in rows)
    found: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for flight in flights:
        if flight["rate_type"] == "fixed" and scope.campaign in (None, flight["campaign_id"]):
            start, end = scope.since or flight["start"], min(scope.until or last, last)
            due = fee_until(flight, end) - fee_until(flight, start)
            if due > 0:
                found[flight["campaign_id"]][flight["currency"]] += due
    return found

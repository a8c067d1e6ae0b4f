"""Small worlds of which a partner has a report: what happened is known, and so is why the partner counts otherwise."""

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from advertisex.analysis.reconciliation.partner_report import REPORT_ROWS, PartnerReport
from advertisex.feeds import FEEDS
from advertisex.logs.contract import EventLog
from advertisex.processing.runner import process_log
from advertisex.stores.contract import EventStore
from advertisex.testing import ManualClock, memory_log, memory_store
from tests.catalogues import catalogue_rows

#: The clocks of Europe change on the fourth day.
START = datetime(2026, 3, 26)
FIRST, DAYS = START.date(), 6
CAMPAIGNS = ("k1", "k2", "k3")
CATALOGUE = catalogue_rows(
    {"creative_id": ["c1", "c2", "c3"], "campaign_id": list(CAMPAIGNS), "advertiser_id": ["a"] * 3}
)
MEASURES = ("impressions", "clicks", "conversions", "cost", "revenue")


@dataclass(frozen=True)
class Seen:
    """What happened, and what became of it: it was stored, or what the partner may count otherwise.

    `kind` is stored, duplicates, filtered, rejected, invalid_traffic, late_events or unknown_creative.
    """

    feed: str
    campaign: str
    at: datetime
    kind: str = "stored"
    conversion: bool = False
    cost: str = "0"
    value: str = "0"


@dataclass(frozen=True)
class World:
    """A log and a store, and what happened."""

    log: EventLog
    store: EventStore
    seen: Sequence[Seen]
    report_time: datetime
    start: datetime = START


@dataclass(frozen=True)
class Partner:
    """How a partner counts.

    Attributes:
        counts: the kinds of `Seen` that it counts.
        zone: its time zone.
        without_days: days that its report lacks.
        without_campaigns: campaigns that it lacks.
        more: further rows: campaign, day, and the number of everything.
        rate: what one of our money is in its own.
        currency: what that is called.
    """

    counts: frozenset[str] = frozenset({"stored", "invalid_traffic", "late_events"})
    zone: str = "UTC"
    without_days: frozenset[date] = frozenset()
    without_campaigns: frozenset[str] = frozenset()
    more: tuple[tuple[str, date, int], ...] = ()
    rate: str = "1"
    currency: str | None = "EUR"

    def but(self, *, add: Sequence[str] = (), drop: Sequence[str] = (), **changes: Any) -> "Partner":
        """A partner that also counts some kinds, does not count others, or differs otherwise."""
        return replace(self, counts=self.counts.union(add).difference(drop), **changes)


def seen_at(day: int, hour: int, kind: str = "stored", minute: int = 0) -> Seen:
    """An impression of the first campaign."""
    return Seen("impressions", "k1", START + timedelta(days=day, hours=hour, minutes=minute), kind)


@contextmanager
def world(seed: int, seen: Sequence[Seen] | None = None) -> Iterator[World]:
    """A world of what is given, or of events at random."""
    seen = _random(random.Random(seed)) if seen is None else seen
    clock = ManualClock(datetime(2026, 4, 20))
    with memory_log(clock=clock.now) as log, memory_store(clock=clock.now) as store:
        store.import_catalogue(CATALOGUE)
        report_time = clock.now()
        for is_late in (False, True):
            for feed in ("impressions", "clicks"):
                part = [
                    _message(number, one)
                    for number, one in enumerate(seen)
                    if one.feed == feed and (one.kind == "late_events") == is_late
                    for _ in range(1 + (one.kind == "duplicates"))
                ]
                log.append(FEEDS[feed].topic, part)
            process_log(log, store)
            report_time = report_time if is_late else store.settled() or report_time
            clock.advance(timedelta(days=1))
        duplicated = [replace(one, kind="stored") for one in seen if one.kind == "duplicates"]
        yield World(log, store, [*seen, *duplicated], report_time)


def _random(chance: random.Random) -> list[Seen]:
    """Events of six days and three campaigns; those of a kind are unevenly spread over them."""
    kinds = ["stored"] * 900
    for kind in ("duplicates", "filtered", "rejected", "invalid_traffic", "late_events"):
        kinds += [kind] * chance.randint(25, 40)
    weights = {kind: [chance.random() ** 2 + 0.02 for _ in range(DAYS * 3)] for kind in sorted(set(kinds))}
    seen = []
    for number, kind in enumerate(kinds):
        (cell,) = chance.choices(range(DAYS * 3), weights[kind])
        at = START + timedelta(days=cell // 3, seconds=chance.randrange(86_400), milliseconds=number % 1000)
        one = Seen(chance.choice(["impressions", "clicks"]), CAMPAIGNS[cell % 3], at, kind)
        if one.feed == "impressions":
            one = replace(one, cost=f"0.{chance.randrange(1, 99):02}")
        elif chance.random() < 0.3:
            one = replace(one, conversion=True, value=f"{chance.randrange(1, 90)}.5")
        seen.append(one)
    return seen


def _message(number: int, one: Seen) -> bytes:
    fields: dict[str, Any] = {
        "user_id": f"-{number}" if one.kind == "filtered" else f"u{number}",
        "timestamp": one.at.isoformat() + "Z",
        "user_agent": "Googlebot/2.1" if one.kind == "invalid_traffic" else "Mozilla/5.0",
        "currency": "EUR",
    }
    if one.feed == "impressions":
        creative = "c9" if one.kind == "unknown_creative" else f"c{one.campaign[1:]}"
        website = "not a website" if one.kind == "rejected" else "a.example"
        fields |= {"creative_id": creative, "website": website, "cost": one.cost}
    else:
        fields |= {"campaign_id": one.campaign, "conversion_type": "sale" if one.conversion else "click"}
        fields |= {"value": one.value} if one.conversion else {}
        fields |= {"user_id": "undefined"} if one.kind == "rejected" else {}
    return json.dumps(fields).encode()


def report_of(seen: Sequence[Seen], partner: Partner, measures: Sequence[str]) -> PartnerReport:
    """The report of a partner, counted in a plain loop."""
    zone, rate = ZoneInfo(partner.zone), Decimal(partner.rate)
    numbers: dict[tuple[str, date], dict[str, Any]] = defaultdict(lambda: dict.fromkeys(MEASURES, 0))
    for one in seen:
        day = one.at.replace(tzinfo=UTC).astimezone(zone).date()
        is_covered = FIRST <= day < FIRST + timedelta(days=DAYS) and day not in partner.without_days
        if is_covered and one.kind in partner.counts and one.campaign not in partner.without_campaigns:
            row = numbers[one.campaign, day]
            row["impressions"] += one.feed == "impressions"
            row["clicks"] += one.feed == "clicks" and not one.conversion
            row["conversions"] += one.conversion
            row["cost"] += Decimal(one.cost) * rate
            row["revenue"] += Decimal(one.value) * rate
    for campaign, day, number in partner.more:
        numbers[campaign, day] = dict.fromkeys(MEASURES, number)
    rows = [
        {"campaign_id": campaign, "day": day, "currency": partner.currency}
        | {name: row[name] if name in measures else 0 for name in MEASURES}
        for (campaign, day), row in sorted(numbers.items())
    ]
    return PartnerReport("partner.csv", pl.DataFrame(rows, schema=REPORT_ROWS), tuple(measures))

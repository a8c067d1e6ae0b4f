"""What the advertisers of a simulation have booked: flights of their campaigns, near what the traffic delivers."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import exp

import numpy as np

from advertisex.model import RATE_TYPES
from advertisex.simulator.market import CAMPAIGNS, Market, campaign_id
from advertisex.simulator.settings import SimulationSettings

#: Separates the random stream of the bookings, so that the market and the traffic do not depend on them.
_BOOKINGS_STREAM = 3
#: Days of the flights of a campaign, one after the other, with a day between them.
_FLIGHTS = ((28,), (14,), (7, 14))
#: The first flight starts at most so many days before the traffic.
_EARLIER_DAYS = 3
#: What is booked, as a multiple of what the traffic delivers in that time.
_FACTORS = (0.7, 1.4)
_CURRENCIES = ("USD", "EUR", "GBP")
#: The mean price of a won auction, and what the advertiser pays for each unit of it.
_PRICE, _MARGIN = exp(0.2 + 0.7**2 / 2), 1.25

#: campaign_id, start, end (both dates, inclusive), budget, impressions, clicks, conversions, rate_type, rate, currency.
Booking = tuple[str, date, date, Decimal, int, int | None, int | None, str, Decimal, str]


def bookings(market: Market, settings: SimulationSettings) -> Iterator[Booking]:
    """Draw the flights of all campaigns.

    Args:
        market: the campaigns.
        settings: the seed, the number of events, the start and the duration.
    """
    random = np.random.default_rng(np.random.SeedSequence((settings.seed, _BOOKINGS_STREAM)))
    first_day = datetime.fromtimestamp(settings.start_micros // 1_000_000, UTC).date()
    bids_per_day = settings.events / market.messages_per_bid / (settings.duration / timedelta(days=1))
    won_per_day = bids_per_day * market.campaign_share * market.win_rate
    for campaign in range(CAMPAIGNS):
        start = first_day - timedelta(days=int(random.integers(0, _EARLIER_DAYS + 1)))
        rate_type = RATE_TYPES[random.integers(len(RATE_TYPES))]
        for days in _FLIGHTS[random.integers(len(_FLIGHTS))]:
            end = start + timedelta(days=days - 1)
            impressions = _rounded(won_per_day[campaign] * days * random.uniform(*_FACTORS))
            yield campaign_id(campaign), start, end, *_terms(market, campaign, rate_type, impressions)
            start = end + timedelta(days=2)


def _terms(
    market: Market, campaign: int, rate_type: str, impressions: int
) -> tuple[Decimal, int, int | None, int | None, str, Decimal, str]:
    """From the budget on, the fields of a flight with so many booked impressions."""
    click_rate, conversion_rate = float(market.click_rate[campaign]), float(market.conversion_rate[campaign])
    clicks = _rounded(impressions * click_rate)
    conversions = _rounded(clicks * conversion_rate)
    price = _PRICE * _MARGIN
    if rate_type == "cpm":
        rate = _money(1_000 * price)
        budget = rate * impressions / 1_000
    elif rate_type == "cpc":
        rate = _money(price / click_rate)
        budget = rate * clicks
    elif rate_type == "cpa":
        rate = _money(price / click_rate / conversion_rate)
        budget = rate * conversions
    else:
        budget = rate = _money(price * impressions)
    return (
        budget.quantize(Decimal("0.01")),
        impressions,
        clicks if rate_type in {"cpc", "cpa"} else None,
        conversions if rate_type == "cpa" else None,
        rate_type,
        rate,
        _CURRENCIES[int(market.campaign_advertiser[campaign]) % len(_CURRENCIES)],
    )


def _rounded(number: float) -> int:
    """A whole number with two significant digits, at least 1."""
    return max(1, int(float(f"{number:.2g}")))


def _money(amount: float) -> Decimal:
    return Decimal(f"{amount:.2f}")

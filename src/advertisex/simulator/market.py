"""The entities behind the traffic: advertisers, campaigns, creatives, websites, users. Drawn once from the seed."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from advertisex.feeds.clicks import REFUND

#: The number of one user, or of many.
_Number = TypeVar("_Number", int, NDArray[np.int64])

ADVERTISERS = 12
CAMPAIGNS = 40
SITES = 1_500
#: Separates the market's random stream from that of the traffic.
_MARKET_STREAM = 1

#: Conversion types, their share of conversions, and their typical value.
ACTIONS = ("click", "signup", "purchase", "add_to_cart", "download")
_ACTION_SHARES = (0.0, 0.35, 0.3, 0.25, 0.1)
ACTION_VALUES = (0.0, 4.0, 45.0, 9.0, 1.5)
PURCHASE = ACTIONS.index("purchase")
#: The action of a refund, which takes back the value of a purchase.
REFUND_ACTION = len(ACTIONS)
#: The conversion type of each action.
CONVERSION_TYPES = (*ACTIONS, REFUND)

COUNTRIES = ("US", "GB", "DE", "IN", "BR", "JP", "FR", "NG")
_COUNTRY_SHARES = (0.34, 0.13, 0.12, 0.16, 0.09, 0.07, 0.06, 0.03)
CURRENCIES = ("USD", "GBP", "EUR", "INR", "BRL", "JPY", "EUR", "NGN")
DEVICES = ("mobile", "desktop", "tablet", "tv")
_DEVICE_SHARES = (0.58, 0.31, 0.07, 0.04)

_WORDS = (
    "daily", "city", "green", "metro", "sport", "travel", "kitchen", "garden", "motor", "music", "film",
    "game", "pixel", "craft", "health", "money", "home", "style", "science", "weather", "photo", "book",
    "radio", "local",
)  # fmt: skip
_NOUNS = ("news", "times", "hub", "post", "world", "life", "zone", "guide", "review", "club")
_PAGES = (
    "",
    "news",
    "search?q=shoes&page=2",
    "article/2026/how-to",
    "forum/t/1187#latest",
    "shop/à-la-carte",
)
#: Pages of each site in `Market.websites`: the bare host and `_PAGES`.
PAGES = 1 + len(_PAGES)
_AUDIENCES = ("commuters", "parents", "gamers", "cooks", "students", "travellers", "investors")

#: Users and sites filtered by the policy that accompanies the traffic; the market itself has none of them.
BLOCKED_USERS = ("bot-crawler-01", "bot-crawler-02", "qa-test-user", "click-farm-7")
BLOCKED_SITES = ("malware-mirror.example", "fake-traffic.example", "brand-unsafe.example")


@dataclass(frozen=True, slots=True)
class Market:
    """The entities of one simulation, as arrays indexed by campaign, creative, site or user.

    Attributes:
        campaign_share: each campaign's share of bids; heavy-tailed.
        win_rate: fraction of each campaign's bids that win the auction.
        click_rate: fraction of each campaign's impressions that are clicked.
        conversion_rate: fraction of each campaign's clicks that convert.
        creative_campaign: campaign of each creative.
        first_creative: first creative of each campaign.
        creatives_of: number of creatives of each campaign.
        campaign_advertiser: advertiser of each campaign.
        site_share: each site's share of visits; heavy-tailed.
        sites: host names.
        websites: page URLs, `PAGES` for each site, in site order.
        action_share: each conversion type's share of conversions.
        country: each user's index into `COUNTRIES`.
        device: each user's index into `DEVICES`.
        engagement: each user's factor on click and conversion rates; about 1 on average.
    """

    campaign_share: NDArray[np.float64]
    win_rate: NDArray[np.float64]
    click_rate: NDArray[np.float64]
    conversion_rate: NDArray[np.float64]
    creative_campaign: NDArray[np.int32]
    first_creative: NDArray[np.int32]
    creatives_of: NDArray[np.int32]
    campaign_advertiser: NDArray[np.int32]
    site_share: NDArray[np.float64]
    sites: tuple[str, ...]
    websites: tuple[str, ...]
    action_share: NDArray[np.float64]
    country: NDArray[np.int8]
    device: NDArray[np.int8]
    engagement: NDArray[np.float32]

    @property
    def users(self) -> int:
        """The number of users."""
        return len(self.country)

    @property
    def catalogue_rows(self) -> list[tuple[str, str, str]]:
        """The catalogue: (creative id, campaign id, advertiser id), one row per creative."""
        return [
            (creative_id(creative), campaign_id(campaign), f"adv{self.campaign_advertiser[campaign]:02d}")
            for creative, campaign in enumerate(self.creative_campaign.tolist())
        ]

    @property
    def messages_per_bid(self) -> float:
        """The expected number of messages, over all feeds, per bid, without faults and duplicates."""
        won = float(self.campaign_share @ self.win_rate)
        clicked = float(self.campaign_share @ (self.win_rate * self.click_rate))
        acted = float(self.campaign_share @ (self.win_rate * self.click_rate * self.conversion_rate))
        return 1 + won + clicked + acted


def draw_market(seed: int, users: int) -> Market:
    """Draw the market of a seed; everything but the users is independent of their number."""
    streams = np.random.SeedSequence((seed, _MARKET_STREAM)).spawn(2)
    random, user_random = (np.random.default_rng(stream) for stream in streams)
    creatives_of = random.integers(3, 9, CAMPAIGNS).astype(np.int32)
    engagement = user_random.lognormal(mean=-0.32, sigma=0.8, size=users).clip(0.05, 6)  # its mean is 1
    sites = _site_names(random)
    return Market(
        campaign_share=_zipf(CAMPAIGNS, 1.1),
        win_rate=random.uniform(0.45, 0.8, CAMPAIGNS),
        click_rate=random.uniform(0.008, 0.035, CAMPAIGNS),
        conversion_rate=random.uniform(0.08, 0.35, CAMPAIGNS),
        creative_campaign=np.repeat(np.arange(CAMPAIGNS, dtype=np.int32), creatives_of),
        first_creative=(np.cumsum(creatives_of) - creatives_of).astype(np.int32),
        creatives_of=creatives_of,
        campaign_advertiser=random.integers(0, ADVERTISERS, CAMPAIGNS).astype(np.int32),
        site_share=_zipf(SITES, 1.05),
        sites=sites,
        websites=tuple(page for site in sites for page in _pages(site)),
        action_share=np.array(_ACTION_SHARES),
        country=user_random.choice(len(COUNTRIES), users, p=_COUNTRY_SHARES).astype(np.int8),
        device=user_random.choice(len(DEVICES), users, p=_DEVICE_SHARES).astype(np.int8),
        engagement=engagement.astype(np.float32),
    )


def user_number(users: NDArray[np.int32]) -> NDArray[np.int64]:
    """The number in a user's id: eight digits, scrambled so that they do not reveal how active the user is."""
    return _scrambled(users.astype(np.int64))


def user_id(user: int) -> str:
    """The id of one user."""
    return f"u{_scrambled(user):08d}"


def creative_id(creative: int) -> str:
    """The id of a creative."""
    return f"cr{creative:05d}"


def campaign_id(campaign: int) -> str:
    """The id of a campaign."""
    return f"cmp{campaign:03d}"


def auction_id(serial: int) -> str:
    """The id of an auction, shared by a bid and the impression it won."""
    return f"a{serial:012d}"


def targeting(campaign: int) -> dict[str, str]:
    """The audience that a campaign targets."""
    audience = _AUDIENCES[campaign % len(_AUDIENCES)]
    return {"audience": audience, "age": f"{18 + campaign % 4 * 10}-{34 + campaign % 4 * 10}"}


def _scrambled(user: _Number) -> _Number:
    # 7,654,321 is coprime to 10^8, so no two users get the same number
    return (user * 7_654_321 + 12_345_678) % 100_000_000


def _pages(site: str) -> tuple[str, ...]:
    return (site, *(f"https://www.{site}/{page}" for page in _PAGES))


def _zipf(count: int, exponent: float) -> NDArray[np.float64]:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def _site_names(random: np.random.Generator) -> tuple[str, ...]:
    """Distinct names under the reserved `.example` domain: two words, plus a number if those are taken."""
    combinations = [f"{word}-{noun}" for word in _WORDS for noun in _NOUNS]
    order = random.permutation(SITES)
    names = [
        combinations[i % len(combinations)] + (str(turn) if (turn := i // len(combinations)) else "") for i in order
    ]
    return tuple(f"{name}.example" for name in names)

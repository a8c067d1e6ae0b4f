"""Enrich stage: campaign and advertiser of the creative, registered domain of the website."""

import polars as pl
import pytest

from advertisex.processing.enrich import Catalogue
from tests.processing.messages import event_of, message, outcome_of

CATALOGUE = Catalogue(
    pl.DataFrame(
        {"creative_id": ["c1", "c2", "é"], "campaign_id": ["k1", "k1", "k2"], "advertiser_id": ["a1", None, "a2"]}
    )
)


@pytest.mark.parametrize("feed", ["impressions", "bids"])
@pytest.mark.parametrize(
    ("creative", "campaign", "advertiser"),
    [("c1", "k1", "a1"), ("c2", "k1", None), ("é", "k2", "a2"), ("C1", None, None), ("unknown", None, None)],
)
def test_a_creative_has_the_campaign_and_advertiser_of_the_catalogue(
    feed: str, creative: str, campaign: str | None, advertiser: str | None
) -> None:
    event = event_of(feed, message(feed, creative_id=creative), catalogue=CATALOGUE)

    assert (event["campaign_id"], event["advertiser_id"]) == (campaign, advertiser)


def test_without_a_catalogue_events_are_stored_without_campaign() -> None:
    event = event_of("impressions", message("impressions"))

    assert (event["campaign_id"], event["advertiser_id"], event["domain"]) == (None, None, "example.com")


def test_a_bid_without_a_creative_has_no_campaign() -> None:
    event = event_of("bids", message("bids", creative_id=...), catalogue=CATALOGUE)

    assert (event["creative_id"], event["campaign_id"]) == (None, None)


def test_a_click_keeps_the_campaign_that_it_came_with() -> None:
    assert event_of("clicks", message("clicks", campaign_id="own"), catalogue=CATALOGUE)["campaign_id"] == "own"


def test_the_order_of_events_is_kept() -> None:
    creatives = ["x", "c2", "c1", "x", "é", "c1"]
    messages = (message("impressions", user_id=f"u{i}", creative_id=c) for i, c in enumerate(creatives))

    events = outcome_of("impressions", *messages, catalogue=CATALOGUE).events

    assert events["creative_id"].to_list() == creatives
    assert events["campaign_id"].to_list() == [None, "k1", "k1", None, "k2", "k1"]


def test_the_identity_does_not_depend_on_the_catalogue() -> None:
    payload = message("impressions")

    assert (
        event_of("impressions", payload, catalogue=CATALOGUE)["event_id"]
        == event_of("impressions", payload)["event_id"]
    )

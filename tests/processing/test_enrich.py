"""Enrich stage: registered domain of the website. The campaign comes from the catalogue when a question is asked."""

from tests.processing.messages import event_of, message, outcome_of


def test_an_event_has_the_registered_domain_of_its_website() -> None:
    assert event_of("impressions", message("impressions"))["domain"] == "example.com"
    assert event_of("bids", message("bids", website=...))["domain"] is None


def test_only_clicks_are_stored_with_a_campaign() -> None:
    assert event_of("clicks", message("clicks", campaign_id="own"))["campaign_id"] == "own"
    assert "campaign_id" not in event_of("impressions", message("impressions"))
    assert "campaign_id" not in event_of("bids", message("bids"))


def test_the_order_of_events_is_kept() -> None:
    creatives = ["x", "c2", "c1", "x", "é", "c1"]
    messages = (message("impressions", user_id=f"u{i}", creative_id=c) for i, c in enumerate(creatives))

    assert outcome_of("impressions", *messages).events["creative_id"].to_list() == creatives

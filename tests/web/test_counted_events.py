"""From a number to the messages behind it in two clicks: the events that it counts, then the message of each."""

import re
from html import unescape

import httpx
import pytest

from advertisex.analysis.event_list import COUNTED

PAGES = [
    "",
    "summary",
    "summary?by=day&zone=America/New_York&since=2026-01-07T10:00:00",
    "performance",
    "performance?by=campaign_id&until=2026-01-09",
    "performance?by=creative_id",
    "performance?by=day&campaign=cmp000",
    "performance?by=day&valid_only=true",
    "funnel?by=campaign_id",
    "performance?by=creative_id&campaign=cmp000",
    "funnel",
    "performance?where=conversion_type%3Dpurchase",
    "funnel?by=campaign_id&where=conversion_type%3Dpurchase",
    "campaign?campaign=cmp000",
]


def linked_counts(text: str) -> list[tuple[str, str]]:
    """The addresses of events on a page, each with its number."""
    found = re.findall(r'<a href="(/events\?of=[^"]+)">([^<]+)</a>', text)
    return [(unescape(address), number) for address, number in found]


@pytest.mark.parametrize("path", PAGES)
def test_a_count_leads_to_the_events_that_it_counts(client: httpx.Client, path: str) -> None:
    found = linked_counts(client.get(f"/{path}").text)

    assert found
    for address, number in found[:: max(1, len(found) // 8)]:  # some of them, from all of the page
        answer = client.get(f"/api/v1/analyze{address}")
        assert answer.status_code == 200, (address, answer.text)
        assert f"{answer.json()['count']:,}" == number, address


def test_an_event_leads_to_its_message(client: httpx.Client) -> None:
    for of, (feed, _) in COUNTED.items():
        page = client.get("/events", params={"of": of, "limit": 3}).text
        addresses = [unescape(link) for link in re.findall(r'href="(/messages/show[^"]+)"', page)]
        assert len(addresses) == 3
        for address in addresses:
            assert client.get(address).status_code == 200
            document = client.get(f"/api/v1{address}").json()
            assert (document["feed"], document["id"]) == (feed, unescape(httpx.URL(address).params["id"]))
            assert isinstance(document["message"], dict)
            assert document["source"]


def test_questions_whose_counts_are_others_have_no_such_links(client: httpx.Client) -> None:
    for path in ("attribution", "reach", "journeys", "quality", "performance?by=website"):
        text = client.get(f"/{path}").text
        assert not [
            number for _, number in linked_counts(text.partition("<main")[2].partition('<section class="wide"')[2])
        ]


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ("x", 400, "'x' is not a valid position"),
        ("other/0/1", 400, "'other' is not the topic of a feed"),
        ("ad_impressions/0/99999999", 404, "the log does not have the message"),
        ("ad_impressions/7/0", 404, "the log does not have the message"),
    ],
)
def test_a_message_that_cannot_be_shown(client: httpx.Client, given: str, status: int, says: str) -> None:
    response = client.get("/api/v1/messages/show", params={"id": given})
    assert (response.status_code, response.json()["detail"]) == (status, says)
    assert client.get("/messages/show", params={"id": given}).status_code == status

"""The page of a campaign has the numbers of the questions, and is reached from its id wherever that is."""

import re
from html import unescape

import httpx
import pytest

from tests.web.test_sorting import first_column


def test_the_page_has_the_numbers_of_the_questions(client: httpx.Client) -> None:
    text = client.get("/campaign?campaign=cmp000").text

    for table, path in {
        "day-rows": "performance?by=day",
        "creative-rows": "performance?by=creative_id",
        "funnel-steps": "funnel?",
        "flight-rows": "pacing?",
        "reach-frequency": "reach?",
    }.items():
        of_question = client.get(f"/{path}&campaign=cmp000").text
        assert first_column(text, table) == first_column(of_question, table.partition("-")[2]) != []
        csv = re.findall(rf'href="([^"]+/tables/{table.partition("-")[2]}\.csv[^"]+)"', text)
        assert csv
        assert all(client.get(unescape(address)).status_code == 200 for address in csv)


def test_long_tables_are_cut_and_it_is_stated(client: httpx.Client) -> None:
    text = client.get("/campaign?campaign=cmp000").text
    whole = len(client.get("/api/v1/analyze/performance?by=website&campaign=cmp000").json()["rows"])

    assert len(first_column(text, "site-rows")) == 50 < whole
    assert f"50 of {whole:,} are listed" in text


def test_a_link_reproduces_the_page(client: httpx.Client) -> None:
    text = client.get("/campaign?campaign=cmp000&sort=day-rows.-clicks&since=2026-01-06").text
    link = unescape(re.findall(r'<a href="([^"]+)">Link to this page', text)[0])
    again = client.get(link).text

    assert {"as_of=", "sort=day-rows.-clicks", "since=2026-01-06"} <= set(re.findall(r"as_of=|[a-z]+=[^&]+", link))
    assert first_column(again, "day-rows") == first_column(text, "day-rows")


@pytest.mark.parametrize("path", ["performance?by=campaign_id", "pacing", "reach", ""])
def test_an_id_leads_to_the_page_with_the_filters(client: httpx.Client, path: str) -> None:
    text = client.get(f"/{path}{'&' if '?' in path else '?'}zone=Europe/Paris").text
    found = [unescape(link) for link in re.findall(r'href="(/campaign[^"]+)"', text)]

    assert found
    assert all("zone=Europe%2FParis" in link for link in found)
    assert client.get(next(link for link in found if "cmp" in link)).status_code == 200


def test_an_unknown_campaign_is_an_error_and_none_leads_to_the_list(client: httpx.Client) -> None:
    assert client.get("/campaign?campaign=nothing").status_code == 404
    assert "No events found of campaign 'nothing'" in unescape(client.get("/campaign?campaign=nothing").text)
    response = client.get("/campaign")
    assert (response.status_code, response.headers["location"]) == (303, "/performance?by=campaign_id")


def test_a_part_that_cannot_be_answered_says_why(client: httpx.Client) -> None:
    text = unescape(client.get("/campaign?campaign=cmp000&where=conversion_type%3Dpurchase").text)

    assert first_column(text, "day-rows")
    assert len(re.findall(r'<p class="note">[^<]+Hint', text)) >= 1
    first = client.get("/campaign?campaign=cmp000&where=advertiser_id%3Dadv01")  # clicks do not have it
    assert first.status_code == 200
    assert first_column(first.text, "flight-rows")

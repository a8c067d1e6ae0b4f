"""The client asks the questions of the command line, and raises its errors."""

import inspect
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from advertisex import AdvertiseXError, AnalysisError, Client, ConfigurationError, StoreUnavailable
from advertisex.client import Selected
from advertisex.questions.definitions import QUESTIONS
from advertisex.questions.option import parameters_of
from advertisex.questions.selection import Selection


@pytest.fixture(scope="module")
def remote(client: httpx.Client) -> Iterator[Client]:
    with Client(str(client.base_url)) as opened:
        yield opened


@pytest.mark.parametrize("name", QUESTIONS)
def test_it_has_every_question_with_every_option(name: str) -> None:
    options = {one.name for one in parameters_of(QUESTIONS[name])}
    found = inspect.signature(getattr(Client, name)).parameters
    assert set(found) - {"self", "selected"} == options
    assert Selected.__annotations__.keys() == {one.public_name for one in parameters_of(Selection)}


@pytest.mark.parametrize(
    ("name", "options", "query"),
    [
        ("summary", {"by": "day", "since": date(2026, 1, 8)}, {"by": "day", "since": "2026-01-08"}),
        (
            "performance",
            {"until": datetime(2026, 1, 9), "zone": "Asia/Kolkata"},
            {"until": "2026-01-09T00:00:00Z", "zone": "Asia/Kolkata"},
        ),
        ("funnel", {"campaign": "no-such"}, {"campaign": "no-such"}),
        ("summary", {"where": {"conversion_type": "click"}}, {"where": "conversion_type=click"}),
        (
            "attribution",
            {"model": ["first", "last"], "split_journeys": True},
            {"model": ["first", "last"], "split_journeys": "true"},
        ),
        ("events", {"of": "clicks", "limit": 3}, {"of": "clicks", "limit": "3"}),
        ("restatement", {"begin": "2026-01-01", "limit": 0}, {"from": "2026-01-01", "limit": "0"}),
    ],
)
def test_an_answer_is_that_of_the_api(
    remote: Client, client: httpx.Client, name: str, options: dict[str, Any], query: dict[str, Any]
) -> None:
    expected = client.get(f"/api/v1/analyze/{name}", params=query)
    if expected.status_code == 404:
        with pytest.raises(AnalysisError):
            getattr(remote, name)(**options)
        return
    found = getattr(remote, name)(**options)
    assert found.pop("range") == expected.json()["range"]
    assert found.keys() == expected.json().keys() - {"range"}


def test_numbers_have_all_their_digits(remote: Client) -> None:
    spend = remote.performance()["spend"]
    assert any(isinstance(amount, Decimal) for amount in spend.values())
    assert not any(isinstance(amount, float) for amount in spend.values())
    table = remote.csv("performance", "money")
    assert all(f",{amount}" in table for amount in spend.values())


def test_it_reads_the_ledger_the_overview_and_a_report(remote: Client, tmp_path: Path) -> None:
    assert remote.ledger()["balanced"] is True
    assert remote.overview(campaign="cmp001")["question"] == "overview"
    report = tmp_path / "partner.csv"
    report.write_text("Day,Order,Impressions\n2026-01-05,cmp001,7\n")
    answer = remote.reconcile(report, map={"Order": "campaign_id"}, tolerance="5%")
    assert answer["question"] == "reconcile"


def test_errors_are_those_of_the_command_line(remote: Client, client: httpx.Client) -> None:
    with pytest.raises(ConfigurationError, match="have no field 'planet'") as invalid:
        remote.performance(by="planet")
    assert invalid.value.hint
    with pytest.raises(AnalysisError, match="no events found"):
        remote.performance(campaign="no-such")
    with Client(f"{client.base_url}static/") as elsewhere, pytest.raises(AdvertiseXError, match="not found"):
        elsewhere.ledger()


def test_an_address_or_a_table_that_cannot_be_is_an_error(remote: Client) -> None:
    for url in ("127.0.0.1:8470", "ftp://x", ""):
        with pytest.raises(ConfigurationError, match="is not the address of a server"):
            Client(url)
    for question, table in (("performance", "../../ledger"), ("../ledger", "rows"), ("performance", "nope")):
        with pytest.raises(ConfigurationError, match=r"no table|unknown"):
            remote.csv(question, table)


def test_a_server_that_is_away_is_an_error_that_names_it() -> None:
    with Client("http://127.0.0.1:1") as away, pytest.raises(StoreUnavailable, match="does not respond") as error:
        away.ledger()
    assert error.value.where == "http://127.0.0.1:1"

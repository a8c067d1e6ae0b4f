"""Field cases of `preview`; `../shared/data/field_cases` has them, with the right outcome of each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Cli = Callable[..., Any]
SharedData = Callable[[str], Path]


def test_a_report_of_a_partner_is_shown_as_such_and_not_ingested(
    cli: Cli, tmp_path: Path, shared_data: SharedData
) -> None:
    path = shared_data("field_cases") / "dcm.csv"
    document = cli("preview", "clicks", path, "--json").document

    assert document["detected"]["header"] == "line 7"
    assert document["skipped"] == {"preamble": 6, "header": 1, "total row": 1}
    assert document["rows"] == 10
    assert "user_id" in document["missing"]
    assert document["measures"] == ["Impressions", "Clicks", "Conversions"]
    fields = {one["column"]: one["field"] for one in document["columns"]}
    assert fields["Campaign"] == "campaign_id"
    assert fields["Impressions"] is None
    shown = cli("preview", "clicks", path).out
    assert "10 rows = 2 messages + 6 preamble + 1 header + 1 total row" in shown
    assert "`advertisex reconcile`" in shown
    assert list(tmp_path.iterdir()) == []

    ended = cli("ingest", "clicks", path, "--json")
    assert (ended.code, ended.document["messages"]) == (1, 0)
    assert "aggregated report" in ended.err
    assert "`advertisex reconcile`" in ended.err


GA4 = (
    "--records", "events", "--inherit", "client_id=user_id", "--inherit", "timestamp_micros=timestamp",
    "--map", "name=conversion_type", "--map", "params.campaign_id=campaign_id", "--map", "params.value=value",
    "--map", "params.currency=currency",
)  # fmt: skip


def test_events_inherit_the_user_and_the_time_around_them(cli: Cli, shared_data: SharedData) -> None:
    path = shared_data("field_cases") / "ga4.json"
    document = cli("preview", "clicks", path, *GA4, "--json").document

    assert [one["event"] for one in document["examples"]] == [
        {
            "user_id": "1234567.8901", "event_time": "2026-01-05T09:00:00Z", "campaign_id": "k1",
            "conversion_type": "purchase", "clicks": 0, "conversions": 1, "value": 12.5, "currency": "EUR",
        },
        {
            "user_id": "1234567.8901", "event_time": "2026-01-05T09:00:00Z", "campaign_id": "k1",
            "conversion_type": "click", "clicks": 1, "conversions": 0,
        },
    ]  # fmt: skip
    assert {one["column"]: one["field"] for one in document["columns"]} == {
        "name": "conversion_type", "params.campaign_id": "campaign_id", "params.value": "value",
        "params.currency": "currency", "user_id": "user_id", "timestamp": "timestamp",
    }  # fmt: skip
    assert [(one["text"], one["meaning"]) for one in document["texts"]] == [
        ("purchase", "a conversion of that type"),
        ("click", "a click"),
    ]
    assert cli("ingest", "clicks", path, *GA4, "--data", "data", "--json").document["messages"] == 2
    assert cli("process", "--data", "data", "--json").document["total"]["stored"] == 2

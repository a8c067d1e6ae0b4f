"""`/metrics`: the requests of the server, and what the store says."""

from dataclasses import replace

import httpx
from prometheus_client.parser import text_string_to_metric_families

from advertisex.errors import StoreBusy
from advertisex.web.site import Site
from tests.web.conftest import Failing, client_of


def metrics_of(client: httpx.Client) -> dict[tuple[str, str], float]:
    """Values by the name of a metric and the values of its labels, in the order of their names."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return {(one.name, " ".join(value for _, value in sorted(one.labels.items()))): one.value for one in samples}


def test_the_ledger_and_the_rejects_are_those_of_the_store(client: httpx.Client) -> None:
    found, ledger = metrics_of(client), client.get("/api/v1/ledger").json()

    for outcome in ("stored", "duplicate", "filtered", "rejected", "erased"):
        for row in ledger["rows"]:
            labels = f"{outcome} {row['partition']} {row['topic']}"
            assert found["advertisex_ledger_messages_total", labels] == row[outcome]
    rejects = {labels: value for (name, labels), value in found.items() if name == "advertisex_open_rejects"}
    assert sum(rejects.values()) == sum(ledger["total"][name] for name in ("rejected", "filtered", "conflict"))
    assert found["advertisex_store_readable", ""] == found["advertisex_ledger_balanced", ""] == 1
    assert found["advertisex_horizon_timestamp_seconds", "clicks"] > 1.7e9


def test_requests_are_counted_by_route_and_no_client_makes_up_new_ones(client: httpx.Client) -> None:
    before = metrics_of(client)
    for path in ("/api/v1/ledger", "/api/v1/ledger?x=1", "/a", "/b", "/static/page.css"):
        client.get(path)
    client.request("PROPFIND", "/")
    after = metrics_of(client)
    name = "advertisex_http_requests_total"
    new = {labels: value - before.get((name, labels), 0) for (metric, labels), value in after.items() if metric == name}

    expected = {
        "GET /api/v1/ledger 200": 1, "GET /api/v1/ledger 400": 1, "GET  404": 2, "GET /static/{name} 200": 1,
        "GET /metrics 200": 1,
    }  # fmt: skip
    assert {labels: count for labels, count in new.items() if count and not labels.startswith("other")} == expected
    assert sum(count for labels, count in new.items() if labels.startswith("other")) == 1
    assert after["advertisex_http_request_duration_seconds_count", "/api/v1/ledger"] >= 2


def test_without_the_store_the_requests_are_counted(site: Site) -> None:
    with client_of(replace(site, store=Failing(StoreBusy("busy")))) as client:
        found = metrics_of(client)

    assert found["advertisex_store_readable", ""] == 0
    assert not any("ledger" in name for name, _ in found)
    assert ("process_open_fds", "") in found

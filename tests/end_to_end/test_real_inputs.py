"""Third-party data through the whole pipeline, by the command line."""

import csv
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.stores.contract import Range, RejectQuery
from advertisex.stores.duckdb.store import DuckdbStore

Cli = Callable[..., Any]
SharedData = Callable[[str], Path]

#: Texts of a missing value.
MISSING = ("", "null", "none", "nan", "\\n", "-", "--", "n/a")
TIME = datetime(2026, 1, 5, 10)


def ingested(cli: Cli, feed: str, *arguments: object) -> int:
    """Ingest; return the number of messages."""
    ended = cli("ingest", feed, *arguments, "--data", "data", "--json")
    assert ended.code == 0, ended.err
    return int(ended.document["messages"])


def processed(cli: Cli, count: int) -> dict[str, int]:
    """Process; check that the ledger balances and has read `count` messages; return its totals."""
    document = cli("process", "--data", "data", "--json").document
    assert document["balanced"] is True
    assert document["total"]["read"] == count
    counts: dict[str, int] = document["total"]
    return counts


def stored(data: Path, feed: str) -> pl.DataFrame:
    with DuckdbStore(data / "store.duckdb", read_only=True) as store:
        return pl.concat(list(store.scan(feed, ["offset", *FEEDS[feed].columns], Range()))).sort("offset")


def rejects(data: Path) -> list[dict[str, Any]]:
    with DuckdbStore(data / "store.duckdb", read_only=True) as store:
        return store.rejects(RejectQuery()).rows(named=True)


def messages(data: Path, feed: str) -> list[bytes]:
    with SqliteLog(data / "log.db") as log:
        return list(log.read(FEEDS[feed].topic, 0, 0, 1_000_000).payloads)


# -- Open Bandit: 10,000 impressions -------------------------------------------------------------------------------


def test_open_bandit_impressions_are_stored_to_the_microsecond(
    cli: Cli, tmp_path: Path, shared_data: SharedData
) -> None:
    source = shared_data("zozo_obd") / "bts_men.csv"
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10_000

    mapping = ("--map", "user_feature_0=user_id", "--map", "item_id=creative_id", "--set", "website=zozo.jp")
    assert ingested(cli, "impressions", source, *mapping) == 10_000
    counts = processed(cli, 10_000)

    assert counts["stored"] + counts["duplicate"] == 10_000
    events = stored(tmp_path / "data", "impressions")
    kept = [rows[offset] for offset in events["offset"]]
    expected = [datetime.fromisoformat(row["timestamp"]).astimezone(UTC).replace(tzinfo=None) for row in kept]
    assert events["event_time"].to_list() == expected
    assert events["creative_id"].to_list() == [row["item_id"] for row in kept]
    assert events["user_id"].to_list() == [row["user_feature_0"] for row in kept]
    identities = {(row["user_feature_0"], row["timestamp"], row["item_id"]) for row in rows}
    assert counts["stored"] == len(identities)


def test_open_bandit_clicks_add_up(cli: Cli, shared_data: SharedData) -> None:
    """Every impression there has a click flag: 69 are set."""
    source = shared_data("zozo_obd") / "bts_men.csv"
    mapping = ("--map", "user_feature_0=user_id", "--map", "item_id=campaign_id", "--map", "click=clicks")
    assert ingested(cli, "clicks", source, *mapping) == 10_000
    assert processed(cli, 10_000)["rejected"] == 0

    summary = cli("analyze", "summary", "--data", "data", "--json").document

    assert (summary["counts"]["clicks"], summary["counts"]["conversions"]) == (69, 0)


# -- bid requests of exchanges -------------------------------------------------------------------------------------


def at(document: Any, *path: str | int) -> Any:
    """Return the value at a path, or None if it does not exist."""
    for step in path:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def first(*values: Any) -> Any:
    return next((value for value in values if value not in (None, "")), None)


def assert_openrtb_fields_are_mapped(data: Path) -> int:
    """Compare each stored OpenRTB request with its message; return the number compared."""
    sent, seen = messages(data, "bids"), 0
    for event in stored(data, "bids").iter_rows(named=True):
        request = json.loads(sent[event["offset"]])
        if not isinstance(request.get("imp"), list):
            continue
        seen += 1
        user = first(request.get("user_id"), at(request, "user", "id"), at(request, "user", "buyeruid"))
        amount = at(request, "imp", 0, "bidfloor")
        assert event["user_id"] == str(first(user, at(request, "device", "ifa")))
        assert event["event_time"] == TIME
        assert event["auction_id"] == (str(request["id"]) if request.get("id") not in (None, "") else None)
        assert event["amount"] == (None if amount is None else round(Decimal(str(amount)), 12))
        assert event["currency"] == first(at(request, "imp", 0, "bidfloorcur"), at(request, "cur", 0))
        assert event["website"] == first(at(request, "site", "page"), at(request, "site", "domain"))
        assert event["app"] == first(at(request, "app", "bundle"))
        country = first(at(request, "device", "geo", "country"), at(request, "user", "geo", "country"))
        assert event["country"] == country
        assert event["device"] == first(at(request, "device", "os"), at(request, "device", "ua"))
    return seen


def test_exchange_requests_are_stored_or_rejected_whole(cli: Cli, tmp_path: Path, shared_data: SharedData) -> None:
    folder = shared_data("exchange_bid_requests")
    files, packed = sorted(folder.glob("*.json")), sorted(folder.glob("*.gz"))
    count = ingested(cli, "bids", *files, "--set", f"timestamp={TIME.isoformat()}Z")
    assert count >= len(files)
    lines = sum(
        len([line for line in gzip.decompress(path.read_bytes()).splitlines() if line.strip()]) for path in packed
    )
    count += ingested(cli, "bids", *packed, "--format", "ndjson", "--set", f"timestamp={TIME.isoformat()}Z")
    assert count >= len(files) + lines

    counts = processed(cli, count)

    data = tmp_path / "data"
    sent = messages(data, "bids")
    assert len(sent) == count
    assert assert_openrtb_fields_are_mapped(data) >= 15
    assert [reject["payload"] for reject in rejects(data)] == [sent[reject["offset"]] for reject in rejects(data)]
    assert {reject["reason"] for reject in rejects(data)} <= {
        "not_a_record",
        "undecodable",
        "missing_field",
        "bad_website",
        "not_an_object",
        "no_impressions",
        "test_request",
        "conflicting_duplicate",  # with one timestamp for all, some requests of a user are one bid
    }
    assert counts["stored"] == stored(data, "bids").height
    # an object with comments, which is invalid JSON, is rejected whole
    with_comments = next(path for path in files if path.name.endswith("appnexus_allfields_req.json")).read_bytes()
    assert [r for r in rejects(data) if with_comments[with_comments.index(b"{") :].strip() in r["payload"]]


def test_prebid_test_files_are_all_in_the_ledger(cli: Cli, tmp_path: Path, shared_data: SharedData) -> None:
    """They contain a request and its expected result, so they are not valid bids; none may be lost."""
    files = sorted(shared_data("openrtb_prebid").rglob("*.json"))
    assert len(files) == 251

    count = ingested(cli, "bids", *files, "--set", f"timestamp={TIME.isoformat()}Z")
    counts = processed(cli, count)

    assert count == 251
    sent = messages(tmp_path / "data", "bids")
    found = rejects(tmp_path / "data")
    assert [reject["payload"] for reject in found] == [sent[reject["offset"]] for reject in found]
    assert counts["stored"] + counts["duplicate"] + counts["rejected"] + counts["filtered"] == 251


def test_the_requests_in_prebid_test_files_map_onto_the_fields_of_bids(
    cli: Cli, tmp_path: Path, shared_data: SharedData
) -> None:
    requests = []
    for path in sorted(shared_data("openrtb_prebid").rglob("*.json")):
        try:
            document = json.loads(path.read_bytes())
        except ValueError:
            continue  # two are broken on purpose
        request = first(document.get("mockBidRequest"), document.get("requestPayload"))
        if isinstance(request, dict):
            requests.append(request | {"user_id": f"u{len(requests)}"})  # the originals have no user
    assert len(requests) > 230
    source = tmp_path / "requests.ndjson"
    source.write_text("".join(json.dumps(request) + "\n" for request in requests), encoding="utf-8")

    assert ingested(cli, "bids", source, "--set", f"timestamp={TIME.isoformat()}Z") == len(requests)
    counts = processed(cli, len(requests))

    data = tmp_path / "data"
    tests = sum(request.get("test") == 1 for request in requests)
    assert 0 < counts["filtered"] <= tests
    assert counts["stored"] + counts["filtered"] + counts["rejected"] == len(requests)
    openrtb = sum(isinstance(requests[offset].get("imp"), list) for offset in stored(data, "bids")["offset"])
    assert assert_openrtb_fields_are_mapped(data) == openrtb > 200
    rejected = [(reject["reason"], requests[reject["offset"]]) for reject in rejects(data)]
    assert {reason for reason, _ in rejected} <= {"bad_website", "wrong_type", "no_impressions", "test_request"}
    assert len(rejected) < 20


# -- naughty strings -----------------------------------------------------------------------------------------------

GOOD: dict[str, dict[str, Any]] = {
    "impressions": {"website": "a.example.com", "creative_id": "c1"},
    "clicks": {"campaign_id": "k1", "conversion_type": "click"},
    "bids": {"auction_id": "a1", "amount": 1.25},
}


def naughty_rows(feed: str, strings: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Each string in each text field; the times make every row a distinct event."""
    fields = [f.name for f in FEEDS[feed].fields if f.is_text]
    begin = int(TIME.replace(tzinfo=UTC).timestamp())
    return [
        (field, {"user_id": "u1", "timestamp": begin + place * len(strings) + number} | GOOD[feed] | {field: text})
        for place, field in enumerate(fields)
        for number, text in enumerate(strings)
    ]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_bytes(b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows))


def as_stored(feed: str, field: str, text: str) -> str | None:
    """Return the stored value of a text: itself, trimmed; null if missing; the meaning of a conversion flag."""
    text = pl.Series([text]).str.strip_chars()[0]  # Python strips other characters
    if (feed, field) == ("clicks", "conversion_type"):
        if text.lower() in ("0", "false", "f", "no", "n", "0.0", "click"):
            return "click"
        if text.lower() in ("1", "true", "t", "yes", "y", "1.0"):
            return "conversion"
    return None if text.lower() in MISSING else text


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("kind", ["ndjson", "csv"])
def test_naughty_strings_in_every_text_field_are_stored_equal_or_rejected_whole(
    cli: Cli, tmp_path: Path, shared_data: SharedData, feed: str, kind: str
) -> None:
    strings: list[str] = json.loads((shared_data("naughty_strings") / "blns.json").read_text(encoding="utf-8"))
    rows = naughty_rows(feed, strings)
    write_rows(tmp_path / f"rows.{kind}", [row for _, row in rows])

    assert ingested(cli, feed, f"rows.{kind}") == len(rows)
    counts = processed(cli, len(rows))

    data = tmp_path / "data"
    sent, rejected, events = messages(data, feed), rejects(data), stored(data, feed)
    assert counts["duplicate"] == 0
    assert sorted([*events["offset"], *(reject["offset"] for reject in rejected)]) == list(range(len(rows)))
    for event in events.iter_rows(named=True):
        field, row = rows[event["offset"]]
        assert event[field] == as_stored(feed, field, row[field]), (field, row[field])
    for reject in rejected:
        field, row = rows[reject["offset"]]
        assert reject["payload"] == sent[reject["offset"]]
        assert reject["detail"].startswith(f"{field}: "), (field, row[field])
        if reject["payload"].startswith(b"{"):
            found = json.loads(reject["payload"])[field]
            # a CSV cell is trimmed, and a byte order mark at the start of a line is not part of it
            trimmed = (row[field].strip(), row[field].strip().lstrip("\ufeff"))
            assert found in trimmed if kind == "csv" else found == row[field]
        else:
            assert row[field].encode() in reject["payload"]
    assert events.height > len(rows) // 2

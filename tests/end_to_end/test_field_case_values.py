"""The field cases about values: what an ordinary file of each kind becomes, without an option that explains it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from advertisex.stores.contract import Range
from advertisex.stores.duckdb.store import DuckdbStore

Cli = Callable[..., Any]
#: The stored events of a feed, and the (reason, detail) of each reject by offset.
Read = Callable[..., tuple[pl.DataFrame, dict[int, tuple[str, str]]]]


@pytest.fixture
def read(cli: Cli, tmp_path: Path, shared_data: Callable[[str], Path]) -> Read:
    """read(feed, file, columns, *options): ingest and process one field case."""

    def run(feed: str, name: str, columns: Sequence[str], *options: str) -> tuple[pl.DataFrame, Any]:
        path = shared_data("field_cases") / name
        assert cli("ingest", feed, path, "--data", "data", *options).code == 0
        ledger = cli("process", "--data", "data", "--json").document["total"]
        rejects = cli("rejects", "list", "--json", "--data", "data").document["rejects"]
        with DuckdbStore(tmp_path / "data" / "store.duckdb", read_only=True) as store:
            events = pl.concat([*store.scan(feed, columns, Range()), pl.DataFrame(schema=dict.fromkeys(columns))][:1])
        assert (ledger["stored"], ledger["rejected"] + ledger["filtered"]) == (events.height, len(rejects))
        return events, {reject["offset"]: (reject["reason"], reject["detail"]) for reject in rejects}

    return run


def test_a_flag_column_in_many_spellings(read: Read) -> None:
    events, rejects = read("clicks", "flags.csv", ["user_id", "clicks", "conversions"])

    clicked = {"u1", "u3", "u5", "u7", "u8", "u15", "u16"}
    converted = {"u2", "u4", "u6", "u9"}
    counts = {user: (clicks, conversions) for user, clicks, conversions in events.rows()}
    assert counts == dict.fromkeys(clicked, (1, 0)) | dict.fromkeys(converted, (1, 1))
    reasons = {offset + 1: reason for offset, (reason, _) in rejects.items()}
    missing = dict.fromkeys((10, 11, 12, 13, 17), "missing_field")
    assert reasons == missing | {14: "other_feed", 18: "bad_conversion_type"}
    assert "got 'NULL'" in rejects[9][1]
    assert "feeds of their own" in rejects[13][1]
    assert "--map COLUMN=conversions" in rejects[17][1]


def test_times_that_end_in_utc(read: Read, tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text('[times]\nzone = "America/New_York"\n')

    events, rejects = read(
        "clicks", "bq.csv", ["user_id", "event_time"], "--time-format", "%Y-%m-%d %H:%M:%S %Z",
    )  # fmt: skip

    nine = datetime(2026, 1, 5, 9)
    assert dict(events.rows()) == {"u1": nine, "u2": nine.replace(microsecond=250_000), "u3": nine}
    assert rejects == {}


def test_openrtb_requests(read: Read) -> None:
    columns = ["auction_id", "user_id", "website", "domain", "app"]
    events, rejects = read("bids", "rtb.ndjson", columns)

    found = {auction: row for auction, *row in events.rows()}
    assert found == {
        "r1": ["b1", None, None, None],
        "r2": ["u2", "example.com", "example.com", None],
        "r3": ["u3", None, None, None],
        "r4": ["12345678901234567890", None, None, None],
        "r5": ["u5", None, None, "com.example.app"],
        "r9": ["e9", None, None, None],
        "r11": ["u11", "https://ex.example/%%PATTERN:url%%?p=${AUCTION_PRICE:ENC}", "ex.example", None],
    }
    reasons = {offset: reason for offset, (reason, _) in rejects.items()}
    assert reasons == {5: "test_request", 6: "no_impressions", 8: "bad_website"}


def test_an_empty_column_does_not_hide_its_alias(read: Read) -> None:
    events, rejects = read("clicks", "both.csv", ["user_id", "campaign_id"])

    assert dict(events.rows()) == {"u1": "c1", "u2": "c2"}
    assert rejects == {}


def test_a_format_of_the_settings_wins_over_a_guess(read: Read, tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text('[times]\nformats = ["%y%m%d%H%M", "%Y%m%d"]\n')

    events, rejects = read("clicks", "settingsfmt.csv", ["user_id", "event_time"])

    assert dict(events.rows()) == {"u1": datetime(2014, 10, 21, 0, 30), "u2": datetime(2026, 1, 5)}
    assert rejects == {}


def test_ids_and_times_in_scientific_notation(read: Read) -> None:
    events, rejects = read("clicks", "sci.csv", ["user_id"])

    assert events.is_empty()
    assert [reason for reason, _ in rejects.values()] == ["scientific_notation"] * 3 + ["bad_timestamp"] * 2
    assert "export the column as text" in rejects[0][1]


def test_german_and_english_numbers_without_options(read: Read) -> None:
    events, rejects = read("clicks", "nums.csv", ["campaign_id", "clicks", "conversions", "value"])

    assert {campaign: tuple(row) for campaign, *row in events.rows()} == {
        "t8": (1, 1, Decimal(12)),
        "t9": (1, 1, Decimal("1.234")),
        "t10": (0, 0, None),
        "t11": (1, 1, Decimal(1000)),
    }
    reasons = {offset + 1: reason for offset, (reason, _) in rejects.items()}
    ambiguous, wrong = dict.fromkeys((1, 2, 3, 4), "ambiguous_number"), dict.fromkeys((5, 6, 7, 12), "wrong_type")
    assert reasons == ambiguous | wrong | {13: "bad_amount"}
    assert "--thousands" in rejects[0][1]
    assert [detail.partition(":")[0] for _, detail in (rejects[4], rejects[5], rejects[6])] == ["value"] * 3
    assert all("--decimal" in rejects[offset][1] for offset in (4, 5, 6))

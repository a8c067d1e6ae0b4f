"""`advertisex preview`, and the short form of it that `ingest` prints."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

CLICKS = """timestamp,user_id,campaign,conversion,Shop Region
2026-01-05 09:00:00,u1,c1,t,north
2026-01-05 09:00:00,u1,c1,t,south
2026-01-05 09:00:01,-7,c1,f,north
2026-01-05 09:00:02,,c1,buy,north
soon,u2,c1,buy,north
2026-01-05 09:00:03,u3,c1,impression,north
2026-01-05 09:00:04,u4,c1,buy,north
"""
REPORT = "Campaign,Date,IMPRESSIONS,Total Conversions\nk1,2026-01-05,1000,2\n"


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text(CLICKS)
    return path


def test_a_preview_shows_what_would_be_read_and_writes_nothing(cli: Cli, clicks: Path, tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text('[times]\nzone = "America/New_York"\n')
    before = sorted(tmp_path.rglob("*"))
    ended = cli("preview", "clicks", "clicks.csv")

    assert (ended.code, ended.err) == (0, "")
    assert sorted(tmp_path.rglob("*")) == before
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "campaign     campaign_id" in lines
    assert "Shop Region  –" in lines
    text = " ".join(ended.out.split())
    assert "No field takes Shop Region. Rows that differ in nothing else are one event." in text
    assert "the setting feeds.clicks.extra" in text
    assert '"t" → a click that converted (2)' in text
    assert '"buy" → a conversion of that type (3)' in text
    assert "Of the first 7 messages: 2 stored, 1 duplicate, 1 filtered, 3 rejected" in text
    assert "1 filtered, negative_user_id. Row 3:" in text
    assert "1 rejected, bad_timestamp. Row 5: timestamp:" in text
    assert "event_time 2026-01-05 14:00:00 UTC" in text


def test_the_document_has_all_of_it(cli: Cli, clicks: Path) -> None:
    document = cli("preview", "clicks", "clicks.csv", "--json").document

    assert document["complete"] is True
    assert {one["column"]: one["field"] for one in document["columns"]}["Shop Region"] is None
    assert {(one["kind"], one["reason"]): one["messages"] for one in document["results"]} == {
        ("stored", None): 2, ("duplicate", None): 1, ("filtered", "negative_user_id"): 1,
        ("rejected", "missing_field"): 1, ("rejected", "bad_timestamp"): 1, ("rejected", "other_feed"): 1,
    }  # fmt: skip
    first, second, third, *_ = document["examples"]
    assert first["event"] == {
        "user_id": "u1", "event_time": "2026-01-05T09:00:00Z", "campaign_id": "c1", "conversion_type": "conversion",
        "clicks": 1, "conversions": 1,
    }  # fmt: skip
    assert second["kind"] == "duplicate"
    assert (third["kind"], third["event"], third["rule"]) == (
        "filtered", None, "The user id is a negative whole number. Setting: policy.negative_users.",
    )  # fmt: skip
    assert [one["row"] for one in document["rejections"]] == [3, 4, 5, 6]


def test_own_fields_and_the_policy_of_the_settings_apply(cli: Cli, clicks: Path, tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text(
        '[policy]\nnegative_users = false\n[feeds.clicks]\nextra = { region = "text" }\n'
        'identity = ["user_id", "region"]\n'
    )
    document = cli("preview", "clicks", "clicks.csv", "--map", "Shop Region=region", "--json").document

    assert document["examples"][1]["event"]["region"] == "south"
    assert {one["kind"]: one["messages"] for one in document["results"]}["stored"] == 4
    assert all(one["field"] for one in document["columns"])


def test_the_first_of_several_files_is_read(cli: Cli, clicks: Path, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text("[]")
    document = cli("preview", "clicks", tmp_path, "--json").document
    assert (document["source"], document["others"]) == (str(clicks), [str(tmp_path / "d.json")])


def test_only_the_beginning_is_read(cli: Cli, tmp_path: Path) -> None:
    row = '{"user_id": "u%d", "timestamp": 1767603600, "campaign": "c", "conversion": "t"}\n'
    (tmp_path / "many.ndjson").write_text("".join(row % number for number in range(100_000)))
    document = cli("preview", "clicks", "many.ndjson", "--json").document
    assert sum(one["messages"] for one in document["results"]) == 1_000
    assert (document["complete"], document["rows"] < 100_000) == (False, True)
    assert "only the beginning was read" in " ".join(cli("preview", "clicks", "many.ndjson").out.split())


def test_what_cannot_be_read_is_an_error(cli: Cli, tmp_path: Path) -> None:
    missing = cli("preview", "clicks", "nothing.csv", "--json")
    assert (missing.code, missing.out) == (1, "")
    assert "no such file" in missing.err
    assert cli("preview", "clicks", "http://127.0.0.1:1/x").code == 1
    (tmp_path / "empty.csv").touch()
    empty = cli("preview", "clicks", "empty.csv")
    assert (empty.code, empty.out.splitlines()[-1]) == (0, "warning: the input is empty")


@pytest.mark.parametrize("command", ["preview", "ingest"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--columns", ""), "the name of a column is empty"),
        (("--columns", "user_id,,x"), "the name of a column is empty"),
        (("--columns", "user_id, user_id"), "'user_id' occurs twice"),
        (("--columns", "a,b"), "none of the 2 columns is a field of clicks"),
        (("--map", "a=nonsense"), "clicks has no field 'nonsense'"),
        (("--map", "a=user_id", "--map", "a=campaign"), "'a' is given twice"),
        (("--inherit", "a.b"), "--inherit: 'a.b' has no '='"),
        (("--inherit", "a.b="), "needs a path and a name"),
        (("--format", "xml"), "unknown format 'xml'"),
        (("--delimiter", ",,"), "invalid delimiter"),
        (("--time-format", "%Q"), "'%Q' is not a valid"),
    ],
)
def test_invalid_options_are_rejected_before_anything_is_read_or_made(
    cli: Cli, clicks: Path, tmp_path: Path, command: str, options: tuple[str, ...], message: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    ended = cli(command, "clicks", "clicks.csv", *options)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert sorted(tmp_path.rglob("*")) == before


def test_ingest_says_what_it_read_and_groups_what_it_warns_about(cli: Cli, clicks: Path, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"u{number:02}.ndjson").write_text('{"user_id": "u"}\n')
    (tmp_path / "void.csv").touch()
    ended = cli("ingest", "clicks", tmp_path, "--map", "gone=value")

    assert ended.code == 0
    assert [line.split()[1:3] for line in ended.out.splitlines() if line.startswith(str(clicks))] == [["csv", "7"]]
    warnings = [line.replace(f"{tmp_path}/", "") for line in ended.err.splitlines()]
    assert warnings == [
        "warning: u00.ndjson, u01.ndjson and 18 others: no column for the required field timestamp",
        "warning: u00.ndjson, u01.ndjson and 18 others: no column for the required field campaign_id",
        "warning: void.csv: the input is empty",
        "warning: no record has the column 'gone' of --map",
        "warning: conversion types that are new to this log: 'buy'",
    ]


def test_a_followed_ingest_reports_new_conversion_types_once(
    cli: Cli, clicks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(clicks.read_bytes())))
    ended = cli("ingest", "clicks", "-", "--follow")

    assert ended.code == 0
    assert [json.loads(line)["types"] for line in ended.err.splitlines() if "'buy'" in line or '"buy"' in line] == [
        ["buy"]
    ]


def test_the_document_of_ingest_has_what_was_found(cli: Cli, clicks: Path) -> None:
    (source,) = cli("ingest", "clicks", "clicks.csv", "--json").document["sources"]
    assert (source["format"], source["messages"], source["missing"], source["warnings"]) == ("csv", 7, [], [])
    assert source["rows"] == source["messages"] + sum(source["skipped"].values())
    assert {"column": "campaign", "field": "campaign_id"} in source["columns"]


def test_an_aggregated_report_is_not_ingested(cli: Cli, clicks: Path, tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_text(REPORT)
    ended = cli("ingest", "clicks", "report.csv", "clicks.csv", "--map", "Date=timestamp", "--json")

    assert ended.code == 1
    assert "aggregated report" in ended.err
    assert "by `advertisex reconcile`" in ended.err
    assert [(one["source"], one["messages"]) for one in ended.document["sources"]] == [
        ("report.csv", 0),
        ("clicks.csv", 7),
    ]
    preview = cli("preview", "clicks", "report.csv", "--json")
    assert (preview.code, preview.document["measures"]) == (0, ["IMPRESSIONS", "Total Conversions"])
    assert "This is an aggregated report" in cli("preview", "clicks", "report.csv").out

    named = cli("ingest", "clicks", "report.csv", "--map", "Date=timestamp", "--set", "user_id=all", "--json")
    assert (named.code, named.document["messages"]) == (0, 1)


def test_counts_beside_users_are_events(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "counts.csv").write_text("timestamp,user_id,campaign,clicks,impressions\n2026-01-05 09:00:00,u,c,1,2\n")
    assert cli("ingest", "clicks", "counts.csv").code == 0

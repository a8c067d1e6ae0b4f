"""`advertisex rejects`, end to end: list, show, export, repair and replay."""

import csv
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Position
from advertisex.stores.contract import RejectQuery
from advertisex.stores.duckdb.store import DuckdbStore

Cli = Callable[..., Any]

GOOD = '"timestamp":"2026-01-05T10:00:00Z","website":"a.com","creative_id":"c1"'
IMPRESSIONS = [
    f'{{"user_id":"a",{GOOD}}}'.encode(),
    f'{{"user_id":"null",{GOOD},"n":1.10}}'.encode(),
    f'{{"user_id":"undefined",{GOOD},"n":2}}'.encode(),
    f'{{"user_id":"-5",{GOOD}}}'.encode(),
    b'\xff\xfe "=1+1',
    b"=1+1 \x1b[2J\xe2\x80\xae",
]


@pytest.fixture
def filled(cli: Cli, tmp_path: Path) -> Cli:
    """rejects(command, *arguments): run on a data folder in which these impressions are processed."""
    (tmp_path / "impressions.ndjson").write_bytes(b"\n".join(IMPRESSIONS))
    assert cli("ingest", "impressions", "impressions.ndjson", "--data", "data").code == 0
    assert cli("process", "--data", "data").code == 0
    return lambda command, *arguments: cli("rejects", command, "--data", "data", *arguments)


def id_of(offset: int) -> str:
    return f"ad_impressions/0/{offset}"


def test_list_counts_by_hour_and_shows_replayed_rejects(filled: Cli, cli: Cli) -> None:
    lines = filled("list").out.splitlines()
    assert lines[0] == "By feed, reason and hour of ingestion"
    assert lines[2].split()[:3] == ["impressions", "filtered", "negative_user_id"]
    assert "replayed to" not in "".join(lines)
    (hour,) = {count["hour"] for count in filled("list", "--json").document["counts"]}
    assert hour.endswith(":00:00Z")

    assert filled("replay", id_of(1)).code == 0
    assert [one["id"] for one in filled("list", "--json", "--replayed").document["rejects"]] == [id_of(1)]
    assert filled("list", "--json", "--not-replayed", "--kind", "rejected").document["total"] == 3
    assert filled("list", "--replayed").out.splitlines()[-1].split()[-1] == id_of(6)


def test_hours_are_listed_latest_first_up_to_a_limit(filled: Cli, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "data" / "store.duckdb")) as store:
        store.execute(
            "INSERT INTO rejects SELECT topic, partition, 100 + i, feed, kind, stage, reason, detail, payload, "
            "TIMESTAMP '2026-01-01' + INTERVAL 1 HOUR * i, processed_at, NULL FROM rejects, range(60) t(i) "
            'WHERE "offset" = 1'
        )
    by_reason, by_hour, rows = filled("list", "--until", "2026-06-01").out.split("\n\n")

    assert by_reason.splitlines()[2].split() == ["impressions", "rejected", "placeholder_user_id", "60"]
    hours = by_hour.splitlines()
    assert hours[2].split()[:2] == ["2026-01-03", "11:00"]
    assert len(hours) == 43
    assert hours[-1].startswith("… 20 more rows")
    assert rows.splitlines()[0] == "First 20 of 60"


def test_show_marks_the_failing_field_and_prints_the_rule_without_control_characters(filled: Cli) -> None:
    shown = filled("show", id_of(1), id_of(5)).out

    assert '  >   "user_id": "null",' in shown.splitlines()
    assert "rule      user_id must be a user id, not a placeholder." in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    one, _ = filled("show", id_of(1), id_of(4), "--json").document["rejects"]
    assert (one["field"], one["path"], one["format"], one["replay"]) == ("user_id", ["user_id"], "json", None)
    assert one["message"]["n"] == 1.1
    unknown = filled("show", id_of(0))
    assert unknown.code == 2
    assert f"no reject at {id_of(0)}" in unknown.err


def test_a_long_message_is_shown_around_the_failing_line(cli: Cli, tmp_path: Path) -> None:
    fields = {f"k{i}": i for i in range(500)}
    (tmp_path / "long.ndjson").write_text(json.dumps(fields | {"user_id": "null", "x": "y" * 5000} | fields))
    assert cli("ingest", "impressions", "long.ndjson", "--data", "data").code == 0
    assert cli("process", "--data", "data").code == 0

    short = cli("rejects", "show", id_of(0), "--data", "data").out
    assert len(short.splitlines()) < 80
    assert '"y' + "y" * 5000 not in short
    whole = cli("rejects", "show", id_of(0), "--data", "data", "--full").out
    assert whole.count('"k') == 500
    assert "y" * 5000 in whole


def test_export_is_complete_and_safe_to_open(filled: Cli, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in filled("export").out.splitlines()]
    payloads = [b64decode(one["payload"]) if one.get("encoding") else one["payload"].encode() for one in lines]
    assert payloads == IMPRESSIONS[1:]

    ended = filled("export", "--format", "csv", "--to", "rejects.csv", "--kind", "rejected")
    assert (ended.out, ended.err.strip()) == ("", "wrote 4 rejects to rejects.csv")
    with Path("rejects.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [id_of(offset) for offset in (1, 2, 4, 5)]
    assert rows[-1]["payload"] == "'" + IMPRESSIONS[5].decode()
    assert filled("export", "--limit", "1").out.count("\n") == 1
    assert filled("export", "--feed", "bids", "--format", "csv").out.startswith("id,topic,")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("target", ["data", "absent/rejects.csv"])
def test_an_unwritable_export_is_reported_in_one_line(filled: Cli, target: str) -> None:
    ended = filled("export", "--to", target)
    assert ended.code == 2
    assert ended.err.startswith("error: could not write the export")
    assert len(ended.err.splitlines()) == 1


def test_a_reject_is_repaired_and_replayed(filled: Cli, cli: Cli) -> None:
    dry = filled("replay", "--reason", "placeholder_user_id", "--set", "user_id=u9", "--dry-run", "--json").document
    assert dry["messages"] == 2
    assert dry["results"] == [{"feed": "impressions", "kind": "accepted", "reason": None, "count": 2}]
    assert dry["examples"][0] == {
        "id": id_of(1), "feed": "impressions", "payload": f'{{"user_id":"u9",{GOOD},"n":1.10}}',
    }  # fmt: skip

    done = filled("replay", "--reason", "placeholder_user_id", "--set", "user_id=u9", "--json").document
    assert done == {
        "messages": 2,
        "feeds": {"impressions": 2},
        "sent": [{"topic": "ad_impressions", "partition": 0, "messages": 2, "first_offset": 6, "last_offset": 7}],
        "not_repaired": 0,
        "replayed_before": 0,
        "conflicts_left_out": 0,
        "unmatched": [],
        "interrupted": False,
    }
    with SqliteLog(Path("data/log.db")) as log, DuckdbStore(Path("data/store.duckdb"), read_only=True) as store:
        for row in store.rejects(RejectQuery(replayed=True)).iter_rows(named=True):
            (payload,) = log.read(*Position.read(row["replayed_to"]), 1).payloads
            assert json.loads(payload) == json.loads(row["payload"]) | {"user_id": "u9"}
    assert "not processed yet" in filled("show", id_of(1)).out
    ledger = cli("process", "--data", "data", "--json").document
    assert ledger["balanced"]
    assert (ledger["total"]["read"], ledger["total"]["stored"], ledger["total"]["duplicate"]) == (8, 2, 1)
    assert "accepted: stored, or a duplicate" in filled("show", id_of(1)).out


def test_replaying_twice_is_rejected_unless_forced(filled: Cli) -> None:
    assert filled("replay", id_of(1), id_of(2)).code == 0

    again = filled("replay", id_of(2), id_of(3))
    assert again.code == 2
    assert again.err.startswith("error: 1 of 2 were already replayed; nothing was sent; ")
    assert "--force" in again.err
    assert "2 were already replayed" in filled("replay", "--reason", "placeholder_user_id").out
    assert filled("replay", id_of(2), id_of(3), "--force", "--json").document["messages"] == 2


def test_unrepairable_rejects_are_left_unchanged_and_reported(filled: Cli) -> None:
    ended = filled("replay", "--all", "--set", "user_id=u9", "--map", "nothing=website")

    assert "2 cannot be repaired: not decodable. They are left unchanged." in ended.out
    assert "advertisex process" in ended.out
    assert ended.err.strip() == "warning: no message has the column 'nothing' of --map"
    assert filled("list", "--not-replayed", "--json").document["total"] == 2
    assert filled("replay", "--all", "--json").document["messages"] == 0


def test_a_dry_run_changes_nothing(filled: Cli) -> None:
    ended = filled("replay", "--all", "--dry-run")

    assert "3 would be sent" in ended.out
    assert "2 cannot be repaired" in ended.out
    assert "\x1b" not in ended.out
    assert filled("list", "--json", "--replayed").document["total"] == 0


def test_a_replay_needs_the_processed_log(filled: Cli, tmp_path: Path) -> None:
    ended = filled("replay", "--all", "--log", "sqlite:///elsewhere.db")
    assert ended.code == 1
    assert "event log not found" in ended.err
    SqliteLog(tmp_path / "other.db").append("ad_impressions", [b"x"])
    ended = filled("replay", "--all", "--log", "sqlite:///other.db")
    assert ended.code == 1
    assert "another log" in ended.err


def test_conflicts_are_counted_listed_shown_and_resent_when_selected(cli: Cli, tmp_path: Path) -> None:
    stored, other = f'{{"user_id":"a",{GOOD},"placement":"top"}}', f'{{"user_id":"a",{GOOD},"placement":"side"}}'
    (tmp_path / "i.ndjson").write_text(f"{stored}\n{other}\n")
    assert cli("ingest", "impressions", "i.ndjson", "--data", "data").code == 0
    processed = cli("process", "--data", "data").out
    assert "1 of the duplicates differs from the stored event: `advertisex rejects list --kind conflict`." in processed
    ledger = cli("ledger", "--data", "data", "--json").document
    assert (ledger["total"]["duplicate"], ledger["total"]["conflict"], ledger["balanced"]) == (1, 1, True)

    listed = cli("rejects", "list", "--kind", "conflict", "--data", "data").out
    assert ["impressions", "conflict", "conflicting_duplicate"] in [line.split()[:3] for line in listed.splitlines()]
    assert "placement: 'side' differs from the stored 'top'" in listed
    shown = cli("rejects", "show", id_of(1), "--data", "data").out
    assert "conflict  conflicting_duplicate, by store" in shown
    assert '  >   "placement": "side"' in shown
    exported = cli("rejects", "export", "--kind", "conflict", "--data", "data").out
    assert json.loads(exported)["payload"] == other

    left = cli("rejects", "replay", "--all", "--data", "data").out
    assert "Nothing was sent.\n1 conflict was left out" in left
    replay = ("rejects", "replay", "--kind", "conflict", "--set", "auction_id=2", "--data", "data", "--json")
    assert cli(*replay).document["messages"] == 1
    assert cli("process", "--data", "data", "--json").document["total"]["stored"] == 2
    assert cli("rejects", "replay", id_of(1), "--force", "--data", "data").code == 0
    cli("process", "--data", "data")
    assert (
        "still in conflict with the stored event, conflicting_duplicate"
        in cli("rejects", "show", id_of(1), "--data", "data").out
    )

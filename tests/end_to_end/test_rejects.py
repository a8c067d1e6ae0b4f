"""`advertisex rejects`, end to end: list, show, export, repair and replay."""

import csv
import io
import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from advertisex.cli import output
from advertisex.feeds import FEEDS
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

    assert filled("replay", "--yes", id_of(1)).code == 0
    assert [one["id"] for one in filled("list", "--json", "--replayed").document["rejects"]] == [id_of(1)]
    assert filled("list", "--json", "--not-replayed", "--kind", "rejected").document["total"] == 3
    assert filled("list", "--replayed").out.splitlines()[-1].split()[-1] == id_of(6)


DOCUMENTS = [("list", "--json"), ("export",), ("export", "--format", "csv")]


@pytest.mark.parametrize("command", DOCUMENTS)
def test_the_store_is_free_while_a_slow_reader_takes_the_rejects(
    filled: Cli, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    original = output.shutil.copyfileobj

    def slowly(*files: Any) -> None:
        DuckdbStore(Path("data/store.duckdb")).close()
        original(*files)

    expected = filled(*command).out
    monkeypatch.setattr(output.shutil, "copyfileobj", slowly)
    ended = filled(*command)
    assert (ended.code, ended.out) == (0, expected)


@pytest.mark.parametrize("command", DOCUMENTS)
def test_an_error_in_the_middle_of_the_rejects_prints_nothing(filled: Cli, command: tuple[str, ...]) -> None:
    with duckdb.connect("data/store.duckdb") as store:
        store.execute('UPDATE rejects SET bytes = 7 WHERE "offset" = (SELECT max("offset") FROM rejects)')
    ended = filled(*command)
    assert (ended.code, ended.out) == (1, "")
    assert "the message of a reject has " in ended.err


def test_hours_are_listed_latest_first_up_to_a_limit(filled: Cli, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "data" / "store.duckdb")) as store:
        store.execute(
            "INSERT INTO rejects SELECT topic, partition, 100 + i, feed, kind, stage, reason, detail, payload, bytes, "
            "TIMESTAMP '2026-01-01' + INTERVAL 1 HOUR * i, processed_at, NULL, NULL FROM rejects, range(60) t(i) "
            'WHERE "offset" = 1'
        )
    by_reason, by_hour, rows = filled("list", "--until", "2026-06-01").out.split("\n\n")

    assert by_reason.splitlines()[2].split() == ["impressions", "rejected", "placeholder_user_id", "60"]
    hours = by_hour.splitlines()
    assert hours[2].split()[:2] == ["2026-01-03", "11:00"]
    assert len(hours) == 43
    assert hours[-1].startswith("… 20 more rows")
    assert rows.splitlines()[0] == "First 20 of 60"


def test_a_table_has_a_bounded_number_of_rows_and_says_how_many_more_there_are(
    filled: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advertisex.cli.rejects.listing.MOST_ROWS", 2)
    lines = filled("list", "--limit", "3").out.splitlines()
    assert lines[-5] == "First 2 of 5"
    assert lines[-1] == "… 1 more rows: --json prints all, and `advertisex rejects export` writes them"
    assert "more rows" not in filled("list", "--limit", "2").out
    assert len(filled("list", "--limit", "3", "--json").document["rejects"]) == 3


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
    assert ended.err.startswith("error: cannot write the export")
    assert len(ended.err.splitlines()) == 1


def test_a_reject_is_repaired_and_replayed(filled: Cli, cli: Cli) -> None:
    dry = filled("replay", "--reason", "placeholder_user_id", "--set", "user_id=u9", "--dry-run", "--json").document
    assert dry["messages"] == 2
    assert dry["results"] == [{"feed": "impressions", "kind": "accepted", "reason": None, "count": 2}]
    assert dry["examples"][0] == {
        "id": id_of(1), "feed": "impressions", "kind": "accepted", "reason": None,
        "payload": f'{{"user_id":"u9",{GOOD},"n":1.10}}',
    }  # fmt: skip

    done = filled("replay", "--yes", "--reason", "placeholder_user_id", "--set", "user_id=u9", "--json").document
    assert done == {
        "messages": 2,
        "feeds": {"impressions": 2},
        "sent": [{"topic": "ad_impressions", "partition": 0, "messages": 2, "first_offset": 6, "last_offset": 7}],
        "not_repaired": 0,
        "replayed_before": 0,
        "resolved": 0,
        "conflicts_left_out": 0,
        "unmatched": [],
        "unaffected": {},
        "two_readings": 0,
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


@pytest.mark.parametrize("command", [("list",), ("replay",), ("export",)])
def test_an_unknown_reason_is_an_error_that_names_a_close_one(filled: Cli, command: tuple[str, ...]) -> None:
    ended = filled(*command, "--reason", "missing_fields")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: unknown reason 'missing_fields'; did you mean missing_field?\n"
    assert "use one of ambiguous_number, " in filled(*command, "--reason", "x").err


def test_replaying_twice_is_rejected_unless_forced(filled: Cli) -> None:
    assert filled("replay", "--yes", id_of(1), id_of(2)).code == 0

    again = filled("replay", "--yes", id_of(2), id_of(3))
    assert again.code == 2
    assert again.err.startswith("error: 1 of 2 were already replayed; nothing was sent; ")
    assert "--force" in again.err
    assert "2 were already replayed" in filled("replay", "--yes", "--reason", "placeholder_user_id").out
    assert filled("replay", "--yes", id_of(2), id_of(3), "--force", "--json").document["messages"] == 2


def test_unrepairable_rejects_are_left_unchanged_and_reported(filled: Cli) -> None:
    ended = filled("replay", "--yes", "--all", "--set", "user_id=u9", "--map", "nothing=website")

    assert "2 cannot be repaired: not decodable. They are left unchanged." in ended.out
    assert "advertisex process" in ended.out
    assert ended.err.strip() == "warning: no message has the column 'nothing' of --map"
    assert filled("list", "--not-replayed", "--json").document["total"] == 2
    assert filled("replay", "--yes", "--all", "--json").document["messages"] == 0


def test_a_dry_run_changes_nothing(filled: Cli) -> None:
    ended = filled("replay", "--all", "--dry-run")

    assert "3 would be sent" in ended.out
    assert "2 cannot be repaired" in ended.out
    assert "\x1b" not in ended.out
    assert filled("list", "--json", "--replayed").document["total"] == 0


def test_a_replay_needs_the_processed_log(filled: Cli, tmp_path: Path) -> None:
    ended = filled("replay", "--yes", "--all", "--log", "sqlite:///elsewhere.db")
    assert ended.code == 1
    assert "the event log is gone: the store has read 6 messages of it" in ended.err
    SqliteLog(tmp_path / "other.db").append("ad_impressions", [b"x"])
    ended = filled("replay", "--yes", "--all", "--log", "sqlite:///other.db")
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

    left = cli("rejects", "replay", "--all", "--yes", "--data", "data").out
    assert "Nothing was sent.\n1 conflict was left out" in left
    replay = ("rejects", "replay", "--yes", "--kind", "conflict", "--set", "auction_id=2", "--data", "data", "--json")
    assert cli(*replay).document["messages"] == 1
    assert cli("process", "--data", "data", "--json").document["total"]["stored"] == 2
    assert cli("rejects", "replay", id_of(1), "--yes", "--force", "--data", "data").code == 0
    cli("process", "--data", "data")
    assert (
        "still in conflict with the stored event, conflicting_duplicate"
        in cli("rejects", "show", id_of(1), "--data", "data").out
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_resolved_rejects_are_hidden_counted_and_listed_with_who_when_and_why(filled: Cli) -> None:
    resolve = ("resolve", "--reason", "placeholder_user_id", "--note", "asked the vendor", "--json", "--yes")
    done = filled(*resolve).document
    assert (done["rejects"], done["note"], done["reopened"], done["interrupted"], done["already"]) == (
        2, "asked the vendor", False, False, 0,
    )  # fmt: skip
    assert filled(*resolve).document | {"at": done["at"]} == done | {"id": None, "rejects": 0, "already": 2}

    listed = filled("list").out
    assert "placeholder_user_id" not in listed
    assert listed.splitlines()[-1] == "2 more rejects are resolved: `advertisex rejects list --resolved`."
    document = filled("list", "--json").document
    assert (document["total"], document["resolved"], len(document["rejects"])) == (3, 2, 3)
    shown = filled("list", "--resolved").out
    assert [line.split()[0] for line in shown.splitlines() if line.startswith("ad_")] == [id_of(1), id_of(2)]
    assert shown.splitlines()[-1].split()[0] == done["id"]
    assert "asked the vendor" in shown.splitlines()[-1]
    document = filled("list", "--resolved", "--json").document
    assert {one["resolution"] for one in document["rejects"]} == {done["id"]}
    assert document["resolutions"] == [{name: done[name] for name in document["resolutions"][0]}]

    assert f"UTC by {done['by']}: asked the vendor" in filled("show", id_of(1)).out
    one = filled("show", id_of(1), "--json").document["rejects"][0]
    assert (one["resolved_at"], one["resolved_by"], one["resolved_note"]) == (
        done["at"], done["by"], "asked the vendor",
    )  # fmt: skip
    exported = filled("export")
    assert (exported.out.count("\n"), exported.err.strip()) == (
        3, "wrote 3 rejects; 2 more are resolved: --resolved exports them",
    )  # fmt: skip
    assert filled("export", "--resolved", "--format", "csv").out.count(done["id"]) == 2
    assert "2 more are resolved; --force sends them, too." in filled("replay", "--all", "--dry-run").out


def test_a_resolution_changes_no_count_and_can_be_taken_back(filled: Cli, cli: Cli) -> None:
    ledger = cli("ledger", "--data", "data", "--json").document
    assert filled("resolve", "--all", "--yes").out.startswith("Resolved 5 rejects as resolution ")
    assert cli("ledger", "--data", "data", "--json").document == ledger
    assert cli("doctor", "--data", "data").code == 0
    assert "First 0 of 0" in filled("list").out
    assert filled("resolve", id_of(1), "--reopen", "--yes", "--note", "not yet").out == "Reopened 1 reject.\n"
    assert [one["id"] for one in filled("list", "--json").document["rejects"]] == [id_of(1)]
    assert "reopened" in filled("list", "--resolved").out.splitlines()[-1]
    assert filled("resolve", id_of(1), id_of(2), "--yes").out.splitlines()[1:] == ["1 more was resolved already."]


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 130)])
@pytest.mark.parametrize("command", [("resolve",), ("replay", "--set", "user_id=u9")])
def test_a_terminal_asks_before_anything_is_marked(
    filled: Cli, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], answer: str, code: int
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    call = (command[0], "--reason", "placeholder_user_id", *command[1:])
    ended = filled(*call)

    assert ended.code == code
    question = "Send 2 messages?" if command[0] == "replay" else "Mark 2 rejects as resolved?"
    assert question in ended.err
    assert command[0] == "resolve" or f"{id_of(1)}: accepted" in ended.out
    listed = filled("list", "--json", "--replayed" if command[0] == "replay" else "--resolved").document
    assert listed["total"] == (0 if code else 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resolve", "--all"], "a resolution needs confirmation, but stdin is not a terminal; add --yes"),
        (["resolve"], "no rejects selected"),
        (["resolve", "--all", "--yes", "--note", "x" * 1001], "the note has 1,001 characters, more than 1,000"),
        (["resolve", "ad_impressions/0/0", "--yes"], "no reject at ad_impressions/0/0"),
        (["replay", "--all"], "a replay needs confirmation, but stdin is not a terminal; add --yes"),
        (["replay", "--all", "--json"], "--json cannot be combined with a question; add --yes or --dry-run"),
        (["replay", "--all", "--decimal", ";"], "invalid decimal mark ';' (--decimal)"),
        (["replay", "--all", "--encoding", "klingon"], "unknown encoding 'klingon' (--encoding)"),
    ],
)
def test_a_wrong_command_marks_nothing(filled: Cli, arguments: list[str], message: str) -> None:
    ended = filled(*arguments)
    assert (ended.code, message in ended.err) == (2, True), ended.err
    assert (filled("list", "--json").document["total"], filled("list", "--json", "--replayed").document["total"]) == (
        5, 0,
    )  # fmt: skip


def test_rejects_are_marked_only_when_no_other_process_writes_the_store(filled: Cli) -> None:
    with DuckdbStore(Path("data/store.duckdb")):
        script = "from advertisex.cli.main import run; run()"
        arguments = [sys.executable, "-c", script, "rejects", "resolve", "--all", "--yes", "--data", "data"]
        ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "the event store is in use by process" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_replay_reads_the_messages_again_with_the_options_of_ingest(cli: Cli) -> None:
    click = {"user_id": "u1", "campaign": "k1", "conversion": "buy", "currency": "EUR", "value": "12,50"}
    texts = [
        json.dumps(click | {"timestamp": "05/01/2026 10:00"}).encode(),
        json.dumps(click | {"timestamp": "05/01/2026 11:00", "value": 3, "app": "\u00e9"}, ensure_ascii=False)
        .encode("cp1252"),
        json.dumps(click | {"timestamp": "06/01/2026 10:00", "value": "1.234"}).encode(),
    ]  # fmt: skip
    SqliteLog(Path("log.db")).append(FEEDS["clicks"].topic, texts)
    where = ("--log", "sqlite:///log.db", "--data", "data")
    assert cli("process", *where).code == 0
    options = ("--decimal", ",", "--time-format", "%d/%m/%Y %H:%M", "--encoding", "cp1252", *where)

    ended = cli("rejects", "replay", "--all", "--dry-run", *options)
    assert ended.out.splitlines()[0] == "clicks_conversions/0/0: accepted"
    assert '"value":"12.50"' in ended.out
    assert ended.err.splitlines() == [
        "warning: --encoding does not apply to 2 messages: they are UTF-8 or binary, and their original bytes are not "
        "kept; ingest the source again with --encoding",
        "warning: --decimal does not apply to 1 message: it has no number in text",
        "warning: 1 message has a number that can be read in two ways, such as 1.234; it is read as --decimal and "
        "--thousands say: leave these out if the source was ingested with them",
    ]
    document = cli("rejects", "replay", "--all", "--yes", "--json", *options).document
    assert (document["messages"], document["unaffected"], document["two_readings"]) == (
        3, {"--encoding": 2, "--decimal": 1}, 1,
    )  # fmt: skip
    assert cli("process", *where, "--json").document["total"]["stored"] == 3

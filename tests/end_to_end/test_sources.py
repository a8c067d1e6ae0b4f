"""`advertisex sources`: how far sources have been read, reset and backfill."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from advertisex.ingestion.configured import source_named
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.source_status import SourceStatus
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.settings.load import load_settings
from tests.end_to_end.conftest import Cli
from tests.ingestion.conftest import Answer, Asked, Server

RECORDS = [
    {"creative_id": "c", "user_id": f"u{day}", "timestamp": f"2026-01-0{day}T00:00:00Z", "website": "a.example"}
    for day in range(1, 6)
]


@pytest.fixture
def server() -> Iterator[Server]:
    """A server whose path /since has the records from a time on."""
    server = Server()

    def since(asked: Asked) -> Answer:
        return Answer(json.dumps([one for one in RECORDS if one["timestamp"] >= asked.query["from"]]).encode())

    server.routes = {"/since": since, "/all": lambda asked: Answer(json.dumps(RECORDS).encode())}
    yield server
    server.close()


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, server: Server) -> None:
    (tmp_path / "advertisex.toml").write_text(
        f"""
[[sources]]
name = "since"
feed = "impressions"
source = "{server.url}/since?from={{since}}&api_key=SECRET"
cursor = "timestamp"
since = 2026-01-03

[[sources]]
name = "all"
feed = "impressions"
source = "{server.url}/all"

[[sources]]
name = "broken"
feed = "clicks"
source = "http://127.0.0.1:9/a/long/path/that/does/not/fit/into/a/column"
attempts = 1

[[sources]]
name = "files"
feed = "clicks"
source = "exports/*.csv"
"""
    )


def listed(cli: Cli) -> dict[str, dict[str, object]]:
    return {one["name"]: one for one in cli("sources", "--json").document["sources"]}


def messages(cli: Cli, name: str) -> int:
    return int(cli("ingest", "--source", name, "--json").document["ingested"][0]["messages"])


def test_every_configured_source_is_listed_before_its_first_poll(cli: Cli, tmp_path: Path) -> None:
    found = listed(cli)
    assert list(found) == ["all", "broken", "files", "since"]
    assert [one["kind"] for one in found.values()] == ["api", "api", "files", "api"]
    assert {(one["last_success"], one["next_try"], one["position"], one["messages"]) for one in found.values()} == {
        (None, None, None, 0)
    }
    assert found["files"]["address"] == str(tmp_path / "exports" / "*.csv")
    assert not (tmp_path / ".advertisex").exists()


def test_the_state_of_sources_is_shown_without_secrets(cli: Cli) -> None:
    assert (messages(cli, "since"), messages(cli, "since"), messages(cli, "all")) == (3, 0, 5)
    assert cli("ingest", "--source", "broken").code == 1
    found = listed(cli)
    assert found["since"]["last_success"] is not None
    assert "timestamp 2026-01-05T00:00:00Z" in str(found["since"]["position"])
    assert (found["broken"]["failing"], found["broken"]["last_success"]) == (True, None)
    assert "could not connect" in str(found["broken"]["last_error"])
    printed = cli("sources").out
    assert "SECRET" not in printed + json.dumps(found)
    table = printed[: printed.index("all: ")]
    assert [line.split()[:2] for line in table.splitlines()[2:]] == [
        ["all", "impressions"], ["broken", "clicks"], ["files", "clicks"], ["since", "impressions"],
    ]  # fmt: skip
    assert "broken: failing, 20" in printed


def test_a_source_that_is_not_configured_is_listed_by_its_address(cli: Cli, server: Server) -> None:
    cli("ingest", "impressions", f"{server.url}/all?token=SECRET")
    assert f"{server.url}/all?token=***" in listed(cli)
    assert cli("sources", "reset", f"{server.url}/all?token=SECRET").code == 0
    assert f"{server.url}/all?token=***" not in listed(cli)


def test_nothing_new_is_said_with_since_when(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "a.csv").write_text("timestamp,user_id,campaign_id,clicks\n2026-01-05 09:00:00,u,c,1\n")
    for name in ("all", "since", "files"):
        assert "nothing new" not in cli("ingest", "--source", name).out
        appended = str(listed(cli)[name]["last_append"])
        ended = cli("ingest", "--source", name)
        assert (ended.code, ended.err) == (0, "")
        assert f"{name}: nothing new since {appended[:10]} {appended[11:19]} UTC" in ended.out
    assert "exports" not in ended.out  # no table without rows
    assert "nothing new" not in cli("ingest", "--source", "broken").out


def test_an_aggregated_report_of_a_named_source_is_rejected(cli: Cli, tmp_path: Path, server: Server) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "a.csv").write_text("date,campaign_id,impressions,cost\n2026-01-05,c,1000,12.5\n")
    report = [{"campaign_id": "c1", "date": "2026-01-05", "impressions": 1000, "cost": 12.5}]
    server.routes["/all"] = lambda asked: Answer(json.dumps(report).encode())
    for name in ("files", "all"):
        ended = cli("ingest", "--source", name)
        assert (ended.code, ended.err.count("it is an aggregated report")) == (1, 1)
        assert "This is an aggregated report" in cli("preview", "--source", name).out
        assert (listed(cli)[name]["failing"], listed(cli)[name]["messages"]) == (True, 0)


def test_after_a_reset_everything_is_read_again(cli: Cli) -> None:
    assert (messages(cli, "all"), messages(cli, "all")) == (5, 0)
    ended = cli("sources", "reset", "all")
    assert ended.out == (
        "all: read again from the beginning at the next ingest; what is stored already is counted as duplicate.\n"
    )
    assert listed(cli)["all"]["last_success"] is None
    assert messages(cli, "all") == 5
    assert "it has not been read yet" in cli("sources", "reset", "files").out


def test_after_a_reset_followed_files_are_read_again(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "a.csv").write_text("timestamp,user_id,campaign_id,clicks\n2026-01-05 09:00:00,u,c,1\n")

    def follow() -> int:
        source, stop, polls = source_named(load_settings(), "files"), Event(), list[SourceStatus]()

        def on_poll(status: SourceStatus) -> None:
            polls.append(status)
            if len(polls) == 5:
                stop.set()

        with SqliteLog(tmp_path / ".advertisex" / "log.db") as log:
            options = replace(source.options, every=0.01)
            return ingest(source.feed, source.source, log, options, stop=stop, on_poll=on_poll).messages

    assert (follow(), follow()) == (1, 0)
    assert listed(cli)["files"]["position"] == "1 file"
    assert cli("sources", "reset", "files").code == 0
    assert follow() == 1


def test_a_backfill_asks_from_an_earlier_time_on_once(cli: Cli, server: Server) -> None:
    assert messages(cli, "since") == 3
    ended = cli("sources", "backfill", "since", "--since", "2026-01-01")
    assert ended.out.startswith("since: the next ingest reads everything since 2026-01-01 again; ")
    assert (messages(cli, "since"), messages(cli, "since")) == (2, 0)
    assert [asked.query["from"] for asked in server.asked][1:] == ["2026-01-01", "2026-01-05T00:00:00Z"]


def test_a_source_of_the_settings_is_found_by_its_id(cli: Cli, server: Server, tmp_path: Path) -> None:
    address = f"{server.url}/post"
    cli("ingest", "--source", "all")  # makes the log
    server.routes["/post"] = lambda asked: Answer(json.dumps(RECORDS).encode())
    entry = f'[[sources]]\nfeed = "impressions"\nsource = "{address}"\nmethod = "POST"\nbody = '
    since = """'{"from": "{since}"}'\ncursor = "timestamp"\nsince = 2026-01-03\n"""
    (tmp_path / "advertisex.toml").write_text(f"""{entry}'{{"all": true}}'\n{entry}{since}""")
    ids = [one["id"] for one in cli("sources", "--json").document["sources"] if one["address"] == address]
    ended = [cli("sources", "backfill", id_, "--since", "2026-01-01") for id_ in ids]
    assert sorted(one.code for one in ended) == [0, 2]
    assert sum("they ask" in one.err for one in ended) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reset", "nobody"], "unknown source 'nobody'; known: all, broken, files, since"),
        (["reset", "all", "--feed", "bids"], "unknown source 'all'"),
        (["reset", ""], "the name of a source is empty; `advertisex sources` lists their names"),
        (["backfill", " ", "--since", "2026-01-01"], "the name of a source is empty"),
        (["backfill", "files", "--since", "2026-01-01"], "files cannot be read from a time on (files)"),
        (["backfill", "all", "--since", "2026-01-01"], "do not say from when on they ask (all); put {since}"),
        (["backfill", "since", "--since", "soon"], "--since"),
    ],
)
def test_what_cannot_be_done_is_an_error(cli: Cli, arguments: list[str], message: str) -> None:
    cli("ingest", "--source", "all")
    ended = cli("sources", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_an_address_with_two_feeds_needs_the_feed_and_with_other_options_the_id(cli: Cli, server: Server) -> None:
    address = f"{server.url}/other"
    server.routes["/other"] = server.routes["/all"]
    for feed in ("impressions", "bids"):
        cli("ingest", feed, address)
    ended = cli("sources", "reset", address)
    assert (ended.code, "choose one with --feed bids or impressions" in ended.err) == (2, True)
    assert cli("sources", "reset", address, "--feed", "bids").code == 0
    cli("ingest", "impressions", address, "--format", "json")
    ended = cli("sources", "reset", address)
    ids = ended.err.rsplit(": ", 1)[1].strip().split(", ")
    assert cli("sources", "reset", ids[0]).code == 0
    assert cli("sources", "reset", address).code == 0


@pytest.mark.parametrize("command", [["reset", "all"], ["backfill", "since", "--since", "2026-01-01"]])
def test_a_source_that_another_process_reads_is_left_alone(cli: Cli, tmp_path: Path, command: list[str]) -> None:
    for name in ("all", "since"):
        assert messages(cli, name)
    found = listed(cli)
    with SqliteLog(tmp_path / ".advertisex" / "log.db") as log:
        for one in found.values():
            assert log.lock(f"{one['kind']}/1/{one['id']}/")
        ended = cli("sources", *command)
    assert (ended.code, ended.out) == (1, "")
    assert "being read by another process" in ended.err
    assert "stop that process first" in ended.err
    assert listed(cli) == found


def test_doctor_reports_a_source_that_is_failing(cli: Cli) -> None:
    cli("ingest", "--source", "all")
    assert "1 read incrementally, none of them failing" in cli("doctor").out
    cli("ingest", "--source", "broken")
    ended = cli("doctor")
    assert ended.code == 1
    assert "the last poll failed: broken; see `advertisex sources`" in ended.out

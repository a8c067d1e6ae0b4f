"""While a process follows the log, the embedded store can be read by every reading command, through that process."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from advertisex.logs.sqlite.log import SqliteLog
from advertisex.privacy.erasure import erase
from advertisex.simulator import SimulationSettings, write_files
from advertisex.stores.contract import EventStore
from advertisex.stores.held.place import found_at
from advertisex.stores.held.store import HeldStore
from tests.processing.messages import message
from tests.warm import program

READING = {
    "ledger": ["ledger", "--json"],
    "analyze": ["analyze", "performance", "--by", "campaign_id", "--json"],
    "analyze as a table": ["analyze", "funnel", "--by", "day"],
    "quality": ["analyze", "quality", "--csv"],
    "rejects list": ["rejects", "list", "--json"],
    "rejects export": ["rejects", "export", "--reason", "missing_field"],
    "anomalies": ["anomalies", "--since", "2026-01-05", "--until", "2026-01-09", "--json"],
    "alerts": ["alerts", "list", "--json"],
    "erasures": ["erasures", "--json"],
    "catalogue": ["catalogue", "show", "--json"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("m")  # short: a socket is in it
    write_files(folder, SimulationSettings(events=2_000))
    for feed, file in {"impressions": "impressions.ndjson", "clicks": "clicks.csv", "bids": "bids.avro"}.items():
        called(folder, "ingest", feed, file)
    called(folder, "process")
    return folder


def called(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program(), *arguments], cwd=folder, capture_output=True, text=True, check=True)


@contextmanager
def following(folder: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the store open, once others can read it."""
    place = folder / ".advertisex" / "store.duckdb.socket"
    arguments = [sys.executable, "-m", "advertisex", *command]
    with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while found_at(place) is None:
                assert time.monotonic() < deadline, "nobody listens"
                assert process.poll() is None
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("command", "names"), [(["process", "--follow"], list(READING)), (["run"], ["ledger"])])
def test_every_reading_command_prints_what_it_prints_without_that_process(
    folder: Path, command: list[str], names: list[str]
) -> None:
    with following(folder, *command) as process:
        meanwhile = {name: called(folder, *READING[name]).stdout for name in names}
        checked = called(folder, "doctor").stdout
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    assert meanwhile == {name: called(folder, *READING[name]).stdout for name in names}
    assert "ok  ledger" in checked
    assert not (folder / ".advertisex" / "store.duckdb.socket").exists()


def test_a_reject_is_repaired_and_stored_meanwhile(folder: Path) -> None:
    event = {"user_id": "unknown", "timestamp": "2026-01-05T09:00:00Z", "creative_id": "c1"}
    (folder / "placeholder.ndjson").write_text(json.dumps(event | {"website": "repaired.example"}))

    def document(*arguments: str) -> Any:
        return json.loads(called(folder, *arguments, "--json").stdout)

    def ours() -> list[str]:
        rows = document("rejects", "list", "--feed", "impressions", "--limit", "1000")["rejects"]
        return [row["id"] for row in rows if "repaired.example" in row["payload"]]

    with following(folder, "process", "--follow"):
        called(folder, "ingest", "impressions", "placeholder.ndjson")
        until(ours)
        (id_,) = ours()
        assert document("rejects", "replay", id_, "--set", "user_id=repaired", "--yes")["messages"] == 1
        until(lambda: document("rejects", "show", id_)["rejects"][0]["replay"] == "accepted")
        assert [row["id"] for row in document("rejects", "list", "--replayed")["rejects"]] == [id_]
        assert document("rejects", "resolve", id_, "--note", "sent again", "--yes")["rejects"] == 1
        assert ours() == []


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def test_nothing_else_can_be_written_meanwhile(folder: Path) -> None:
    with following(folder, "process", "--follow"):
        ended = subprocess.run([program(), "process"], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "the event store is in use by process" in ended.stderr


def test_a_user_is_erased_while_the_pipeline_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("e")  # short: a socket is in it
    (folder / "advertisex.toml").write_text('[[sources]]\nfeed = "impressions"\nsource = "a.ndjson"\nevery = 0.05\n')
    theirs = [message("impressions", user_id="user4711"), b'{"user_id": "user4711"}', b"{user4711"]
    place = folder / ".advertisex" / "store.duckdb.socket"

    def count(name: str) -> int:
        ledger = json.loads(called(folder, "ledger", "--json").stdout)
        assert ledger["balanced"]
        return int(ledger["total"][name])

    with (folder / "a.ndjson").open("wb", buffering=0) as file, following(folder, "run"):
        file.write(b"\n".join([*theirs, message("impressions", user_id="user8"), b""]))
        until(lambda: count("read") == 4)
        found = found_at(place)
        assert found is not None
        with (
            SqliteLog(folder / ".advertisex" / "log.db") as log,
            HeldStore(place.with_suffix(""), found) as store,
            pytest.raises(ZeroDivisionError),
        ):
            erase("user4711", log, cast("EventStore", store), on_read=lambda read: 1 // 0)  # a client that dies
        file.write(message("impressions", user_id="user9") + b"\n")
        until(lambda: count("stored") == 2)
        erased = json.loads(called(folder, "erase", "user4711", "--yes", "--json").stdout)
        left = [
            one.name for one in (folder / ".advertisex").iterdir() if one.is_file() and b"user4711" in one.read_bytes()
        ]
        file.write(
            message("impressions", user_id="user4711") + b"\n" + message("impressions", user_id="user10") + b"\n"
        )
        until(lambda: count("read") == 7)
        totals = {name: count(name) for name in ("stored", "rejected", "erased")}
        documents = json.loads(called(folder, "erasures", "--json").stdout)["erasures"]

    assert erased["removed"][0] | {"feed": ""} == {
        "feed": "", "events": 1, "filtered": 0, "rejected": 2, "conflicts": 0, "messages": 3,
    }  # fmt: skip
    assert left == []
    assert totals == {"stored": 3, "rejected": 0, "erased": 4}
    assert [one["done_at"] is not None for one in documents] == [True]


def test_an_imported_catalogue_is_known_at_once(folder: Path) -> None:
    document = json.loads(called(folder, "analyze", "performance", "--by", "creative_id", "--json").stdout)
    creative = document["rows"][0]["creative_id"]
    (folder / "named.csv").write_text(f"creative_id,campaign_id\n{creative},just-named\n")
    with following(folder, "process", "--follow"):
        called(folder, "catalogue", "import", "named.csv")
        printed = called(folder, *READING["analyze"]).stdout
    assert "just-named" in printed


def test_the_dashboard_shows_it_meanwhile(folder: Path) -> None:
    with following(folder, "process", "--follow"):
        command = [sys.executable, "-m", "advertisex", "serve", "--port", "0"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                address = server.stdout.readline().split()[4].rstrip(",")
                assert httpx.get(f"{address}readyz").text == "ok\n"
                assert httpx.get(f"{address}performance").status_code == 200
            finally:
                server.terminate()


def test_after_a_kill_the_store_is_opened_as_before(folder: Path) -> None:
    before = called(folder, *READING["ledger"]).stdout
    with following(folder, "process", "--follow") as process:
        process.kill()
        process.wait()
    assert (folder / ".advertisex" / "store.duckdb.socket").exists()

    assert called(folder, *READING["ledger"]).stdout == before
    with following(folder, "process", "--follow"):
        assert called(folder, *READING["ledger"]).stdout == before

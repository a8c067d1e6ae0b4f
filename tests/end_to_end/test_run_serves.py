"""`advertisex run --serve`: the dashboard, the API and the collector in the process of the pipeline."""

import json
import socket
import subprocess
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import httpx

from tests.end_to_end.running import Running, running
from tests.processing.messages import message
from tests.warm import program

Cli = Callable[..., Any]

SETTINGS = """\
[[sources]]
feed = "impressions"
source = "a.ndjson"
every = 0.05

[collector]
enabled = true
"""
CLIENTS, REQUESTS, EVENTS = 3, 12, 20
RUN = ("run", "--serve", "--port", "0")


def lines(users: list[str]) -> bytes:
    return b"".join(message("impressions", user_id=user) + b"\n" for user in users)


def addresses(started: Running) -> dict[str, str]:
    """The addresses, once the store is open: the server starts before."""
    (found,) = started.until(lambda: started.events("serving"))
    started.until(lambda: httpx.get(f"{found['dashboard']}readyz", timeout=60).is_success)
    return {name: found[name] for name in ("dashboard", "api", "events")}


def posted(events: str, client: int) -> list[str]:
    """Post events until all are acknowledged; return their users."""
    users = []
    with httpx.Client(timeout=60, headers={"Content-Type": "application/x-ndjson"}) as http:
        for request in range(REQUESTS):
            some = [f"posted-{client}-{request}-{number}" for number in range(EVENTS)]
            assert http.post(f"{events}impressions", content=lines(some)).status_code == 202
            users += some
    return users


def test_events_of_files_and_requests_are_stored_once_and_can_be_seen_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text(SETTINGS)
    in_file = [f"file-{number}" for number in range(200)]
    with (tmp_path / "a.ndjson").open("wb", buffering=0) as file, running(tmp_path, *RUN) as started:
        served = addresses(started)
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(posted, served["events"], number) for number in range(CLIENTS)]
            for at in range(0, len(in_file), 10):
                file.write(lines(in_file[at : at + 10]))
                assert httpx.get(f"{served['api']}ledger", timeout=60).status_code == 200
            acknowledged = [user for client in clients for user in client.result()]
        started.until(lambda: httpx.get(served["dashboard"], timeout=60).is_success)
        ledger = subprocess.run([program(), "ledger", "--json"], cwd=tmp_path, check=True, capture_output=True)
        assert json.loads(ledger.stdout)["balanced"]
        assert httpx.get(f"{served['api']}ledger").json()["balanced"]
        started.process.kill()

    expected = Counter(acknowledged + in_file)
    with running(tmp_path, *RUN) as again:
        api = addresses(again)["api"]
        total = again.until(lambda: (found := total_of(api))["stored"] == len(expected) and found)
        assert total["read"] == total["stored"] + total["duplicate"]
        assert again.end()["total"] == total
    with duckdb.connect(str(tmp_path / ".advertisex" / "store.duckdb"), read_only=True) as store:
        stored = Counter(user for (user,) in store.execute("SELECT user_id FROM impressions").fetchall())
    assert stored == expected


def total_of(api: str) -> dict[str, int]:
    total: dict[str, int] = httpx.get(f"{api}ledger", timeout=60).json()["total"]
    return total


def test_a_port_in_use_is_an_error_before_anything_is_read(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text(SETTINGS.replace("enabled = true", ""))
    (tmp_path / "a.ndjson").write_bytes(lines(["u1"]))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = cli("run", "--serve", "--port", str(taken.getsockname()[1]))

    assert ended.code == 2
    assert "the port is in use" in ended.err
    assert not (tmp_path / ".advertisex").exists()


def test_a_port_without_a_server_is_an_error(cli: Cli) -> None:
    ended = cli("run", "--port", "8470")

    assert ended.code == 2
    assert "--port requires --serve" in ended.err

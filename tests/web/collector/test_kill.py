"""The server is killed again and again while clients post: what it has acknowledged is stored exactly once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import duckdb
import httpx

from advertisex.logs.sqlite.log import SqliteLog
from tests.budget import usually
from tests.processing.messages import message
from tests.warm import program
from tests.web.collector.places import NDJSON

KILLS = usually(2, thorough=20)
CLIENTS, EVENTS = 4, 20
#: Requests that are acknowledged before a kill.
ACKNOWLEDGED = 20


def test_every_acknowledged_event_is_stored_once(tmp_path: Path) -> None:
    acknowledged: dict[int, str] = {}  # user of each offset
    numbers = count()
    for chance in map(random.Random, range(KILLS)):
        with started(tmp_path) as server, ThreadPoolExecutor(CLIENTS) as pool:
            assert server.stdout is not None
            address = json.loads("".join(server.stdout.readline() for _ in range(5)))["events"]
            enough, before = len(acknowledged) + ACKNOWLEDGED * EVENTS, len(acknowledged)
            clients = [pool.submit(post_until_killed, address, numbers, acknowledged) for _ in range(CLIENTS)]
            while len(acknowledged) < enough:
                assert not any(client.done() for client in clients), [client.result() for client in clients]
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.01))
            server.kill()
            assert [client.result() for client in clients] == [None] * CLIENTS
        assert server.returncode == -signal.SIGKILL
        assert len(acknowledged) > before

    with SqliteLog(tmp_path / ".advertisex" / "log.db") as log:
        messages = log.read("ad_impressions", 0, 0, 1_000_000)
    users = [json.loads(one)["user_id"] for one in messages.payloads]
    in_log = dict(zip(messages.offsets, users, strict=True))
    assert {offset: in_log[offset] for offset in acknowledged} == acknowledged
    assert set(Counter(users).values()) == {1}

    subprocess.run([program(), "process"], cwd=tmp_path, check=True, capture_output=True)
    with duckdb.connect(str(tmp_path / ".advertisex" / "store.duckdb"), read_only=True) as store:
        stored = Counter(user for (user,) in store.execute("SELECT user_id FROM impressions").fetchall())
    assert stored == Counter(users)


def started(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "advertisex", "serve", "--port", "0", "--json"],
        cwd=folder,
        env=os.environ | {"ADVERTISEX_COLLECTOR__ENABLED": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def post_until_killed(address: str, numbers: "count[int]", acknowledged: dict[int, str]) -> None:
    """Post new events until the server is gone; note the acknowledged ones."""
    with httpx.Client(timeout=60) as client:
        while True:
            users = [f"u{next(numbers)}" for _ in range(EVENTS)]
            body = b"\n".join(message("impressions", user_id=user) for user in users)
            try:
                response = client.post(f"{address}impressions", content=body, headers={"Content-Type": NDJSON})
            except httpx.TransportError:
                return
            (run,) = response.json()["positions"]
            acknowledged.update(zip(range(run["first_offset"], run["last_offset"] + 1), users, strict=True))

"""`ingest` is killed at random moments while it polls an API page by page: each record is appended once."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from tests.budget import usually

#: Chooses the moments; the name of the test shows it. Set the variable to try others.
SEED = os.environ.get("ADVERTISEX_TEST_SEED", "7")
KILLS = usually(1, thorough=3)
PAGE = 1_000
TOPIC = FEEDS["impressions"].topic
ADVERTISEX = str(Path(sys.executable).with_name("advertisex"))
FOLLOW = ("--follow", "--every", "50ms")
INCREMENTAL = ("--cursor", "at", "--lookback", "1h", "--since", "2026-01-01")
COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "one-shot": lambda url: [ADVERTISEX, "ingest", "impressions", url],
    "follow": lambda url: [ADVERTISEX, "ingest", "impressions", url, *FOLLOW],
    "incremental": lambda url: [
        *(ADVERTISEX, "ingest", "impressions", f"{url}&since={{since}}"),
        *INCREMENTAL,
        *FOLLOW,
    ],
}


class Api:
    """Records in the order of their time, in pages that a link leads to; damaged records and equal ones among them."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes]] = []
        self.asked = 0
        api = self

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                api.asked += 1
                body, following = api.page(dict(parse_qsl(urlsplit(self.path).query)))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-ndjson")
                self.send_header("Content-Length", str(len(body)))
                if following:
                    self.send_header("Link", f'<{following}>; rel="next"')
                self.end_headers()
                with suppress(OSError):  # of a client that was killed
                    self.wfile.write(body)

            def log_message(self, *args: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/x?token=hidden"

    def page(self, query: dict[str, str]) -> tuple[bytes, str]:
        since, start = query.get("since", ""), int(query.get("after", 0))
        records = [line for at, line in self.records if at >= since]
        following = f"{self.url}&since={since}&after={start + PAGE}" if start + PAGE < len(records) else ""
        return b"".join(records[start : start + PAGE]), following

    def add(self, count: int) -> None:
        for number in range(len(self.records), len(self.records) + count):
            at = f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
            line = json.dumps({"user_id": "u", "n": number, "at": at}).encode()
            self.records.append((at, (line[:-1] if number % 997 == 0 else line) + b"\n"))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.close()


def messages_in(path: Path) -> Counter[bytes]:
    found: Counter[bytes] = Counter()
    if not path.exists():
        return found
    with SqliteLog(path) as log:
        offset = 0
        while payloads := log.read(TOPIC, 0, offset, 100_000).payloads:
            found.update(payload.rpartition(b"\n")[2] for payload in payloads)  # without the frame of damaged ones
            offset += len(payloads)
    return found


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("seed", [SEED])
def test_each_record_is_appended_once(
    command: str, seed: str, api: Api, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chance, log = random.Random(f"{seed} {command}"), tmp_path / ".advertisex" / "log.db"
    for kill in range(KILLS):
        api.add(chance.randint(5 * PAGE, 8 * PAGE))
        asked = api.asked
        process = subprocess.Popen(
            COMMANDS[command](api.url), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        request.addfinalizer(process.kill)
        wait_until(lambda: api.asked > asked, process)  # noqa: B023 - called before the next round
        if kill < KILLS - 1:
            time.sleep(chance.uniform(0, 0.4))
            process.kill()
        elif command == "one-shot":  # this one completes the last poll, and the next one has what is newer
            assert process.wait(timeout=60) == 0
            process = subprocess.Popen(COMMANDS[command](api.url), cwd=tmp_path, stdout=subprocess.DEVNULL)
        else:
            wait_until(lambda: messages_in(log).total() >= len(api.records), process)
            process.send_signal(signal.SIGINT)
        process.wait(timeout=60)

    found, expected = messages_in(log), Counter(line.removesuffix(b"\n") for _, line in api.records)
    assert (list((expected - found).elements())[:3], list((found - expected).elements())[:3]) == ([], [])


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)

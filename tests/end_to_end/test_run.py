"""`advertisex run` and `process --follow` as long-running processes."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pydantic import SecretStr

from advertisex.errors import LogError
from advertisex.feeds import FEEDS
from advertisex.ingestion.configured import FeedSource
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.monitoring.metrics import Metrics
from advertisex.monitoring.observing import Observer, observing
from advertisex.processing.runner import Processing
from advertisex.service import run_service
from advertisex.settings.alerts import AlertSettings, RuleSettings
from advertisex.settings.model import Settings
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore
from tests.end_to_end.running import TIMEOUT_SECONDS, running

USER = "user-that-nobody-logs"

Cli = Callable[..., Any]


def impressions(numbers: range) -> str:
    time_ = "2026-01-05T10:00:00Z"
    rows = ({"user_id": f"{USER}-{n}", "timestamp": time_, "website": "a.example", "creative_id": "c"} for n in numbers)
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[str]:
    """A real HTTP server over the folder `served`."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def settings(folder: Path, *sources: tuple[str, str], catalogue: str = "") -> None:
    tables = [f'[[sources]]\nfeed = "{feed}"\nsource = "{source}"\nevery = 0.1\n' for feed, source in sources]
    first = f'catalogue = "{catalogue}"\n' if catalogue else ""
    (folder / "advertisex.toml").write_text("\n".join([first, *tables, "[metrics]\nport = 0\n"]))


def test_run_imports_the_catalogue_at_the_start_and_when_its_file_has_changed(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text(impressions(range(10)))
    (tmp_path / "catalogue.csv").write_text("creative_id,campaign_id\nc,k1\n")
    settings(tmp_path, ("impressions", "a.ndjson"), catalogue="catalogue.csv")
    with running(tmp_path, "run") as started:
        started.until(lambda: started.counted() >= 10)
        (tmp_path / "catalogue.csv").write_text("creative_id,campaign_id\nc,k2\nd,k1\n")
        with (tmp_path / "a.ndjson").open("a") as file:
            file.write(impressions(range(10, 20)))
        started.until(lambda: started.counted() >= 20)
        first, second = started.until(lambda: len(found := started.catalogue_imports()) > 1 and found)
        started.end()

    assert (first["level"], first["added"]) == ("info", 1)
    assert (second["level"], second["added"], second["moved"], second["campaigns"]) == ("warning", 1, 1, ["k1", "k2"])
    with DuckdbStore(tmp_path / ".advertisex" / "store.duckdb", read_only=True) as store:
        assert store.catalogue()["campaign_id"].to_list() == ["k2", "k1"]


def test_run_does_not_start_with_an_invalid_catalogue(cli: Cli, tmp_path: Path) -> None:
    settings(tmp_path, catalogue="absent.csv")

    ended = cli("run")

    assert ended.code == 2
    assert "cannot read the catalogue" in ended.err


def test_run_ingests_and_processes_all_sources_until_interrupted(tmp_path: Path, api: str) -> None:
    (tmp_path / "served" / "impressions.json").write_text(json.dumps([json.loads(impressions(range(1)))]))
    (tmp_path / "a.ndjson").write_text(impressions(range(1, 40)) + "{broken\n")
    (tmp_path / "clicks.csv").write_text(
        "timestamp,user_id,campaign_id,conversion_type\n" + f"2026-01-05T10:00:00Z,{USER}-1,k,click\n"
    )
    settings(
        tmp_path,
        ("impressions", f"{api}/impressions.json"),
        ("impressions", "http://someone:geheim@127.0.0.1:1/away?token=geheim"),
        ("impressions", "a.ndjson"),
        ("clicks", "*.csv"),
    )
    with running(tmp_path, "run") as started:
        started.until(lambda: started.counted() >= 42)
        with (tmp_path / "a.ndjson").open("a") as file:
            file.write(impressions(range(40, 60)))
        started.until(lambda: started.counted() >= 62)
        (failed,) = started.until(lambda: started.events("source failed"))
        total = started.end()["total"]
        stderr = (tmp_path / "stderr.txt").read_text()
        batches = started.events("batch stored")

    assert (total["stored"], total["rejected"]) == (61, 1)
    assert total["read"] == total["stored"] + total["duplicate"] + total["rejected"]
    assert sum(batch["read"] for batch in batches) == total["read"]
    assert failed["level"] == "warning"
    assert "connection refused" in failed["error"].lower()
    assert "geheim" not in stderr
    assert USER not in stderr
    assert {tuple(line)[:3] for line in started.lines()} == {("timestamp", "level", "event")}

    with running(tmp_path, "run") as again:  # neither files nor the API are appended again
        (unchanged,) = again.until(lambda: again.events("new input"))
        after = again.end()["total"]
    assert unchanged["detected"].startswith("unchanged since")
    assert after == total


def test_a_killed_run_resumes_from_the_ledger_and_appends_nothing_twice(tmp_path: Path) -> None:
    settings(tmp_path, ("impressions", "a.ndjson"))
    file = (tmp_path / "a.ndjson").open("a")
    for start in range(0, 3_000, 1_000):
        file.write(impressions(range(start, start + 1_000)))
        file.flush()
        with running(tmp_path, "run") as started:
            started.until(lambda: started.events("batch stored"))
            started.process.kill()
    file.write(impressions(range(3_000, 3_010)))
    file.close()
    with running(tmp_path, "run") as started:
        started.until(lambda: [line for line in started.events("batch stored") if line["end"] == 3_010])
        total = started.end()["total"]
    assert (total["read"], total["stored"], total["duplicate"]) == (3_010, 3_010, 0)


def test_following_writes_a_log_and_serves_metrics(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "d" / "log.db") as log:
        log.append("ad_impressions", impressions(range(30)).encode().splitlines())
    with running(tmp_path, "process", "--follow", "--data", "d", "--metrics-port", "0") as started:
        started.until(lambda: started.counted() == 30)
        with SqliteLog(tmp_path / "d" / "log.db") as log:
            log.append("ad_impressions", [b"{"])
        started.until(lambda: started.counted() == 31)
        total = started.end()["total"]
        first, second = started.events("batch stored")
    assert (first["stored"], second["rejected"], total["read"]) == (30, 1, 31)
    assert (first["start"], first["end"], second["start"], second["end"]) == (0, 30, 30, 31)
    assert USER not in json.dumps(started.lines())


def test_metrics_without_follow_are_rejected(cli: Cli) -> None:
    ended = cli("process", "--metrics-port", "0")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: --metrics-port requires --follow; add --follow\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[sources]]\nfeed = "impressions"\nsource = "-"', "expected a file, folder, glob or URL"),
        ('[[sources]]\nfeed = "views"\nsource = "a"', "sources.0.feed"),
        ('[[sources]]\nfeed = "clicks"\nsource = "a"\nmap = { a = "nothing" }', "clicks has no field 'nothing'"),
        ('[[sources]]\nfeed = "clicks"\nsource = "a"\nformat = "xml"', "unknown format 'xml'"),
        ("[metrics]\nport = 70000", "metrics.port"),
    ],
)
def test_a_misconfigured_source_is_reported_before_anything_starts(
    cli: Cli, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "advertisex.toml").write_text(text)
    ended = cli("run")
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("error", [LogError("the disk is full"), ValueError("the disk is full")])
def test_a_source_that_fails_permanently_ends_the_run_with_its_error(tmp_path: Path, error: Exception) -> None:
    class Full(SqliteLog):
        def append(self, topic: str, messages: Any, **more: Any) -> None:
            raise error

    (tmp_path / "a.ndjson").write_text(impressions(range(3)))
    source = FeedSource(FEEDS["impressions"], str(tmp_path / "a.ndjson"), IngestOptions(follow=True, every=0.1))
    with DuckdbStore(tmp_path / "store.duckdb") as store:
        observer = Observer(Metrics(store), lines=False)
        stop = Event()
        with pytest.raises(type(error), match="the disk is full"):
            run_service(
                [source], partial(Full, tmp_path / "log.db"), store, Processing(FEEDS, follow=True), observer, stop
            )
    assert stop.is_set()


def test_the_last_success_of_a_source_is_exported(tmp_path: Path) -> None:
    stop = Event()

    class Stopping(Metrics):
        def source_succeeded(self, source: str, feed: str, seconds: float) -> None:
            super().source_succeeded(source, feed, seconds)
            stop.set()

    (tmp_path / "a.ndjson").write_text(impressions(range(3)))
    options = IngestOptions(follow=True, every=0.1, name="web")
    source = FeedSource(FEEDS["impressions"], str(tmp_path / "a.ndjson"), options)
    before = time.time()
    with DuckdbStore(tmp_path / "store.duckdb") as store:
        observer = Observer(Stopping(store), lines=False)
        log = partial(SqliteLog, tmp_path / "log.db")
        run_service([source], log, store, Processing(FEEDS, follow=True), observer, stop)
        name = "advertisex_source_last_success_timestamp_seconds"
        exported = observer.metrics.registry.get_sample_value(name, {"source": "web", "feed": "impressions"})
    assert exported is not None
    assert before - 1 <= exported <= time.time() + 1


class Receiver:
    """A webhook server."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class MovedClock:
    """The current time, moved; it counts how often it was read."""

    def __init__(self) -> None:
        self.moved = timedelta()
        self.read = 0

    def __call__(self) -> datetime:
        self.read += 1
        return utc_now() + self.moved


def test_alerts_are_sent_during_a_run_and_not_repeated_by_the_next(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.ndjson").write_text("{broken\n" * 50)
    source = FeedSource(FEEDS["impressions"], "bad.ndjson", IngestOptions(follow=True, every=0.1))
    rule = RuleSettings(metric="reject_share", above=0.2, severity="critical")
    receiver, clock = Receiver(), MovedClock()
    alerts = AlertSettings(
        channels=(SecretStr(receiver.url),),
        bucket=timedelta(minutes=1),
        history=timedelta(days=2),
        pending=1,
        rules={"rejects": rule},
    )

    def run_until(condition: Callable[[EventStore], bool]) -> None:
        data, stop = Path(".advertisex"), Event()
        log_factory = partial(SqliteLog, data / "log.db")

        def end_when_it_holds() -> None:
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while not condition(store) and time.monotonic() < deadline:
                time.sleep(0.05)
            stop.set()

        processing = Processing(FEEDS, follow=True)
        with (
            DuckdbStore(data / "store.duckdb") as store,
            observing(
                Settings(alerts=alerts), store, log_factory, processing,
                lines=False, alerts=True, clock=clock, check_seconds=0.05,
            ) as observer,
        ):  # fmt: skip
            waiting = threading.Thread(target=end_when_it_holds)
            waiting.start()
            run_service([source], log_factory, store, processing, observer, stop)
            waiting.join()

    def a_notice_when_the_minute_is_over(store: EventStore) -> bool:
        if store.ledger():
            clock.moved = timedelta(minutes=2)
        return bool(receiver.received)

    try:
        run_until(a_notice_when_the_minute_is_over)
        (notice,) = receiver.received
        assert "reject rate of impressions: 100.00%, expected at most 20.00%" in notice["message"]

        checks = clock.read + 5
        run_until(lambda store: clock.read >= checks)
        assert clock.read >= checks, "the alerts were not evaluated again"
        assert not [one for one in receiver.received[1:] if "firing" in json.dumps(one).lower()]
        states = cli("alerts", "list", "--all", "--json").document
        assert ("rejects", "impressions") in [(one["rule"], one["feed"]) for one in states["alerts"]]
    finally:
        receiver.close()

"""A store that another process has open gives what the store itself gives, over a socket and over a port."""

import inspect
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from advertisex.errors import StoreBusy, StoreError, StoreUnavailable
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import CAMPAIGN_COLUMNS, Partition, Position
from advertisex.processing.runner import process_log
from advertisex.stores.contract import EventStore, Range, RejectQuery
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.held.calls import READS, WRITES, decode_result, encode_result
from advertisex.stores.held.place import Place, found_at, socket_of
from advertisex.stores.held.store import HeldStore
from advertisex.stores.removal import Removal
from advertisex.web.held import readable_by_others
from tests.analysis.small_worlds import CATALOGUE

START = datetime(2026, 1, 1)
IMPRESSION = {"user_id": "u1", "timestamp": "2026-01-02T00:00:00Z", "website": "a.example", "creative_id": "c1"}
CLICK = {"user_id": "u1", "campaign_id": "k1", "timestamp": "2026-01-03T00:00:00Z", "conversion": "purchase"}
BID = {
    "user_id": "u1", "auction_id": "x1", "timestamp": "2026-01-02T00:00:00Z", "targeting": {}, "creative_id": "c1",
    "bid_amount": "0.000000000001", "currency": "EUR",
}  # fmt: skip

#: Further methods, which write or belong to the object.
OTHERS = {"prepare", "positions", "commit", "drop_before", "retries", "interrupt", "close"}

CALLS: list[tuple[str, tuple[Any, ...]]] = [
    *(("columns", (feed,)) for feed in FEEDS),
    ("rebuilt_at", ()),
    ("kept_since", ()),
    ("positions", ()),
    ("ledger", ()),
    ("rejects", (RejectQuery(),)),
    ("rejects", (RejectQuery(positions=[Position("ad_impressions", 0, 0)], kind="rejected", limit=3),)),
    ("scan_rejects", (RejectQuery(reason="missing_field"), ["topic", "offset", "payload"])),
    ("reject_counts", (RejectQuery(since=START),)),
    ("commits", ()),
    ("commits", (START,)),
    ("settled", ()),
    ("catalogue", ()),
    ("campaigns", (START,)),
    ("catalogue_imports", ()),
    ("user_totals", (Range(), None)),
    ("user_totals", (Range(until=START), "k1")),
    ("notes", ("alerts",)),
    ("notes", ("nothing",)),
    ("period_start", (START + timedelta(hours=5),)),
    ("inspect", ()),
    ("scan", ("impressions", ["user_id", "event_id", "event_time", "website"], Range())),
    ("scan", ("clicks", ["user_id", "value", "conversion_type"], Range(since=START, having=("value",)))),
    ("scan", ("bids", ["amount", "currency"], Range(), range(64))),
    ("scan", ("impressions", ["website"], Range(), None, pl.Series("user_id", ["u1", "nobody"]))),
    ("extent", ("clicks", Range())),
    ("extent", ("clicks", Range(until=START))),
    ("last_time", ("impressions", Range(as_of=datetime(2020, 1, 1)))),
    ("last_time", ("impressions", Range())),
    ("count", ("impressions", ["creative_id"], Range(since=START), [START + timedelta(days=1)])),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    folder = tmp_path_factory.mktemp("held")
    events = {"impressions": [IMPRESSION, {}, {"user_id": "\x00"}], "clicks": [CLICK], "bids": [BID]}
    with SqliteLog(folder / "log.db") as log, DuckdbStore(folder / "store.duckdb") as store:
        store.import_catalogue(CATALOGUE)
        for feed, rows in events.items():
            log.append(FEEDS[feed].topic, [json.dumps(row).encode() for row in rows])
        process_log(log, store)
        store.take_note("alerts", {"a/ü": b"\x00\xff", "b": b""})
        yield store


@pytest.fixture
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path that is short enough for a socket; that of `tmp_path` has the name of the test in it."""
    return tmp_path_factory.mktemp("h") / "store.duckdb.socket"


@pytest.fixture(params=["socket", "port"])
def path(request: pytest.FixtureRequest, socket_path: Path, tmp_path: Path) -> Path:
    if request.param == "socket":
        return socket_path
    folder = tmp_path / ("a" * 100)
    folder.mkdir()
    return folder / "store.duckdb.socket"


def place_at(path: Path) -> Place:
    found = found_at(path)
    assert found is not None
    return found


@pytest.fixture
def held(store: EventStore, path: Path) -> Iterator[HeldStore]:
    with readable_by_others(store, path), HeldStore(path, place_at(path)) as held:
        yield held
    assert found_at(path) is None


def result_of(store: Any, method: str, arguments: tuple[Any, ...]) -> Any:
    found = getattr(store, method)(*arguments)
    return pl.concat([pl.DataFrame(), *found], how="diagonal") if method in ("scan", "scan_rejects") else found


def test_every_method_gives_what_the_store_gives(store: EventStore, held: HeldStore) -> None:
    assert {method for method, _ in CALLS} == READS | {"positions"}
    for method, arguments in CALLS:
        own, read = (result_of(one, method, arguments) for one in (store, held))
        if isinstance(own, pl.DataFrame):
            assert_frame_equal(read, own)
        else:
            assert read == own


def test_every_method_of_the_contract_is_known() -> None:
    methods = {name for name, _ in inspect.getmembers(EventStore) if not name.startswith("_")}

    assert methods == READS | WRITES | OTHERS


def test_rejects_can_be_marked(store: EventStore, held: HeldStore) -> None:
    at, other = (Position("ad_impressions", 0, offset) for offset in (1, 2))
    held.mark_replayed({at: Position("ad_impressions", 0, 7)})
    held.mark_resolved({at: "r1", other: "r2"})
    held.take_note("kind", {"key/ü": b"\x00\xff", "gone": None})

    marks = store.rejects(RejectQuery(positions=[at, other])).select("offset", "replayed_to", "resolution").rows()
    assert marks == [(1, "ad_impressions/0/7", "r1"), (2, None, "r2")]
    assert store.notes("kind") == {"key/ü": b"\x00\xff"}
    held.mark_resolved({at: None, other: None})
    assert store.rejects(RejectQuery(positions=[at, other]))["resolution"].to_list() == [None, None]


def test_a_catalogue_can_be_imported(store: EventStore, held: HeldStore) -> None:
    before = store.catalogue(), store.campaigns()
    flight = {"campaign_id": "k1", "start": START, "end": START + timedelta(days=7)}
    campaigns = pl.DataFrame([flight], schema=CAMPAIGN_COLUMNS)

    imported_at = held.import_catalogue(CATALOGUE.head(1), campaigns)

    assert imported_at == store.catalogue_imports()[-1]
    assert_frame_equal(store.catalogue(), CATALOGUE.head(1))
    assert_frame_equal(store.campaigns(), campaigns)
    held.import_catalogue(before[0])
    assert store.campaigns().is_empty()
    assert_frame_equal(store.catalogue(), before[0])


def test_what_an_erasure_removes_is_that_of_the_store(tmp_path: Path, socket_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db") as log, DuckdbStore(tmp_path / "store.duckdb") as store:
        log.append(FEEDS["impressions"].topic, [json.dumps(one).encode() for one in (IMPRESSION, {"user_id": "u1"})])
        process_log(log, store)
        gone = pl.DataFrame(
            [("ad_impressions", 0, 1, "impressions", "rejected")],
            ["topic", "partition", "offset", "feed", "kind"],
            orient="row",
        )
        with readable_by_others(store, socket_path), HeldStore(socket_path, place_at(socket_path)) as held:
            bounds = held.suppress("key", b"\x00\xff")
            removed = held.remove(Removal("e1", ["u1"], gone, bounds))
            assert bounds == store.positions() == {Partition("ad_impressions", 0): 2}
        assert removed.rows() == [("impressions", "event", 1), ("impressions", "rejected", 1)]
        assert store.notes("erasures") == {"key": b"\x00\xff"}
        assert store.ledger()[0].counts.erased == 2


def test_nothing_else_can_be_written(held: HeldStore) -> None:
    for method in OTHERS - {"positions", "retries", "interrupt", "close"}:
        with pytest.raises(StoreBusy, match="only it can write this"):
            getattr(held, method)()


def test_an_error_is_that_of_the_store(held: HeldStore) -> None:
    with pytest.raises(StoreError) as found:
        list(held.scan("impressions", ["nothing"], Range()))
    assert "cannot read the event store" in found.value.what
    assert found.value.where


def test_only_the_user_of_the_process_can_reach_it(store: EventStore, path: Path) -> None:
    with readable_by_others(store, path):
        place = place_at(path)
        file = path if place.socket else path.with_suffix(".port")
        assert stat.S_IMODE(os.lstat(file).st_mode) == 0o600
        if not place.socket:
            for token in ("", "wrong"):
                with (
                    HeldStore(path, Place(None, place.port, token)) as held,
                    pytest.raises(StoreUnavailable, match="401"),
                ):
                    held.ledger()


def test_nothing_else_can_be_called(store: EventStore, path: Path) -> None:
    with readable_by_others(store, path):
        place = place_at(path)
        transport = httpx.HTTPTransport(uds=None if place.socket is None else str(place.socket))
        headers = {"Authorization": f"Bearer {place.token}"} if place.token else {}
        with httpx.Client(transport=transport, headers=headers) as client:
            url = f"http://localhost:{place.port or 80}"
            for method in ("commit", "close", "__class__", "_db", "drop_before", "nothing"):
                assert client.post(f"{url}/store/{method}", content=b"{}").status_code == 404
            assert client.post(f"{url}/store/ledger", content=b"nonsense").status_code == 500
            assert client.post(f"{url}/store/ledger", content=b'{"a": 1}').status_code == 500
            assert client.post(f"{url}/store/take_note", content=b"{}").status_code == 500
            for method in ("suppress", "remove", "import_catalogue"):
                assert client.post(f"{url}/store/{method}", content=b'{"removal": {}}').status_code == 500
            invalid = b'{"replays": {"no position": "a/0/1"}}'
            assert client.post(f"{url}/store/mark_replayed", content=invalid).status_code == 500
            assert client.post(f"{url}/store/ledger", headers={"Host": "evil.example"}).status_code == 421
            assert client.get(f"{url}/api/v1/ledger").status_code == 404


def test_what_a_killed_process_left_is_not_taken_for_a_live_one(store: EventStore, socket_path: Path) -> None:
    path = socket_path
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.exists()
    assert found_at(path) is None
    with readable_by_others(store, path), HeldStore(path, place_at(path)) as held:
        assert held.ledger() == store.ledger()


def test_a_result_that_was_cut_is_an_error(store: EventStore) -> None:
    whole = b"".join(encode_result("ledger", store.ledger))

    assert list(decode_result("ledger", [whole])) == [store.ledger()]
    assert list(decode_result("ledger", [whole[at : at + 1] for at in range(len(whole))])) == [store.ledger()]
    for end in (0, 1, len(whole) // 2, len(whole) - 1):
        with pytest.raises(StoreError, match="ended while it was read"):
            list(decode_result("ledger", [whole[:end]]))


def test_clients_that_read_nothing_delay_no_commit(tmp_path: Path, socket_path: Path) -> None:
    path = socket_path
    with DuckdbStore(tmp_path / "store.duckdb") as store, readable_by_others(store, path), ExitStack() as hanging:
        for number in range(20):
            client = hanging.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(path))
            if number % 2:
                client.sendall(b"POST /store/ledger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
        for number in range(50):
            store.take_note("alerts", {str(number): b""})
        done = threading.Event()

        def read() -> None:
            with HeldStore(path, place_at(path)) as held:
                assert len(held.notes("alerts")) == 50
            done.set()

        threading.Thread(target=read, daemon=True).start()
        assert done.wait(60)


def test_only_an_embedded_store_has_a_socket() -> None:
    assert socket_of("duckdb:///data/store.duckdb") == Path.cwd() / "data/store.duckdb.socket"
    assert socket_of("duckdb:////data/store.duckdb") == Path("/data/store.duckdb.socket")
    assert socket_of("elasticsearch://127.0.0.1:9200") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "nonsense",
        '{"port": 99999, "token": "x"}',
        '{"port": -1, "token": "x"}',
        '{"port": 1, "token": "a\\nb"}',
    ],
)
def test_an_invalid_port_file_is_ignored(tmp_path: Path, text: str) -> None:
    folder = tmp_path / ("a" * 100)
    folder.mkdir()
    (folder / "store.duckdb.port").write_text(text)

    assert found_at(folder / "store.duckdb.socket") is None


def test_a_reader_leaves_the_folder_that_the_holder_spills_to(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with DuckdbStore(path):
        script = f"from advertisex.stores.open import open_store\nopen_store('duckdb:///{path}', read_only=True)"
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "StoreBusy" in ended.stderr
        assert stat.S_IMODE((tmp_path / "store.duckdb.tmp").stat().st_mode) == 0o700

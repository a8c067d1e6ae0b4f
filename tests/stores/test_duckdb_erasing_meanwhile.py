"""A user is erased from an embedded store that threads of its process commit to and read from."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.privacy.erasure import erase
from advertisex.processing.runner import process_log
from advertisex.stores.contract import Range, RejectQuery
from advertisex.stores.duckdb.store import DuckdbStore
from tests.processing.messages import message

BATCHES, EACH, USERS = 8, 5, 3
TOPIC = FEEDS["impressions"].topic


def users_in(store: DuckdbStore) -> list[str]:
    return [user for frame in store.scan("impressions", ["user_id"], Range()) for user in frame["user_id"]]


def test_nothing_is_lost_while_the_file_is_rewritten(tmp_path: Path) -> None:
    erased = [f"erased-user-{number}" for number in range(USERS)]
    log_path, ended = tmp_path / "log.db", Event()

    def commit() -> None:
        for batch in range(BATCHES):
            users = [*(f"kept-{batch}-{number}" for number in range(EACH)), *erased]
            log.append(TOPIC, [message("impressions", user_id=user) for user in users] + [b"{"])
            process_log(log, store)

    def use(call: Callable[[], object]) -> int:
        calls = 0
        while not ended.is_set() or not calls:
            call()
            calls += 1
        return calls

    def note() -> None:
        notes = len(store.notes("mine"))
        store.take_note("mine", {str(notes): b""})
        assert len(store.notes("mine")) == notes + 1

    with (
        SqliteLog(log_path) as log,
        SqliteLog(log_path) as log_of_erasures,
        DuckdbStore(tmp_path / "store.duckdb") as store,
        ThreadPoolExecutor() as pool,
    ):
        reading = [pool.submit(use, call) for call in (lambda: users_in(store), store.ledger, store.inspect, note)]
        committing = pool.submit(commit)
        try:
            for user in erased:
                erase(user, log_of_erasures, store)
            committing.result()
            for user in erased:
                erase(user, log_of_erasures, store)
        finally:
            ended.set()
        calls = [one.result() for one in reading]

    with DuckdbStore(tmp_path / "store.duckdb", read_only=True) as store:
        (row,) = store.ledger()
        assert sorted(users_in(store)) == sorted(
            f"kept-{batch}-{number}" for batch in range(BATCHES) for number in range(EACH)
        )
        assert (row.counts.read, row.counts.stored) == (BATCHES * (EACH + USERS + 1), BATCHES * EACH)
        assert row.counts.read == sum(
            getattr(row.counts, name) for name in ("stored", "duplicate", "filtered", "rejected", "erased")
        )
        assert store.rejects(RejectQuery()).height == BATCHES
        assert len(store.notes("mine")) == calls[-1]
    assert b"erased-user" not in (tmp_path / "store.duckdb").read_bytes() + log_path.read_bytes()


def test_a_commit_does_not_wait_for_who_reads_all_the_time(tmp_path: Path) -> None:
    with (
        SqliteLog(tmp_path / "log.db") as log,
        DuckdbStore(tmp_path / "store.duckdb") as store,
        ThreadPoolExecutor() as pool,
    ):
        log.append(TOPIC, [message("impressions", user_id=user) for user in ("u1", "u2")])
        process_log(log, store)
        reading = store.scan("impressions", ["user_id"], Range())
        next(reading)
        erasing = pool.submit(erase, "u1", log, store)
        log.append(TOPIC, [message("impressions", user_id="u3")])
        while process_log(log, store).stored == 0:
            pass
        assert not erasing.done()
        reading.close()  # type: ignore[attr-defined] # a generator
        erasing.result()
        assert sorted(users_in(store)) == ["u2", "u3"]

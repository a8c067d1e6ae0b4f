"""The SQLite log beyond the contract: durability, and what remains after a kill."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from structlog.testing import capture_logs

from advertisex.errors import ConfigurationError, LogError
from advertisex.logs.kafka.state import KafkaState
from advertisex.logs.open import open_log
from advertisex.logs.sqlite import log as sqlite_log
from advertisex.logs.sqlite import schema, stored_rows, topics
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import TOMBSTONE, Partition

#: Appends batches indefinitely, and prints the number of each once it is durable. Every third spans several rows.
APPEND_FOREVER = """
import sys
from itertools import count
from pathlib import Path
from advertisex.logs.sqlite import log as sqlite_log
from advertisex.logs.sqlite import topics
from advertisex.logs.sqlite.log import SqliteLog

log = SqliteLog(Path(sys.argv[1]))
for batch in count(int(sys.argv[2])):
    size = 5 * 2**20 if batch % 3 == 0 else 10
    log.append("t", [b"%d/%d/" % (batch, i) + bytes(size) for i in range(4)])
    print(batch, flush=True)
"""


def test_it_uses_the_write_ahead_log_and_full_synchronization(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteLog(path) as log:
        log.append("t", [b"a"])
        (synchronous,) = log._db.execute("PRAGMA synchronous").fetchone()
    plain = sqlite3.connect(path)
    (journal,) = plain.execute("PRAGMA journal_mode").fetchone()
    plain.close()

    assert journal == "wal"
    assert synchronous == 2  # FULL; a setting of the connection, so only readable from within


def test_it_has_no_temporary_files_that_a_kill_could_leave(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        assert log._db.execute("PRAGMA temp_store").fetchone() == (2,)  # in memory


def test_a_process_killed_while_it_appends_leaves_whole_batches_only(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    chance = random.Random(20261124)
    durable = -1
    for _ in range(6):
        with SqliteLog(path) as log:
            offset = log.end_offsets().get(("t", 0), 0)
        worker = subprocess.Popen(
            [sys.executable, "-c", APPEND_FOREVER, str(path), str(durable + 1)], stdout=subprocess.PIPE, bufsize=0
        )
        assert worker.stdout is not None
        lines = [worker.stdout.readline()]
        time.sleep(chance.uniform(0, 0.15))  # kill at a random time
        worker.kill()
        lines += worker.communicate(timeout=60)[0].splitlines()
        reported = [int(line) for line in lines if line.strip()]

        found = []
        with SqliteLog(path) as log:
            while len(batch := log.read("t", 0, offset, 4)):
                found += [tuple(map(int, message.split(b"/")[:2])) for message in batch.payloads]
                offset = batch.span.end
        batches = [(number, [index for _, index in group]) for number, group in groupby(found, key=lambda m: m[0])]
        assert all(indexes == [0, 1, 2, 3] for _, indexes in batches)
        numbers = [number for number, _ in batches]
        assert numbers == list(range(durable + 1, durable + 1 + len(numbers)))
        assert reported[-1] <= numbers[-1] <= reported[-1] + 1  # one more may be durable but not yet reported
        durable = numbers[-1]


def test_a_file_that_is_not_a_database_is_reported_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"timestamp,user_id\n" * 1000)

    with pytest.raises(LogError, match="not a SQLite database") as caught:
        SqliteLog(path)

    assert caught.value.where == str(path)
    assert "--log" in caught.value.hint
    assert path.read_bytes().startswith(b"timestamp")


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(LogError) as caught:
        SqliteLog(tmp_path / "file" / "log.db")

    assert str(tmp_path / "file") in str(caught.value)
    assert caught.value.hint


def test_a_log_of_an_earlier_version_gets_an_identity_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteLog(path) as log:
        log.append("t", [b"a"])
    plain = sqlite3.connect(path)
    plain.execute("DROP TABLE identity")
    plain.close()

    with SqliteLog(path) as log, SqliteLog(path) as same:
        assert len(log.identities(["t"])["t"]) == 32
        assert same.identities(["t"]) == log.identities(["t"])
        assert list(log.read("t", 0, 0, 9).payloads) == [b"a"]


@pytest.mark.parametrize("content", [bytes(1), bytes(4_096), bytes(8_192), bytes(16_384)])
@pytest.mark.parametrize("wal", [None, b""])
def test_a_log_of_zeros_holds_nothing_and_is_replaced(tmp_path: Path, content: bytes, wal: bytes | None) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(content)
    if wal is not None:
        path.with_name("log.db-wal").write_bytes(wal)

    with SqliteLog(path) as log:
        log.append("t", [b"a"])
    with SqliteLog(path) as log:
        assert log.end_offsets() == {("t", 0): 1}


def test_a_log_with_a_few_pages_and_its_messages_in_the_write_ahead_log_keeps_them(tmp_path: Path) -> None:
    path, copy = tmp_path / "log.db", tmp_path / "copy" / "log.db"
    copy.parent.mkdir()
    with sqlite3.connect(path) as plain:
        plain.execute("PRAGMA journal_mode = WAL")  # one page of 4,096 bytes
    with SqliteLog(path) as log:
        log.append("t", [b"a"])
        for end in ("", "-wal"):
            copy.with_name(f"log.db{end}").write_bytes(path.with_name(f"log.db{end}").read_bytes())

    with SqliteLog(copy) as log:
        assert list(log.read("t", 0, 0, 9).payloads) == [b"a"]


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0"])
def test_an_unfinished_log_holds_nothing_and_is_completed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.db"
    sqlite3.connect(path).close()
    if content:  # only its options are written
        plain = sqlite3.connect(path)
        plain.execute("PRAGMA journal_mode = WAL")
        plain.close()

    with SqliteLog(path) as log:
        log.append("t", [b"a"])
        assert log.end_offsets() == {("t", 0): 1}


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("state", ["empty", "missing"])
def test_messages_in_a_write_ahead_log_without_its_file_are_kept(tmp_path: Path, state: str, create: bool) -> None:
    path, journal = tmp_path / "log.db", tmp_path / "log.db-wal"
    with SqliteLog(tmp_path / "old.db") as log:
        log.append("t", [b"a"])
        shutil.copy(tmp_path / "old.db-wal", journal)
    before = journal.read_bytes()
    if state == "empty":
        path.touch()

    for _ in range(2):
        with pytest.raises(LogError, match=rf"damaged: it is {state}.*restore both.*move that file away") as caught:
            SqliteLog(path, create=create)
        assert caught.value.where == str(journal)

    assert journal.read_bytes() == before
    assert path.exists() == (state == "empty")
    journal.rename(tmp_path / "moved")
    with SqliteLog(path) as log:
        assert log.append_each("t", [b"b"])[0].offset == 0


def test_the_state_of_sources_in_a_write_ahead_log_without_its_file_is_kept(tmp_path: Path) -> None:
    journal = tmp_path / "log-state.db-wal"
    journal.write_bytes(b"state")
    state = KafkaState(tmp_path, lambda topics: {})

    for use in (lambda: state.read(""), lambda: state.change("t", {"source": b"1"})):
        with pytest.raises(LogError, match="the state of the sources is damaged: it is missing"):
            use()

    assert journal.read_bytes() == b"state"


def test_a_write_ahead_log_that_appears_while_the_file_is_made_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = schema.load_identity

    def appears(db: sqlite3.Connection) -> str:
        (tmp_path / "log.db-wal").write_bytes(b"messages")
        return load(db)

    monkeypatch.setattr(schema, "load_identity", appears)  # the last step before the check under the lock
    with pytest.raises(LogError, match="it is missing, but its latest content"):
        SqliteLog(tmp_path / "log.db")

    assert {file.name for file in tmp_path.iterdir()} == {"log.db-wal"}


def test_a_database_of_another_program_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    plain = sqlite3.connect(path)
    plain.execute("CREATE TABLE places (id)")
    plain.close()
    before = path.read_bytes()

    with pytest.raises(LogError, match="not an event log"):
        SqliteLog(path)

    assert path.read_bytes() == before


def test_only_the_owner_can_read_a_log_and_its_folder(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with SqliteLog(tmp_path / "data" / "log.db") as log:
            log.append("t", [b"a"])
            log.lock("source")
            modes = {file.suffix: file.stat().st_mode & 0o777 for file in (tmp_path / "data").iterdir()}
    finally:
        os.umask(before)

    assert set(modes.values()) == {0o600}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_locked_log_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteLog(path) as log:
        log.append("t", [b"a"])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert list(log.read("t", 0, 0, 1).payloads) == [b"a"]  # readers do not wait for a writer
        other.execute("ROLLBACK")
        other.close()
        log.append("t", [b"b"])
        assert list(log.read("t", 0, 0, 9).payloads) == [b"a", b"b"]


@pytest.mark.parametrize("url", ["pulsar://localhost:6650", "sqlite:///", "log.db", ""])
def test_an_unsupported_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="unsupported event log URL") as caught:
        open_log(url)

    assert "sqlite:///" in caught.value.hint


@pytest.mark.parametrize("size", [0, 100_000], ids=["small", "large"])
def test_erased_bytes_are_in_none_of_its_files(tmp_path: Path, size: int) -> None:
    secret = b"user4711"
    with SqliteLog(tmp_path / "log.db") as log, SqliteLog(tmp_path / "log.db") as other:
        for batch in range(5):
            log.append("t", [b"%d/%d %s" % (batch, i, secret if i % 2 else b"other") + bytes(size) for i in range(10)])
        assert other.read("t", 0, 0, 100).span.end == 50

        log.erase("t", 0, range(1, 50, 2))

        found = [file.name for file in tmp_path.iterdir() if secret in file.read_bytes()]
        assert found == []
        assert [payload.rstrip(b"\0") for payload in other.read("t", 0, 20, 2).payloads] == [b"2/0 other", TOMBSTONE]


def test_an_erasure_fails_while_a_reader_keeps_erased_messages_in_the_write_ahead_log(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db", wait=0.1) as log:
        log.append("t", [b"user4711", b"other"])
        reader = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM batch").fetchall()

        with pytest.raises(LogError, match=r"another process is reading.*then run this again"):
            log.erase("t", 0, [0])
        reader.close()
        log.erase("t", 0, [0])

        assert not any(b"user4711" in file.read_bytes() for file in tmp_path.iterdir())


def test_concurrent_erasures_do_not_undo_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteLog(tmp_path / "log.db") as log, SqliteLog(tmp_path / "log.db") as other:
        log.append("t", [b"user4711", b"user8150", b"other"])

        def erase(of: SqliteLog, offset: int) -> None:
            with suppress(LogError):  # the other erasure is truncating the write-ahead log
                of.erase("t", 0, [offset])

        meanwhile = Thread(target=erase, args=(other, 1))
        decode = stored_rows._decode

        def decode_and_wait(blob: bytes) -> list[bytes]:
            monkeypatch.undo()
            meanwhile.start()  # between reading and writing a row
            meanwhile.join(0.5)
            return decode(blob)

        # no parameter stops an erasure between reading and writing a row, and production needs none
        monkeypatch.setattr(stored_rows, "_decode", decode_and_wait)
        erase(log, 0)
        meanwhile.join()

        assert log.read("t", 0, 0, 9).payloads == [TOMBSTONE, TOMBSTONE, b"other"]


def test_an_empty_file_of_the_state_is_made_again_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "log-state.db").touch()
    state = KafkaState(tmp_path, lambda topics: dict.fromkeys(topics, "id"))
    with capture_logs() as lines:
        state.change("t", {"source": b"1"})
        assert state.read("") == {"source": b"1"}
    state.close()
    assert [(line["log_level"], line["file"]) for line in lines] == [("warning", str(tmp_path / "log-state.db"))]


def test_what_is_appended_while_a_value_and_its_checksum_are_read_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteLog(tmp_path / "log.db") as log, SqliteLog(tmp_path / "log.db") as other:
        log.append("t", [b"a"], state={"s": b"1"})
        of, read, appended = Partition("t", 0), topics.checksum_in, list[bool]()

        def checksum_in(*arguments: Any) -> int | None:
            if not appended:
                appended.append(True)
                other.append("t", [b"b"], state={"s": b"2"})
            return read(*arguments)

        monkeypatch.setattr(topics, "checksum_in", checksum_in)
        monkeypatch.setattr(sqlite_log, "checksum_in", checksum_in)
        assert log.read("t", 0, 0, 10).payloads == [b"a"]
        assert log.end_offsets() == {of: 2}
        assert log.state("s") == {"s": b"2"}
        assert log.append_ids({of: 1}).keys() == {of}
    assert appended

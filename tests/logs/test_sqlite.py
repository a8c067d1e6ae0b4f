"""The SQLite log beyond the contract: durability, and what remains after a kill."""

import random
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from threading import Thread

import pytest

from advertisex.errors import ConfigurationError, LogError
from advertisex.logs.open import open_log
from advertisex.logs.sqlite import rows as sqlite_rows
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import TOMBSTONE

#: Appends batches indefinitely, and prints the number of each once it is durable. Every third spans several rows.
APPEND_FOREVER = """
import sys
from itertools import count
from pathlib import Path
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


def test_a_process_killed_while_it_appends_leaves_whole_batches_only(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    chance = random.Random(20261124)
    durable = -1
    for _ in range(6):
        with SqliteLog(path) as log:
            offset = log.end_offsets().get(("t", 0), 0)
        worker = subprocess.Popen(
            [sys.executable, "-c", APPEND_FOREVER, str(path), str(durable + 1)], stdout=subprocess.PIPE
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

    with pytest.raises(LogError, match="not an event log") as caught:
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
        decode = sqlite_rows._decode

        def decode_and_wait(blob: bytes) -> list[bytes]:
            monkeypatch.undo()
            meanwhile.start()  # between reading and writing a row
            meanwhile.join(0.5)
            return decode(blob)

        # no parameter stops an erasure between reading and writing a row, and production needs none
        monkeypatch.setattr(sqlite_rows, "_decode", decode_and_wait)
        erase(log, 0)
        meanwhile.join()

        assert log.read("t", 0, 0, 9).payloads == [TOMBSTONE, TOMBSTONE, b"other"]

"""Retention of the SQLite log beyond the contract: the file, a kill, logs of earlier versions, and a model."""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from advertisex.errors import LogError
from advertisex.logs.contract import Limits
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.logs.sqlite.retention import file_use
from advertisex.model import TOMBSTONE, Partition, Position
from advertisex.testing.contracts.log_readers import until_caught_up
from advertisex.testing.contracts.log_retention import prune_below, removed
from tests.budget import examples

ALL = Limits(size=0)
T = Partition("t", 0)
MEGABYTE = 2**20

#: Appends messages that name their offsets and removes all but the last of them, until it is killed; prints what it is
#: about to remove. A file of an earlier version is rewritten meanwhile.
PRUNES_FOREVER = """
import sys
from pathlib import Path
from advertisex.logs.contract import Limits
from advertisex.logs.sqlite.log import SqliteLog

log = SqliteLog(Path(sys.argv[1]))
while True:
    end = log.end_offsets().get(("t", 0), 0)
    for first in range(end, end + 20, 5):
        log.append("t", [b"%d " % offset + bytes(200_000) for offset in range(first, first + 5)])
    print(end + 13, flush=True)
    while log.prune({("t", 0): end + 13}, Limits(size=0)):
        pass
"""


def appended(log: SqliteLog, megabytes: int, topic: str = "t") -> None:
    for _ in range(megabytes):
        log.append(topic, [random.Random(1).randbytes(MEGABYTE // 4)] * 4)


def earlier(path: Path, megabytes: int) -> None:
    """Make a log as an earlier version left it: without the table of topics, and of pages that stay in the file."""
    with SqliteLog(path):
        pass
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA auto_vacuum = NONE; VACUUM")
    db.close()
    with SqliteLog(path) as log:
        appended(log, megabytes)
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("DROP TRIGGER appended; DROP TABLE topic")
    assert db.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    db.close()


def checkpoint(path: Path) -> int:
    """Write everything into the file; returns its size."""
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    db.close()
    return path.stat().st_size


def test_the_file_shrinks_with_what_it_keeps(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteLog(path) as log:
        appended(log, 20)
        before = checkpoint(path)
        size = 5 * MEGABYTE
        assert removed(log, {T: 80}, Limits(size=size)) == 4 * 16

        assert before > 20 * MEGABYTE
        assert 4 * MEGABYTE < checkpoint(path) <= size
        assert file_use(log._db).free == 0
        assert log.start_offsets() == {T: 64}
        appended(log, 1)
        assert len(log.read("t", 0, 0, 100)) == 20


def test_a_step_is_bounded(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        appended(log, 20)
        assert log.prune({T: 80}, ALL) == 32


def test_free_pages_of_erasures_are_returned_too(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        appended(log, 4)
        log.erase("t", 0, range(16))
        assert file_use(log._db).free > 3 * MEGABYTE
        assert log.prune({}, Limits()) == 0
        assert file_use(log._db).free == 0


@pytest.mark.parametrize("size", [0, 100_000], ids=["small", "large"])
def test_removed_bytes_are_in_none_of_its_files_after_an_erasure(tmp_path: Path, size: int) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        for user in (b"user4711", b"user8150"):
            log.append("t", [b"%d %s" % (number, user) + bytes(size) for number in range(10)])
        prune_below(log, "t", 10)
        log.erase("t", 0, [])

        assert [file.name for file in tmp_path.iterdir() if b"user4711" in file.read_bytes()] == []
        assert len(log.read("t", 0, 0, 99)) == 10


def test_a_log_of_an_earlier_version_continues_and_shrinks_once_half_of_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    earlier(path, 8)
    with SqliteLog(path) as log, SqliteLog(path) as other:
        assert log.append_each("t", [b"a"]) == [Position("t", 0, 32)]
        prune_below(log, "t", 12)
        assert file_use(log._db).free > 2 * MEGABYTE
        prune_below(log, "t", 24)
        assert file_use(log._db).free == 0
        assert log.read("t", 0, 0, 99).offsets == other.read("t", 0, 0, 99).offsets == range(24, 33)
        other.append("t", [bytes(MEGABYTE)])
        prune_below(other, "t", 28)
        assert file_use(log._db).free == 0
        assert log.inspect(["t"])[0].good
    assert checkpoint(path) < 3 * MEGABYTE


def test_a_process_of_an_earlier_version_cannot_use_offsets_again(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteLog(path) as log:
        log.append("t", [b"a", b"b"])
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("INSERT INTO batch VALUES ('t', 2, 3, 0, ?)", (b"\x91\xc4\x01c",))
        assert log.append_each("t", [b"d"]) == [Position("t", 0, 3)]
        prune_below(log, "t", 4)
        with pytest.raises(sqlite3.IntegrityError, match="offset used before"):
            db.execute("INSERT INTO batch VALUES ('t', 0, 1, 0, ?)", (b"\x91\xc4\x01x",))
        db.close()
        assert log.end_offsets() == {T: 4}


def test_lost_messages_are_reported_with_their_number(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        for topic in ("t", "empty"):
            log.append(topic, [b"0", b"1", b"2"])
        log.append("t", [b"3"])
        prune_below(log, "t", 3)
        prune_below(log, "empty", 3)
        with capture_logs() as lines, log.reader(["t", "empty"], lambda: {T: 1}, 10) as reader:
            until_caught_up(reader)
    assert [(line["partition"], line["count"], line["log_level"]) for line in lines] == [
        ("empty/0", 3, "warning"),
        ("t/0", 2, "warning"),
    ]


def test_a_locked_log_is_not_changed(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db", wait=0.01) as log:
        log.append("t", [b"a"])
        other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogError, match=r"cannot remove messages from the event log: another process has locked"):
            log.prune({T: 1}, ALL)
        other.close()
        assert log.prune({T: 1}, ALL) == 1


@pytest.mark.parametrize("old", [False, True], ids=["new", "earlier"])
def test_a_process_killed_while_it_removes_messages_leaves_all_that_are_not_processed(
    tmp_path: Path, *, old: bool
) -> None:
    path = tmp_path / "log.db"
    chance = random.Random(20261129 + old)
    for _ in range(3):
        if old:
            path.unlink(missing_ok=True)
            earlier(path, 0)
        command = [sys.executable, "-c", PRUNES_FOREVER, str(path)]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert worker.stdout is not None
        lines = [worker.stdout.readline()]
        time.sleep(chance.uniform(0, 0.2))  # kill at a random time
        worker.kill()
        lines += worker.communicate(timeout=60)[0].splitlines()
        processed = max(int(line) for line in lines if line.strip())

        with SqliteLog(path) as log:
            start, end = log.start_offsets()[T], log.end_offsets()[T]
            held = log.read("t", 0, 0, 10_000)
            assert start <= processed
            assert list(held.offsets) == list(range(start, end))
            assert [int(payload.split(b" ")[0]) for payload in held.payloads] == list(held.offsets)
            assert log.append_each("t", [b"%d " % end]) == [Position("t", 0, end)]
            assert log.inspect(["t"])[0].good
            for first in range(end + 1, -(end + 1) // -5 * 5):  # appends begin at a multiple of 5 again
                log.append("t", [b"%d " % first])


@dataclass
class Model:
    """The messages of each topic by offset; None stands for a removed one."""

    appends: dict[str, list[range]] = field(default_factory=dict)
    held: dict[str, list[bytes | None]] = field(default_factory=dict)

    def append(self, topic: str, messages: list[bytes]) -> None:
        held = self.held.setdefault(topic, [])
        self.appends.setdefault(topic, []).append(range(len(held), len(held) + len(messages)))
        held += messages

    def prune(self, processed: Mapping[Partition, int]) -> int:
        count = 0
        for topic, appends in self.appends.items():
            done = processed.get(Partition(topic, 0), 0)
            while done <= len(self.held[topic]) and appends and appends[0].stop <= done:
                for offset in appends.pop(0):
                    self.held[topic][offset] = None
                    count += 1
        return count

    def erase(self, topic: str, offsets: list[int]) -> None:
        held = self.held.get(topic, [])
        for offset in offsets:
            if offset < len(held) and held[offset] is not None:
                held[offset] = TOMBSTONE


TOPICS = st.sampled_from(["a", "b"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), TOPICS, st.lists(st.binary(max_size=5), min_size=1, max_size=4)),
        st.tuples(st.just("prune"), TOPICS, st.integers(0, 12)),
        st.tuples(st.just("erase"), TOPICS, st.lists(st.integers(0, 12), max_size=3)),
        st.tuples(st.just("read"), TOPICS, st.tuples(st.integers(0, 12), st.integers(1, 5))),
    ),
    max_size=14,
)


def check_read(log: SqliteLog, held: list[bytes | None], topic: str, offset: int, limit: int) -> None:
    batch = log.read(topic, 0, offset, limit)
    kept = [(at, message) for at, message in enumerate(held) if at >= offset and message is not None][:limit]
    assert list(zip(batch.offsets, batch.payloads, strict=True)) == kept
    start = log.start_offsets().get(Partition(topic, 0), 0)  # what was removed is passed, and lost
    assert (batch.span.start, batch.span.end) == (offset, kept[-1][0] + 1 if kept else max(offset, start))
    assert batch.lost == max(0, start - offset)


@settings(max_examples=examples(60), deadline=None)
@given(steps=STEPS)
def test_appends_removals_erasures_and_reads_equal_a_model(steps: list[tuple[str, str, list[bytes]]]) -> None:
    model = Model()
    with SqliteLog(Path(":memory:")) as log:
        for step, topic, value in steps:
            match step, value:
                case "append", list(messages):
                    log.append(topic, messages)
                    model.append(topic, messages)
                case "prune", int(done):
                    processed = {Partition(topic, 0): done}
                    assert removed(log, processed, ALL) == model.prune(processed)
                case "erase", list(offsets):
                    log.erase(topic, 0, offsets)
                    model.erase(topic, offsets)
                case "read", (int(offset), int(limit)):
                    check_read(log, model.held.get(topic, []), topic, offset, limit)
        for topic, held in model.held.items():
            check_read(log, held, topic, 0, 99)
            gone = sum(message is None for message in held)
            assert log.start_offsets()[Partition(topic, 0)] == gone
            assert log.end_offsets()[Partition(topic, 0)] == len(held)


def test_doctor_says_how_fast_the_log_grows_once_it_is_a_day_old(tmp_path: Path) -> None:
    day, now = 86_400_000_000, [0]
    with SqliteLog(tmp_path / "log.db", clock=lambda: now[0]) as log:
        appended(log, 4)
        now[0] = day - 1
        assert "it grew" not in log.inspect(["t"])[2].detail
        now[0] = 2 * day
        db = sqlite3.connect(tmp_path / "log.db")
        used = file_use(db).used
        db.close()
        assert log.inspect(["t"])[2].detail == (
            f"{used / 1e6:.1f} MB in use; it grew by {used / 2e6:.1f} MB a day since 1970-01-01 00:00 UTC"
        )

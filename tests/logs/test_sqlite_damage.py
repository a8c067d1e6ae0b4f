"""Damage of the SQLite log: nothing altered is ever returned, and what is damaged is named and can be skipped."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from advertisex.errors import LogDamaged, LogError
from advertisex.logs.contract import EventLog, Limits
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import TOMBSTONE, Origin, Partition, Position, Span
from advertisex.testing.contracts.log_readers import payloads, until_caught_up
from advertisex.testing.contracts.log_retention import prune_below

T = Partition("t", 0)
#: Four appends of ten messages; each message names its offset.
MESSAGES = [b"<%04d>" % offset * 20 for offset in range(40)]


def filled(path: Path) -> Path:
    with SqliteLog(path, clock=lambda: 1_790_000_000_000_000) as log:
        for first in range(0, 40, 10):
            origins = [Origin(f"file{first}.csv", 10, range(1, 11))]
            log.append("t", MESSAGES[first : first + 10], origins=origins, state={f"source/{first}": b"[%d]" % first})
    checkpointed(path)
    return path


def checkpointed(path: Path) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def flip(path: Path, place: int, bits: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= bits
    path.write_bytes(content)


def flip_message(path: Path, offset: int) -> None:
    flip(path, path.read_bytes().index(MESSAGES[offset]))


def changed(path: Path, *statements: str) -> None:
    """Change the file as damage does: without the triggers that remove checksums."""
    db = sqlite3.connect(path, isolation_level=None)
    for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name <> 'appended'"
    ).fetchall():
        db.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        db.execute(statement)
    db.close()


def read_all(log: EventLog, *, skip_damaged: bool) -> tuple[list[bytes], int]:
    """All messages that a reader returns, and how many are lost."""
    with log.reader(["t"], dict, 7, skip_damaged=skip_damaged) as reader:
        batches = until_caught_up(reader)
    return payloads(batches), sum(batch.lost for batch in batches)


def flipped(path: Path) -> None:
    flip_message(path, 14)


def statements(*texts: str) -> Callable[[Path], None]:
    return lambda path: changed(path, *texts)


OTHERS = "(SELECT messages FROM batch WHERE first_offset = 0)"
CUT = "UPDATE batch SET messages = substr(messages, 1, 99) WHERE first_offset = 0"
UNVERIFIED = "DELETE FROM checksum"
#: A damage, the offsets that it damages, and what the error says.
DAMAGES: dict[str, tuple[Callable[[Path], None], int, int, str]] = {
    "bit": (flipped, 10, 20, "altered"),
    "other": (statements(f"UPDATE batch SET messages = {OTHERS} WHERE first_offset = 10"), 10, 20, "altered"),
    "time": (statements("UPDATE batch SET appended_at = 7 WHERE first_offset = 20"), 20, 30, "altered"),
    "topic": (statements("UPDATE batch SET topic = 'u' WHERE first_offset = 10"), 10, 20, "missing"),
    "gone": (statements("DELETE FROM batch WHERE first_offset = 10"), 10, 20, "missing"),
    "first gone": (statements("DELETE FROM batch WHERE first_offset = 0"), 0, 10, "missing"),
    "first two gone": (statements("DELETE FROM batch WHERE first_offset < 20"), 0, 20, "missing"),
    "all gone": (statements("DELETE FROM batch"), 0, 40, "missing"),
    "last gone": (statements("DELETE FROM batch WHERE first_offset = 30"), 30, 40, "missing"),
    "text": (statements("UPDATE batch SET messages = 'text' WHERE first_offset = 20"), 20, 30, "altered"),
    "cut": (statements(CUT), 0, 10, "altered"),
    "unverified, cut": (statements(UNVERIFIED, CUT), 0, 10, "altered"),
    "unverified, next offset": (
        statements(UNVERIFIED, "UPDATE batch SET next_offset = 13 WHERE first_offset = 0"), 0, 10, "altered"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_messages_are_an_error_that_names_them_or_are_lost(tmp_path: Path, name: str) -> None:
    damage, start, end, why = DAMAGES[name]
    damage(filled(tmp_path / "log.db"))
    with SqliteLog(tmp_path / "log.db") as log:
        with log.reader(["t"], dict, 100) as reader, pytest.raises(LogDamaged, match=why) as caught:
            until_caught_up(reader)
        assert (caught.value.topic, caught.value.start, caught.value.end) == ("t", start, end)
        assert caught.value.where == f"t/0/{start} to {end - 1}"
        assert "restore the log from a backup" in caught.value.hint
        assert "--skip-damaged" in caught.value.hint
        for offset in (start, start + 3):
            with pytest.raises(LogDamaged) as caught:
                log.read("t", 0, offset, 5)
            assert (caught.value.start, caught.value.end) == (offset, end)
        with capture_logs() as lines:
            assert read_all(log, skip_damaged=True) == (MESSAGES[:start] + MESSAGES[end:], end - start)
        assert [(line["event"], line["count"]) for line in lines] == [
            ("messages lost: damaged and skipped", end - start)
        ]
        log.append("t", [b"new"])
        assert list(log.read("t", 0, 40, 5).payloads) == [b"new"]


def test_the_messages_before_the_damage_are_returned_first(tmp_path: Path) -> None:
    flip_message(filled(tmp_path / "log.db"), 25)
    with SqliteLog(tmp_path / "log.db") as log:
        batch = log.read("t", 0, 4, 100)
        assert (list(batch.payloads), batch.span.end) == (MESSAGES[4:20], 20)


def test_removed_messages_are_not_damaged(tmp_path: Path) -> None:
    with SqliteLog(filled(tmp_path / "log.db")) as log:
        prune_below(log, "t", 20)
        assert read_all(log, skip_damaged=False) == (MESSAGES[20:], 20)
        assert all(one.good for one in log.verify(["t"], lambda count: None))
    db = sqlite3.connect(tmp_path / "log.db")
    assert db.execute("SELECT count(*) FROM checksum WHERE kind = 'batch'").fetchone() == (2,)
    db.close()
    checkpointed(tmp_path / "log.db")
    flip_message(tmp_path / "log.db", 34)
    with SqliteLog(tmp_path / "log.db") as log:
        assert read_all(log, skip_damaged=True) == (MESSAGES[20:30], 30)


def test_messages_that_retention_has_not_removed_are_missing(tmp_path: Path) -> None:
    with SqliteLog(filled(tmp_path / "log.db")) as log:
        prune_below(log, "t", 20)
    changed(tmp_path / "log.db", "DELETE FROM batch WHERE first_offset = 20")
    with SqliteLog(tmp_path / "log.db") as log:
        with pytest.raises(LogDamaged, match="they are missing") as caught:
            log.read("t", 0, 0, 5)
        assert (caught.value.start, caught.value.end) == (20, 30)
        assert read_all(log, skip_damaged=True) == (MESSAGES[30:], 30)
        findings = {one.what: one for one in log.verify(["t"], lambda count: None)}
    assert "10 are damaged: t/0/20 to 29" in findings["log messages"].detail


def test_a_log_whose_start_is_unknown_is_read_until_retention_records_it(tmp_path: Path) -> None:
    filled(tmp_path / "log.db")
    changed(tmp_path / "log.db", "DROP TABLE checksum", "DROP TABLE start", "DELETE FROM batch WHERE first_offset = 0")
    with SqliteLog(tmp_path / "log.db") as log:
        assert read_all(log, skip_damaged=False) == (MESSAGES[10:], 10)
        prune_below(log, "t", 20)
        assert read_all(log, skip_damaged=False) == (MESSAGES[20:], 20)
    changed(tmp_path / "log.db", "DELETE FROM batch WHERE first_offset = 20")
    with SqliteLog(tmp_path / "log.db") as log, pytest.raises(LogDamaged, match="they are missing"):
        read_all(log, skip_damaged=False)


@pytest.mark.parametrize(
    ("lost", "skipped", "new"),
    [
        ([], 0, 20),
        ([(15, 20)], 5, 10),  # before that, they were read as they had been appended
        ([(15, 20), (30, 40)], 15, 0),
        ([(10, 15), (30, 35)], 10, 10),
        ([(0, 20), (30, 40)], 20, 0),
        ([(20, 30)], 0, 20),
    ],
)
def test_of_the_damaged_messages_those_are_skipped_that_the_ledger_has_lost(
    tmp_path: Path, lost: list[tuple[int, int]], skipped: int, new: int
) -> None:
    changed(filled(tmp_path / "log.db"), *(f"DELETE FROM batch WHERE first_offset = {first}" for first in (10, 30)))
    with SqliteLog(tmp_path / "log.db") as log:
        spans = [Span("t", 0, *one) for one in lost] + [Span("u", 0, 0, 40)]
        found = {one.what: one for one in log.verify(["t"], lambda count: None, spans)}["log messages"]
    assert found.good is (new == 0)
    assert (f"{new} are damaged" in found.detail) is (new > 0)
    assert (f"{skipped} messages are damaged and were skipped" in found.detail) is (skipped > 0)


TOPICS = {
    "lower": "UPDATE topic SET next_offset = 0",
    "a little lower": "UPDATE topic SET next_offset = 39",
    "greater": "UPDATE topic SET next_offset = 50",
    "gone": "DELETE FROM topic",
    "renamed": "UPDATE topic SET name = 'u'",
    "start": "UPDATE start SET first_offset = 10",
    "start gone": "DELETE FROM start",
}


@pytest.mark.parametrize("is_unverified", [False, True])
@pytest.mark.parametrize("name", TOPICS)
def test_an_altered_topic_is_an_error_of_all_that_use_it(tmp_path: Path, name: str, is_unverified: bool) -> None:
    what = "start" if "start" in name else "end"
    if is_unverified and name in {"greater", "start", "start gone"}:
        pytest.skip("only a checksum shows it")
    changed(filled(tmp_path / "log.db"), *([UNVERIFIED] if is_unverified else []), TOPICS[name])
    with SqliteLog(tmp_path / "log.db") as log:
        for skip in (False, True):
            with pytest.raises(LogError, match=f"the {what} of a topic was altered") as caught:
                read_all(log, skip_damaged=skip)
            assert (caught.value.where, "restore" in caught.value.hint) == ("t/0", True)
        if what == "end":
            with pytest.raises(LogError, match="altered"):
                log.append("t", [b"new"])
            assert not {one.what: one for one in log.inspect(["t"])}["topics"].good
        findings = {one.what: one for one in log.verify(["t"], lambda count: None)}
        assert not findings["log topics"].good
        assert "(t/0)" in findings["log topics"].detail


def test_an_erasure_keeps_what_it_changes_verified(tmp_path: Path) -> None:
    with SqliteLog(filled(tmp_path / "log.db")) as log:
        log.erase("t", 0, [3, 12, 13])
        expected = [TOMBSTONE if offset in {3, 12, 13} else message for offset, message in enumerate(MESSAGES)]
        assert read_all(log, skip_damaged=False) == (expected, 0)
        findings = {one.what: one for one in log.verify(["t"], lambda count: None)}
    assert findings["log messages"].detail == "4 batches are as they were appended"


def test_a_damaged_message_cannot_be_erased(tmp_path: Path) -> None:
    flip_message(filled(tmp_path / "log.db"), 14)
    with SqliteLog(tmp_path / "log.db") as log, pytest.raises(LogDamaged):
        log.erase("t", 0, [3, 12])


def test_retention_removes_a_damaged_batch_so_that_erasures_are_complete_again(tmp_path: Path) -> None:
    flip_message(filled(tmp_path / "log.db"), 14)
    with SqliteLog(tmp_path / "log.db") as log:
        prune_below(log, "t", 20)
        log.erase("t", 0, [3, 12, 22])
        assert log.read("t", 0, 22, 1).payloads == [TOMBSTONE]


def test_rows_of_an_earlier_version_are_read_and_counted_as_unverified(tmp_path: Path) -> None:
    filled(tmp_path / "log.db")
    changed(tmp_path / "log.db", "DROP TABLE checksum")
    with SqliteLog(tmp_path / "log.db") as log:
        assert read_all(log, skip_damaged=False) == (MESSAGES, 0)
        log.append("t", [b"a"])
        earlier = sqlite3.connect(tmp_path / "log.db", isolation_level=None)  # a process that knows no checksums
        earlier.execute("INSERT INTO batch VALUES ('t', 41, 42, 0, ?)", (b"\x91\xc4\x01b",))
        assert log.append_each("t", [b"c"]) == [Position("t", 0, 42)]
        earlier.execute("UPDATE batch SET messages = ? WHERE first_offset = 42", (b"\x91\xc4\x01d",))
        earlier.close()
        assert read_all(log, skip_damaged=False) == ([*MESSAGES, b"a", b"b", b"d"], 0)
        assert all(log.origin(Position("t", 0, offset)) for offset in range(4))
        assert log.state("source/10") == {"source/10": b"[10]"}
        findings = {one.what: one for one in log.verify(["t"], lambda count: None)}
    assert findings["log messages"].good
    assert "7 batches" in findings["log messages"].detail
    assert "6 of them have no checksum" in findings["log messages"].detail


def test_an_altered_state_or_origin_is_an_error(tmp_path: Path) -> None:
    filled(tmp_path / "log.db")
    changed(
        tmp_path / "log.db",
        "UPDATE state SET value = CAST('[99]' AS BLOB) WHERE key = 'source/10'",
        "UPDATE origin SET origins = substr(origins, 1, 9) WHERE first_offset = 20",
    )
    with SqliteLog(tmp_path / "log.db") as log:
        with pytest.raises(LogError, match="the state of a source was altered"):
            log.state("source/10")
        assert log.state("source/2") == {"source/20": b"[20]"}
        with pytest.raises(LogError, match="the origin of messages was altered"):
            log.origin(Position("t", 0, 25))
        assert str(log.origin(Position("t", 0, 15))) == "file10.csv:6"
        findings = {one.what: one for one in log.verify(["t"], lambda count: None)}
        assert findings["log state"].detail == "damaged: 1 origins of messages, 1 states of sources"
        log.append("t", [b"x"], state={"source/10": b"[5]"})
        assert log.state("source/10") == {"source/10": b"[5]"}


def test_a_deep_check_names_the_first_damage_and_counts_all(tmp_path: Path) -> None:
    path = filled(tmp_path / "log.db")
    flip_message(path, 12)
    flip_message(path, 33)
    counted: list[int] = []
    with SqliteLog(path) as log:
        findings = {one.what: one for one in log.verify(["t"], counted.append)}
    assert not findings["log messages"].good
    assert findings["log messages"].detail.startswith("20 are damaged: t/0/10 to 19 first; 2 batches")
    assert sum(counted) == 40


def used(path: Path, *, may_alter: bool) -> int:
    """Use a log in every way: only errors of the log are raised. Unless two damages meet, no message is altered."""
    failures: list[LogError] = []

    def attempt(use: Callable[[], object]) -> None:
        try:
            use()
        except LogError as error:
            failures.append(error)

    try:
        log = SqliteLog(path, wait=0.1)
    except LogError:
        return 1

    def read() -> None:
        found, lost, at = list[bytes](), 0, 0
        while at < log.end_offsets().get(T, 0):
            try:
                batch = log.read("t", 0, at, 7)
                found, lost, at = [*found, *batch.payloads], lost + batch.lost, batch.span.end
            except LogDamaged as error:
                lost, at = lost + error.end - at, error.end
        assert len(found) + lost == at
        assert may_alter or set(found) <= set(MESSAGES), "a message was altered"

    with log:
        attempt(read)
        attempt(lambda: log.verify(["t"], lambda count: None))
        attempt(lambda: log.inspect(["t", "u"]))
        attempt(lambda: log.state(""))
        attempt(lambda: [log.origin(Position("t", 0, offset)) for offset in range(0, 40, 5)])
        attempt(lambda: (log.start_offsets(), log.size(), log.partitions("t")))
        attempt(lambda: log.append("t", [b"new"], origins=[Origin("x", 1)], state={"source/0": b"1"}))
        attempt(lambda: log.erase("t", 0, [1, 22, 39]))
        attempt(lambda: log.overdue({T: 5}, Limits(size=0)))
        attempt(lambda: log.prune({T: 20}, Limits(size=0)))
        attempt(lambda: log.read("t", 0, 30, 5))
    assert all(error.hint for error in failures)
    return len(failures)


@pytest.mark.parametrize("seed", range(4))
def test_a_file_with_flipped_bytes_is_never_misread_nor_an_internal_error(tmp_path: Path, seed: int) -> None:
    original, chance, failed = filled(tmp_path / "log.db"), random.Random(seed), 0
    content = original.read_bytes()
    in_use = [place for place, byte in enumerate(content) if byte]
    for number in range(40):
        path = tmp_path / f"{number}.db"
        shutil.copy(original, path)
        flips = chance.choice([1, 1, 4])
        for _ in range(flips):
            flip(path, chance.choice(in_use), chance.choice([1, 2, 4, 8, 16, 32, 64, 128, 255]))
        failed += bool(used(path, may_alter=flips > 1))
        for file in tmp_path.glob(f"{number}.db*"):
            file.unlink()
    assert failed, "no flip did any harm"

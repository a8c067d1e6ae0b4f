"""The file of the embedded store: cut, damaged, full disks, and who can read it."""

import os
import stat
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from advertisex.errors import StoreBusy, StoreError, StoreMissing
from advertisex.files.durable import replace
from advertisex.stores.contract import Range
from advertisex.stores.duckdb import file
from advertisex.stores.duckdb import store as duckdb_store
from advertisex.stores.duckdb.faults import store_fault
from advertisex.stores.duckdb.replacement import DuckdbReplacement
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.removal import Removal
from advertisex.testing.contracts.store_fixtures import outcome_of

TIME = datetime(2026, 1, 5)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What DuckDB writes first into a new database."""
    path = tmp_path_factory.mktemp("fresh") / "store.duckdb"
    db = duckdb.connect(str(path))
    content = path.read_bytes()
    db.close()
    return content


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("filled") / "store.duckdb"
    with DuckdbStore(path) as store:
        store.commit(outcome_of("clicks", {}))
    return path.read_bytes()


@pytest.mark.parametrize("size", [0, 4_096, 6_000, 8_192, 12_288])
def test_a_store_that_holds_nothing_is_never_begun_again_but_can_be_rebuilt(
    tmp_path: Path, fresh: bytes, size: int
) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(fresh[:size])

    for read_only in (True, False):
        with pytest.raises(StoreError, match="the file holds nothing: it was cut, or an earlier version") as caught:
            DuckdbStore(path, read_only=read_only)
        assert not isinstance(caught.value, StoreMissing)
        assert (caught.value.where, "delete it and run this again" in caught.value.hint) == (str(path), True)
        assert "`advertisex rebuild --yes --without-erasures`" in caught.value.hint
    assert path.read_bytes() == fresh[:size]

    with DuckdbReplacement(path, memory="1GB") as replacement:
        assert replacement.unreadable == ["ledger", "notes", "marks on rejects", "catalogue"]
        assert Path(replacement.swap()).read_bytes()[:size] == fresh[:size]
    assert DuckdbStore(path, read_only=True).ledger() == []


def test_what_a_crash_leaves_beside_the_name_of_a_store_is_replaced(tmp_path: Path, fresh: bytes) -> None:
    beside = tmp_path / ".store.duckdb.new"
    beside.mkdir()
    (beside / "lock").touch()
    (beside / "store.duckdb").write_bytes(fresh[:4_096])

    with DuckdbStore(tmp_path / "store.duckdb") as store:
        assert store.ledger() == []
    assert [file.name for file in tmp_path.iterdir()] == ["store.duckdb"]


@pytest.mark.parametrize("size", [0, 4_096, 8_192])
def test_an_unfinished_file_with_a_write_ahead_log_is_not_replaced(tmp_path: Path, fresh: bytes, size: int) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(fresh[:size])
    (tmp_path / "store.duckdb.wal").write_bytes(b"committed")

    with pytest.raises(StoreError, match="rebuild"):
        DuckdbStore(path)

    assert (path.read_bytes(), (tmp_path / "store.duckdb.wal").read_bytes()) == (fresh[:size], b"committed")


@pytest.mark.parametrize("content", [b"\xff", bytes(11), bytes(4_096), bytes(8_192)])
@pytest.mark.parametrize("wal", [None, b""])
def test_a_file_of_zeros_or_of_a_part_of_the_header_holds_nothing(
    tmp_path: Path, content: bytes, wal: bytes | None
) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(content)
    if wal is not None:
        path.with_name("store.duckdb.wal").write_bytes(wal)

    for read_only in (True, False):
        with pytest.raises(StoreError, match="the file holds nothing"):
            DuckdbStore(path, read_only=read_only)
    assert path.read_bytes() == content


@pytest.mark.parametrize("wal", [b"committed", "of a store"])
def test_a_write_ahead_log_without_its_store_is_reported_and_kept(tmp_path: Path, wal: bytes | str) -> None:
    path, beside = tmp_path / "store.duckdb", tmp_path / "store.duckdb.wal"
    if isinstance(wal, str):
        with DuckdbStore(tmp_path / "other.duckdb") as other:
            other.commit(outcome_of("clicks", {}))
            wal = (tmp_path / "other.duckdb.wal").read_bytes()
    beside.write_bytes(wal)

    for opened in (
        lambda: DuckdbStore(path),
        lambda: DuckdbStore(path, read_only=True),
        lambda: DuckdbReplacement(path, memory="1GB"),
    ):
        with pytest.raises(StoreError, match=r"store.duckdb is missing.*restore both"):
            opened()
    assert (beside.read_bytes(), path.exists()) == (wal, False)


DAMAGE = {
    "text": lambda content: b"timestamp,user_id\n" * 100,
    "zeros": lambda content: bytes(len(content)),
    "a few bytes": lambda content: b"1234" * 4,
    "truncated": lambda content: content[:20_000],
    "truncated to its headers": lambda content: content[:8_192],
    "header": lambda content: content[:4_096] + bytes(8_192) + content[12_288:],
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_store_is_named_and_can_be_rebuilt(tmp_path: Path, filled: bytes, kind: str) -> None:
    path, damaged = tmp_path / "store.duckdb", DAMAGE[kind](filled)
    path.write_bytes(damaged)

    for read_only in (True, False):
        with pytest.raises(StoreError, match=r"restore it from a backup, or run `advertisex rebuild --yes`") as caught:
            DuckdbStore(path, read_only=read_only)
        assert caught.value.where == str(path)
    assert path.read_bytes() == damaged

    with DuckdbReplacement(path, memory="1GB") as replacement:
        assert replacement.unreadable == ["ledger", "notes", "marks on rejects", "catalogue"]
        assert (replacement.progress(), replacement.notes(), list(replacement.replay_marks())) == ({}, {}, [])
        replacement.carry_catalogue()
        replacement.new.commit(outcome_of("clicks", {}))
        kept = replacement.swap()
    with DuckdbStore(path, read_only=True) as store:
        assert store.extent("clicks", Range()).events == 1
    assert Path(kept).read_bytes() == damaged


def test_only_the_owner_can_read_what_a_store_writes(tmp_path: Path) -> None:
    path = tmp_path / "data" / "store.duckdb"
    before = os.umask(0)
    try:
        with DuckdbStore(path) as store:
            store.commit(outcome_of("clicks", {}))
            found = {file.name: stat.filemode(file.stat().st_mode) for file in (path.parent, *path.parent.iterdir())}
    finally:
        os.umask(before)

    assert found == {
        "data": "drwx------",
        "store.duckdb": "-rw-------",
        "store.duckdb.tmp": "drwx------",
        "store.duckdb.wal": "-rw-------",
    }
    assert [file.name for file in path.parent.iterdir()] == ["store.duckdb"]


def test_a_store_that_a_group_may_read_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    DuckdbStore(path).close()
    path.chmod(0o640)

    with DuckdbStore(path) as store:
        store.commit(outcome_of("clicks", {}))
        assert path.with_name("store.duckdb.wal").stat().st_mode & 0o777 == 0o640
        store.drop_before(TIME)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("read_only", [True, False])
def test_a_busy_store_is_not_a_damaged_one_whatever_its_folder(tmp_path: Path, read_only: bool) -> None:
    """Signs of damage in the name of a folder, and in the text of a lock, mean nothing."""
    path = tmp_path / "checksum-corrupt not a valid DuckDB database" / "store.duckdb"
    DuckdbStore(path).close()
    script = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        before = path.read_bytes()
        with pytest.raises(StoreBusy, match=f"in use by process {holder.pid}"):
            DuckdbStore(path, read_only=read_only)
        with pytest.raises(StoreBusy, match=f"in use by process {holder.pid}"):
            DuckdbReplacement(path, memory="1GB")
        assert (path.read_bytes(), sorted(file.name for file in path.parent.iterdir())) == (before, [path.name])
        holder.communicate("")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            'Failure while replaying WAL file "{}.wal": Cannot open file "{}.wal": Permission denied',
            "permission denied",
        ),
        (
            'Failure while replaying WAL file "{}.wal": Could not read from file "{}.wal": Is a directory',
            "opened or read",
        ),
        ('Failure while replaying WAL file "{}.wal": Out of Memory Error: failed to allocate', "out of memory"),
        ('Failure while replaying WAL file "{}.wal": Failed to read WAL of version 9 - can only', "another version"),
        ("Trying to read a database file with storage version number 99, but we can only", "another version"),
        ('Error opening "{}": file was written with a storage version greater than the latest', "another version"),
        ('Could not write file "{}": No space left on device; the checksum is not written', "the disk is full"),
        (
            'Could not set lock on file "{}": Conflicting lock is held in /opt/checksum/python (PID 12).',
            "by process 12",
        ),
        ('Duplicate key "corrupt: 1" violates primary key constraint', "unexpected failure"),
    ],
)
def test_what_is_not_damage_is_not_replaced(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "checksum-corrupt" / "store.duckdb"

    fault = store_fault(duckdb.IOException(text.replace("{}", str(path))), path)

    assert what in fault.what
    assert not fault.is_damage
    assert "rebuild" not in fault.hint


@pytest.mark.parametrize("attempts", [3, 10**9])
def test_a_process_that_opens_the_store_during_an_erasure_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: int
) -> None:
    """An erasure closes the file in order to open the new one: another process may be faster."""
    made, original = 0, file.connect

    def connect(path: Path, *, read_only: bool, memory: str) -> duckdb.DuckDBPyConnection:
        nonlocal made
        made += 1
        if made < attempts:
            raise duckdb.IOException('Could not set lock on file "x": Conflicting lock is held (PID 77)')
        return original(path, read_only=read_only, memory=memory)

    removal = Removal("e", {"gone"}, pl.DataFrame(), {})
    path = tmp_path / "store.duckdb"
    with DuckdbStore(path) as store:
        store.commit(outcome_of("clicks", {"user_id": "gone"}))
        with monkeypatch.context() as patched:
            patched.setattr(file, "connect", connect)
            patched.setattr(file, "_REOPEN_SECONDS", 0.3)
            if attempts == 3:
                store.remove(removal)
            else:
                with pytest.raises(StoreBusy, match=r"the events are removed, but .* in use by process 77") as caught:
                    store.remove(removal)
                assert "run the same command again" in caught.value.hint
    with DuckdbStore(path) as store:
        assert store.extent("clicks", Range()).events == 0
        assert store.remove(removal).rows() == [("clicks", "event", 1)]


def test_nobody_can_write_to_a_file_that_an_erasure_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, ended = tmp_path / "store.duckdb", list[int]()
    script = (
        "import sys; from pathlib import Path; from advertisex.stores.duckdb.store import DuckdbStore\n"
        "from advertisex.errors import StoreBusy\n"
        "try: DuckdbStore(Path(sys.argv[1]))\n"
        "except StoreBusy: sys.exit(3)"
    )

    def replace_slowly(old: Path, new: Path) -> None:
        for _ in range(2):
            ended.append(subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode)
            if len(ended) == 1:
                replace(old, new)

    monkeypatch.setattr(duckdb_store, "replace", replace_slowly)
    with DuckdbStore(path) as erasing:
        erasing.commit(outcome_of("clicks", {"user_id": "gone"}))
        erasing.remove(Removal("e", {"gone"}, pl.DataFrame(), {}))
        erasing.commit(outcome_of("clicks", {}, start=1))

    assert ended == [3, 0]
    with DuckdbStore(path, read_only=True) as found:
        assert found.extent("clicks", Range()).events == 1
    assert [file.name for file in tmp_path.iterdir()] == ["store.duckdb"]

"""Faults of disks name the disk, and what to do; nothing is lost, and the same can be repeated."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from advertisex.errors import LogError, StoreError
from advertisex.files.faults import fault_of
from advertisex.files.temporary import temporary_folder
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.logs.sqlite_faults import fault_of as sqlite_fault_of
from advertisex.stores.contract import Range
from advertisex.stores.duckdb.faults import explanation
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.testing.contracts.store_fixtures import outcome_of

resource = pytest.importorskip("resource")


def test_a_full_disk_is_named_with_its_free_space(tmp_path: Path) -> None:
    what, hint = fault_of(OSError(errno.ENOSPC, "any text"), tmp_path / "absent" / "file")

    assert what == "the disk is full"
    disk = hint.split(" has ")[0]
    assert Path(disk).is_mount()
    assert str(tmp_path).startswith(disk)
    assert "MB free: free some space there, then run this again" in hint


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EIO])
def test_each_adapter_has_the_words_of_the_system(tmp_path: Path, code: int) -> None:
    expected = fault_of(OSError(code, ""), tmp_path / "file")

    error = sqlite3.IntegrityError  # any class: DuckDB's have only a text
    stored = explanation("cannot write", error(f"Could not write file: {os.strerror(code)}"), tmp_path / "file")
    assert (stored.what, stored.hint) == (f"cannot write: {expected.what}", expected.hint)
    assert sqlite_fault_of(OSError(code, ""), tmp_path / "file", 30, "restore it") == expected


def test_a_file_that_may_not_grow_ends_a_write_and_loses_nothing(tmp_path: Path) -> None:
    """The limit of a file's size fails a write as a full disk does, also where the tests cannot mount a disk."""
    with SqliteLog(tmp_path / "log.db") as log, DuckdbStore(tmp_path / "store.duckdb") as store:
        log.append("t", [b"a"])
        store.commit(outcome_of("clicks", {}))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        many = outcome_of("clicks", *({"user_id": f"u{number}"} for number in range(3_000)), start=1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, limits[1]))
        try:
            with pytest.raises(LogError):
                log.append("t", [b"b" * 100_000])
            with pytest.raises(StoreError, match="the largest allowed size of a file"):
                store.commit(many)
            with pytest.raises(LogError):
                SqliteLog(tmp_path / "new" / "log.db")
            with pytest.raises(StoreError):
                DuckdbStore(tmp_path / "new" / "store.duckdb")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert list((tmp_path / "new").iterdir()) == []
    with SqliteLog(tmp_path / "log.db") as log, DuckdbStore(tmp_path / "store.duckdb") as store:
        assert log.end_offsets() == {("t", 0): 1}
        assert store.extent("clicks", Range()).events == 1
        log.append("t", [b"b"])
        store.commit(many)


@pytest.mark.parametrize("locked", [True, False])
def test_the_temporary_folder_of_a_dead_process_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (dead := tmp_path / "advertisex-spool-dead").mkdir()
    if locked:
        (dead / "lock").touch()
    (tmp_path / "advertisex-other").mkdir()

    with temporary_folder() as one, temporary_folder() as other:
        assert one.is_dir()
        assert other.is_dir()
        assert not dead.exists()

    assert [path.name for path in tmp_path.iterdir()] == ["advertisex-other"]

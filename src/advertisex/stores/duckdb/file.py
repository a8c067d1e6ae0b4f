"""The file of the embedded store: how it is made, opened, and recognised as cut or damaged."""

import os
from contextlib import suppress
from pathlib import Path
from threading import Lock
from time import monotonic, sleep

import duckdb

from advertisex.errors import StoreBusy, StoreError
from advertisex.files.durable import make_folder, touch
from advertisex.files.making import make
from advertisex.stores.duckdb.faults import store_fault
from advertisex.stores.duckdb.schema import statements

#: Never download an extension to read a file that is not a DuckDB database.
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
#: A database begins with three headers of this size; nothing is committed before they are complete. A longer file was
#: complete once: it is damaged if it holds nothing.
_HEADER = 4_096
#: Held while a write-ahead log is created and written.
_committing = Lock()
#: How long to wait for a process that has opened the store while it was replaced, and between two attempts.
_REOPEN_SECONDS, _PAUSE = 30.0, 0.1
_MAGIC = slice(8, 12)
#: The place of the first data in the second header, and what is there in a database that has none.
_FIRST_BLOCK, _NONE = slice(_HEADER + 16, _HEADER + 24), b"\xff" * 8


def make_store(path: Path) -> None:
    """Make a store without events if the file is missing.

    Raises:
        StoreError: the file is missing, but not its write-ahead log.
        OSError: it cannot be made.
        duckdb.Error: likewise.
    """

    def write(new: Path) -> None:  # only one process makes the file
        check_not_lost(path)
        _write(new)

    make(path, write)


def check_not_lost(path: Path) -> None:
    """Check that a missing file has not left its write-ahead log: DuckDB would delete it, or take it for its own.

    Raises:
        StoreError: it has.
    """
    wal = beside(path, "wal")
    if not path.exists() and wal.exists() and wal.stat().st_size:
        raise StoreError(
            f"the event store is damaged: {path.name} is missing, but events are in the file beside it",
            where=str(wal),
            hint="restore both from a backup; without one, move that file away, run `advertisex process`, and erase "
            "users again",
        )


def _write(path: Path) -> None:
    with duckdb.connect(str(path), config=CONFIG) as db:
        db.begin()
        create_tables(db)
        db.commit()
        db.execute("CHECKPOINT")  # closing would keep silent about a full disk


def nothing_in(path: Path) -> StoreError:
    """The exception for a file without anything committed: this version never leaves one, so it has lost its content.

    It is not begun again, because nobody knows which users were erased from what it held.
    """
    return StoreError(
        "cannot open the event store: the file holds nothing: it was cut, or an earlier version never finished it",
        where=str(path),
        hint="restore it from a backup; if nothing had been stored in it, delete it and run this again; otherwise run "
        "`advertisex rebuild --yes --without-erasures`",
    )


def holds_nothing(path: Path) -> bool:
    """Whether an existing file is too short to be a database with tables, with nothing committed beside it."""
    size, wal = path.stat().st_size, beside(path, "wal")
    if size >= 3 * _HEADER or (wal.exists() and wal.stat().st_size):  # only now it may be read: a database that is
        return False  # open in this process would lose its lock when the file is closed
    head = path.read_bytes()
    is_written = len(head) >= _MAGIC.stop and any(head)
    return not is_written or (head[_MAGIC] == b"DUCK" and _NONE.startswith(head[_FIRST_BLOCK]))


def connect(path: Path, *, read_only: bool, memory: str) -> duckdb.DuckDBPyConnection:
    """Open a database. What DuckDB writes beside it can be read by its owner only.

    Raises:
        duckdb.Error: it cannot be opened.
    """
    config = CONFIG | {"memory_limit": memory}
    is_file = str(path) != ":memory:"
    is_shared = is_file and beside(path, "tmp").is_dir()  # the process that has the store open may use it
    if is_file:
        with suppress(OSError):  # the folder of a store that is only read may not be writable
            make_folder(beside(path, "tmp"))
    try:
        db = duckdb.connect(str(path), read_only=read_only, config=config)
    except duckdb.Error:
        if is_file and not is_shared:
            _remove_temporary(path)
        raise
    if not read_only and is_file:
        _remove_spilled(path)
    db.execute("SET GLOBAL TimeZone = 'UTC'")
    return db


def connect_again(path: Path, *, memory: str) -> duckdb.DuckDBPyConnection:
    """Open a database for writing that this process has just closed; wait while another process has opened it.

    Raises:
        StoreBusy: the other process has not closed it.
        duckdb.Error: it cannot be opened.
    """
    until = monotonic() + _REOPEN_SECONDS
    while True:
        try:
            return connect(path, read_only=False, memory=memory)
        except duckdb.Error as error:
            fault = store_fault(error, path)
            if not fault.is_busy:
                raise
            if monotonic() >= until:
                raise StoreBusy(
                    f"the events are removed, but the erasure is not complete: {fault.what}",
                    where=str(path),
                    hint="stop that process, then run the same command again: it completes the erasure",
                ) from error
        sleep(_PAUSE)


def commit(db: duckdb.DuckDBPyConnection, path: Path | None) -> None:
    """Commit; the write-ahead log has the mode of the database, while DuckDB would follow the umask.

    Args:
        db: a connection with a transaction.
        path: its file; None for a database in memory.

    Raises:
        OSError: the write-ahead log cannot be created.
        duckdb.Error: the transaction is not committed.
    """
    with _committing:
        if path is not None:
            touch(beside(path, "wal"), path.stat().st_mode & 0o666)
        db.commit()


def disconnect(db: duckdb.DuckDBPyConnection, path: Path | None, *, read_only: bool) -> None:
    """Close a database, and remove what is left beside it: an unused write-ahead log, and the temporary folder."""
    if path is None:
        db.close()
        return
    wal = beside(path, "wal")
    with _committing, suppress(OSError):  # while it is locked: no other process can use the log
        if not read_only and not wal.stat().st_size:
            wal.unlink()
    db.close()
    _remove_temporary(path)


def _remove_spilled(path: Path) -> None:
    """Remove the temporary files of dead processes: while this one can write, no other one is using the store."""
    with suppress(OSError):
        for file in beside(path, "tmp").iterdir():
            if not file.name.startswith(f"duckdb_temp_{os.getpid()}_"):
                file.unlink()


def _remove_temporary(path: Path) -> None:
    with suppress(OSError):  # another process uses it
        beside(path, "tmp").rmdir()


def beside(path: Path, suffix: str) -> Path:
    """The path of a file that belongs to a database."""
    return path.with_name(f"{path.name}.{suffix}")


def create_tables(db: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of a store in an empty database, in the caller's transaction if there is one."""
    for statement in statements():
        db.execute(statement)

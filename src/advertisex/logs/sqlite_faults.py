"""What is wrong with a SQLite file, in words for the user."""

import sqlite3
from pathlib import Path

from advertisex.errors import LogError
from advertisex.files import faults
from advertisex.files.durable import real
from advertisex.files.faults import Fault

#: What to do about a log that cannot be read.
RESTORE_LOG = (
    "restore it from a backup; without a backup, move away what is left of it, ingest again and run "
    "`advertisex rebuild --yes`"
)
#: What to do about the state of sources that cannot be read.
RESTORE_STATE = "restore it from a backup; without a backup, move it away: the sources are then read from their start"
_FAULTS = {
    sqlite3.SQLITE_CORRUPT: Fault("the file is damaged", "{restore}"),
    sqlite3.SQLITE_NOTADB: Fault(
        "the file is not a SQLite database",
        "if it is of another program, choose another one with --log, or another folder with --data; if it is damaged, "
        "{restore}",
    ),
    sqlite3.SQLITE_TOOBIG: Fault("a value is too large", "use smaller batches with --batch-size"),
}
_UNEXPECTED = Fault("the file has unexpected content", "{restore}")
#: Codes that do not say what stopped SQLite.
_UNWRITABLE = {
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_IOERR: "the file cannot be read or written",
    sqlite3.SQLITE_PERM: "the file cannot be accessed",
    sqlite3.SQLITE_READONLY: "the file cannot be written",
}
#: The lower bits of a code: the others say more about it.
_PRIMARY = 0xFF


def fault_of(error: Exception, path: Path, wait: float, restore: str) -> Fault:
    """Return what went wrong when a file was used, with a hint.

    Args:
        error: the error of SQLite, of the system, or of what decodes the file's values.
        path: the file.
        wait: seconds that a lock of another process was waited for.
        restore: what to do if the file is damaged.
    """
    if isinstance(error, OSError):
        return faults.fault_of(error, path)
    if not isinstance(error, sqlite3.Error):
        return _for(_FAULTS[sqlite3.SQLITE_CORRUPT], restore)
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return Fault(
            "another process has locked the file",
            f"it was locked for {wait:g} s: stop that process, then run this again",
        )
    if code == sqlite3.SQLITE_FULL:
        return faults.full_disk(path)
    if code in _UNWRITABLE:
        hint = "check that the folder exists, and that you may write there"
        return faults.disk_fault(path) or Fault(_UNWRITABLE[code], hint)
    return _for(_FAULTS.get(code, _UNEXPECTED), restore)


def _for(fault: Fault, restore: str) -> Fault:
    return fault._replace(hint=fault.hint.format(restore=restore))


def check_not_lost(path: Path, what: str) -> None:
    """Check that a write-ahead log is not without its file: SQLite would delete it, or add it to a new file.

    Args:
        path: the file.
        what: what it is.

    Raises:
        LogError: it is.
    """
    path = real(path)
    for journal in filter(is_filled, journals(path)):
        if not is_filled(path):
            state = "empty" if path.exists() else "missing"
            raise LogError(
                f"{what} is damaged: it is {state}, but its latest content is in the file beside it",
                where=str(journal),
                hint="restore both from a backup, or move that file away to begin a new one",
            )


def journals(path: Path) -> list[Path]:
    """The files beside a SQLite file that can have a part of its content."""
    return [path.with_name(path.name + end) for end in ("-wal", "-journal")]


def is_filled(path: Path) -> bool:
    """Whether a file exists and is not empty."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False

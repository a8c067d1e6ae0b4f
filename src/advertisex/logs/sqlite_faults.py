"""What is wrong with a SQLite file, in words for the user."""

import sqlite3

_FAULTS = {
    sqlite3.SQLITE_BUSY: "another process has locked the file",
    sqlite3.SQLITE_LOCKED: "another process has locked the file",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the file cannot be read or written",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database",
    sqlite3.SQLITE_PERM: "the file cannot be accessed",
    sqlite3.SQLITE_READONLY: "the file cannot be written",
    sqlite3.SQLITE_TOOBIG: "a value is too large",
}
#: The lower bits of a code: the others say more about it.
_PRIMARY = 0xFF


def code_of(error: Exception) -> int:
    """Return the primary code of an error of SQLite; 0 for another error."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


def fault_of(error: Exception) -> str:
    """Return what went wrong when a file was used."""
    if isinstance(error, OSError):
        return (error.strerror or "it cannot be used").lower()
    if isinstance(error, sqlite3.Error):
        return _FAULTS.get(code_of(error), "the file has unexpected content")
    return "the file is damaged"

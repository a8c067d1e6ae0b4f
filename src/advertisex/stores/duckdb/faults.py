"""What is wrong with the file of a store, in words for the user. DuckDB has few codes: its text says what happened."""

import re
from pathlib import Path
from typing import NamedTuple

import duckdb

from advertisex.errors import StoreBusy, StoreError
from advertisex.files.faults import disk_fault, fault_in, fault_of


class StoreFault(NamedTuple):
    """A fault, as a clause, and what the user can do."""

    what: str
    hint: str
    is_busy: bool = False
    is_damage: bool = False


RESTORE_STORE = "restore it from a backup, or run `advertisex rebuild --yes`, which says what cannot be read of it"
_DAMAGED = StoreFault("the file is damaged", RESTORE_STORE, is_damage=True)
_FOREIGN = StoreFault("the file is not an AdvertiseX store", "choose another one with --store or --data")
_CLOSED = StoreFault("it cannot be opened or read", "check that this user may read it, then run this again")
_OTHER_VERSION = StoreFault(
    "the file was written by another version of DuckDB", "use the version of AdvertiseX that wrote it, or a later one"
)
_MEMORY = StoreFault("out of memory", "allow more with ADVERTISEX_MEMORY, or use smaller batches with --batch-size")
#: Signs in texts of DuckDB, the first that fits: a text can contain its cause, as that a write-ahead log cannot be
#: replayed because it cannot be opened. Only a text without any of the causes means damage.
_FAULTS = {
    "Cannot open file": _CLOSED,
    "Could not read from file": _CLOSED,
    "storage version": _OTHER_VERSION,
    "WAL of version": _OTHER_VERSION,
    "not a valid DuckDB database": StoreFault(
        "the file is not a DuckDB database",
        f"if it is not a store, choose another one with --store or --data; if it is a damaged one, {RESTORE_STORE}",
        is_damage=True,
    ),
    "orrupt": _DAMAGED,
    "hecksum": _DAMAGED,
    "eserializ": _DAMAGED,
    "Could not read enough bytes": _DAMAGED,
    "WAL does not match": _DAMAGED,
    "Failure while replaying": _DAMAGED,
    "previous fatal error": StoreFault("an earlier failure has closed the file", "run this again"),
    "read-only mode": StoreFault("the file was opened for queries only", "close the other processes that use it"),
    "does not exist": _FOREIGN,
}
_DAMAGE = (duckdb.InternalException, duckdb.SerializationException)


def explanation(what: str, error: Exception, path: Path) -> StoreError:
    """The exception to raise for an error of DuckDB or of the file system."""
    fault = store_fault(error, path)
    if fault.is_busy:
        return StoreBusy(fault.what, where=str(path), hint=fault.hint)
    return StoreError(f"{what}: {fault.what}", where=str(path), hint=fault.hint)


def store_fault(error: Exception, path: Path) -> StoreFault:
    """What is wrong, in our words: a text of DuckDB can contain a value."""
    if isinstance(error, OSError):
        return StoreFault(*fault_of(error, path))
    text = _without_names(str(error), path)
    return _lock_in(text) or _disk_in(text, path) or _memory_in(text, error, path) or _sign_in(text, error, path)


def _without_names(text: str, path: Path) -> str:
    """The text without the names of files: any sign can be part of a name."""
    for name in {str(path), str(path.absolute())}:
        text = text.replace(name, "")
    return re.sub(r'"[^"]*"', "", text)


def _lock_in(text: str) -> StoreFault | None:
    if "Could not set lock" not in text and "already open" not in text:
        return None
    holder = re.search(r"\(PID (\d+)\)", text)
    by = f"process {holder[1]}" if holder else "another process"
    return StoreFault(
        f"the event store is in use by {by}: DuckDB allows either one writing process or several readers",
        "wait until it finishes or stop it, then run this again",
        is_busy=True,
    )


def _disk_in(text: str, path: Path) -> StoreFault | None:
    fault = fault_in(text, path)
    return StoreFault(*fault) if fault else None


def _memory_in(text: str, error: Exception, path: Path) -> StoreFault | None:
    if not isinstance(error, duckdb.OutOfMemoryException) and "Out of Memory" not in text:
        return None
    full = disk_fault(path)  # what did not fit into memory did not fit on the disk either
    return StoreFault(*full) if full else _MEMORY


def _sign_in(text: str, error: Exception, path: Path) -> StoreFault:
    for sign, fault in _FAULTS.items():
        if sign in text:
            return fault
    if isinstance(error, _DAMAGE):
        return _DAMAGED
    if of_disk := disk_fault(path):
        return StoreFault(*of_disk)
    missing = re.search(r"NOT NULL constraint failed: ([\w.]+)", text)
    why = f"a row has no value in {missing[1]}" if missing else f"unexpected failure of DuckDB ({type(error).__name__})"
    return StoreFault(why, "check the disk and the permissions of the file")

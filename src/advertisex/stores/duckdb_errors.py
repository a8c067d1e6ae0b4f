"""Translate errors of DuckDB into `StoreError`."""

import re
from pathlib import Path

import duckdb

from advertisex.errors import StoreBusy, StoreError


def explanation(what: str, error: Exception, path: Path) -> StoreError:
    """The exception to raise for an error of DuckDB or of the file system."""
    text = str(error)
    holder = re.search(r"\(PID (\d+)\)", text)
    if "Could not set lock" in text or "already open" in text:
        by = f"process {holder[1]}" if holder else "another process"
        return StoreBusy(
            f"the event store is in use by {by}: DuckDB allows either one writing process or several readers",
            where=str(path),
            hint="wait until it finishes or stop it, then run this again",
        )
    hint = "check the disk, the permissions of the file, and that it is an AdvertiseX store"
    if isinstance(error, duckdb.OutOfMemoryException):
        hint = "allow more memory with ADVERTISEX_MEMORY, or use smaller batches with --batch-size"
    if "not found in FROM clause" in text:
        hint = "this store was created by an earlier version: run `advertisex process` to upgrade it"
    if "does not exist" in text:
        hint = "the file is not an AdvertiseX store: choose another one with --store or --data"
    return StoreError(f"{what}: {text.splitlines()[0]}", where=str(path), hint=hint)

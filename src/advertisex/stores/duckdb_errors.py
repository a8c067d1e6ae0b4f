"""What went wrong with DuckDB, in words of ours."""

import re
from pathlib import Path

import duckdb

from advertisex.errors import StoreBusy, StoreError


def explanation(what: str, error: Exception, path: Path) -> StoreError:
    """The error to raise for one of DuckDB or of the file system."""
    text = str(error)
    holder = re.search(r"\(PID (\d+)\)", text)
    if "Could not set lock" in text or "already open" in text:
        by = f"process {holder[1]}" if holder else "another process"
        return StoreBusy(
            f"the event store is in use by {by}: DuckDB admits one process that writes, and no reader beside it",
            where=str(path),
            hint="wait until it is done or end it, then run this again",
        )
    hint = "check the disk, the rights on the file, and that it is a store of AdvertiseX"
    if isinstance(error, duckdb.OutOfMemoryException):
        hint = "allow more memory with ADVERTISEX_MEMORY, or use smaller batches with --batch-size"
    if "not found in FROM clause" in text:
        hint = "an earlier version made this store: `advertisex process` brings it up to date"
    if "does not exist" in text:
        hint = "the file is no store of AdvertiseX: name another with --store or --data"
    return StoreError(f"{what}: {text.splitlines()[0]}", where=str(path), hint=hint)

"""Locks that a log keeps in local files."""

from hashlib import sha256
from io import FileIO
from pathlib import Path

from advertisex.files.lock import lock_file


class Locks:
    """Locks that end with their process, even if it is killed.

    The files are empty and never removed.

    Args:
        beside: the names of the lock files begin with this path; None for locks within this object only.
    """

    def __init__(self, beside: Path | None) -> None:
        self._beside = beside
        self._held: dict[str, FileIO | None] = {}

    def lock(self, key: str) -> bool:
        """Lock a key. Return False if another process, or another object, holds the lock.

        Raises:
            OSError: the file cannot be created or locked.
        """
        if key in self._held:
            return True
        held = None if self._beside is None else lock_file(_file(self._beside, key))
        if held is not None or self._beside is None:
            self._held[key] = held
        return key in self._held

    def close(self) -> None:
        """Release all locks."""
        while self._held:
            if held := self._held.popitem()[1]:
                held.close()


def _file(beside: Path, key: str) -> Path:
    return beside.with_name(f"{beside.name}.lock-{sha256(key.encode()).hexdigest()[:16]}")

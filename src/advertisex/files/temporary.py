"""Temporary folders that do not outlive their process for long, even if it is killed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from advertisex.files.lock import lock_file

_PREFIX, _LOCK = "advertisex-spool-", "lock"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Provide an empty private folder for the time of the context, and remove those of dead processes.

    Raises:
        OSError: the folder cannot be made.
    """
    _remove_dead(Path(tempfile.gettempdir()))
    lock = None
    while lock is None:  # until no other process takes the new folder for that of a dead one
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with suppress(FileNotFoundError):
            lock = lock_file(folder / _LOCK)
    try:
        content = folder / "content"
        content.mkdir(mode=0o700)
        yield content
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()


def _remove_dead(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it belongs to somebody else, or another process removes it
            # without its lock, too: a process that is alive and has not locked it yet makes another one
            if lock := lock_file(folder / _LOCK):
                try:
                    shutil.rmtree(folder)
                finally:
                    lock.close()

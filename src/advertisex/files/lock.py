"""A lock between processes, which ends with its process, even if it is killed.

It belongs to the open file and not to the process, as SQLite's own locks do: those end when any thread of the process
closes the file.
"""

import os
import sys
from io import FileIO
from pathlib import Path
from time import monotonic, sleep

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: Seconds between two attempts.
_PAUSE = 0.02


def lock_file(path: Path, wait: float = 0.0) -> FileIO | None:
    """Lock a file for this caller alone; it is created, for its owner only, if it is missing.

    Args:
        path: the file.
        wait: seconds to wait while another process, or another caller, holds the lock.

    Returns:
        The lock, which is released by closing it; None if it is held elsewhere, or the file was removed meanwhile.

    Raises:
        OSError: the file cannot be created or locked.
    """
    file = FileIO(path, "r+", opener=lambda name, flags: os.open(name, flags | os.O_CREAT, 0o600))
    try:
        until = monotonic() + wait
        while not (locked := _is_locked(file)) and monotonic() < until:
            sleep(_PAUSE)
        if locked and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except FileNotFoundError:
        pass
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def _is_locked(file: FileIO) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except PermissionError:  # on Windows, somebody else holds it
        if sys.platform != "win32":
            raise
        return False
    return True

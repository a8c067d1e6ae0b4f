"""What is wrong with a disk, a folder or a file, in words for the user."""

import errno
import os
import shutil
from pathlib import Path
from typing import NamedTuple


class Fault(NamedTuple):
    """A fault, as a clause, and what the user can do."""

    what: str
    hint: str


_AGAIN = "then run this again"
_NO_FOLDER = Fault("the folder does not exist, or is a file", "check the path {file}")
_DENIED = Fault("permission denied", f"allow this user to read and write {{file}}, {_AGAIN}")
#: The faults that an error of the system can mean; {disk} is where the disk is mounted, {free} its free space.
_FAULTS = {
    errno.ENOSPC: Fault("the disk is full", f"{{disk}} has {{free}} MB free: free some space there, {_AGAIN}"),
    errno.EDQUOT: Fault("the disk quota is exceeded", f"free some of your space on {{disk}}, {_AGAIN}"),
    errno.EFBIG: Fault("the largest allowed size of a file is reached", f"allow larger files (ulimit -f), {_AGAIN}"),
    errno.EROFS: Fault("the disk is read-only", f"make {{disk}} writable, or choose another folder, {_AGAIN}"),
    errno.EIO: Fault("the disk failed", f"check the disk of {{disk}}, {_AGAIN}"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EISDIR: Fault("it is a folder, not a file", "check the path {file}"),
    errno.ENOENT: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
    errno.EBUSY: Fault("another process is making the same file", f"wait until it has finished, {_AGAIN}"),
    errno.ENOLCK: Fault("the file cannot be locked", "choose a folder on a disk that supports locks"),
}
#: A library that reports only that a write failed was stopped by the disk if it has less than this.
_NEARLY_NOTHING = 2**20


def fault_of(error: OSError, path: Path) -> Fault:
    """Describe an error that the system reported when a file was read or written."""
    code = error.errno or 0
    why = os.strerror(code).lower() if code else "it cannot be used"
    return _filled(_FAULTS.get(code, Fault(why, f"check {{file}}, {_AGAIN}")), Path(error.filename or path))


def is_of_disk(error: OSError) -> bool:
    """Whether the disk failed or is full, so that the same can be repeated later."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def disk_fault(path: Path) -> Fault | None:
    """Find out why a file cannot be written, for a library that does not say; None if the disk seems to be good."""
    existing = _existing(path)
    if hasattr(os, "statvfs") and os.statvfs(existing).f_flag & os.ST_RDONLY:
        return _filled(_FAULTS[errno.EROFS], path)
    if shutil.disk_usage(existing).free < _NEARLY_NOTHING:
        return full_disk(path)
    return None


def full_disk(path: Path) -> Fault:
    """The fault of a disk without enough free space for a file."""
    return _filled(_FAULTS[errno.ENOSPC], path)


def fault_in(text: str, path: Path) -> Fault | None:
    """The fault of the disk that the text of a library names; None if it names none."""
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES):
        if os.strerror(code) in text:
            return _filled(_FAULTS[code], path)
    return None


def _filled(fault: Fault, path: Path) -> Fault:
    place = _existing(path)
    while not place.is_mount() and place != place.parent:
        place = place.parent
    free = f"{shutil.disk_usage(place).free / 1e6:,.1f}"
    return fault._replace(hint=fault.hint.format(file=path, disk=place, free=free))


def _existing(path: Path) -> Path:
    """The path, or the closest folder above it that exists."""
    place = Path(os.path.realpath(path))
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    return place

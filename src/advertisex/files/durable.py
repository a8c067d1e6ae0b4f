"""Durable changes of files and folders: after each of these, a crash does not undo it, and leaves no half of it."""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

#: Errors of a file system without hard links.
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def replace(path: Path, new: Path) -> None:
    """Durably replace a file with a new one, which takes over its mode and its owner.

    Raises:
        OSError: it cannot be replaced; the file is unchanged.
    """
    check_alone(new)
    with suppress(FileNotFoundError):
        old = path.stat()
        new.chmod(old.st_mode & 0o777)
        if hasattr(os, "chown"):
            with suppress(PermissionError):
                os.chown(new, old.st_uid, old.st_gid)
    sync(new)
    new.replace(path)
    sync(path.parent)


def keep(path: Path, name: Path) -> None:
    """Give a file, which is about to be replaced, a second name.

    Raises:
        OSError: the name exists already, or cannot be given.
    """
    try:
        os.link(path, name)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copy2(path, name)
        sync(name)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, if missing; only their owner can use them.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync(folder.parent)


def touch(path: Path, mode: int = 0o600) -> None:
    """Create an empty file, private by default, whatever the umask; leave an existing one as it is.

    Raises:
        OSError: it cannot be created.
    """
    with suppress(FileExistsError):
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.close(handle)
        if mode != 0o600:
            path.chmod(mode)


def real(path: Path) -> Path:
    """The file itself: a link to it must stay one when the file is made or replaced."""
    return path.resolve() if path.is_symlink() else path


def sync(path: Path) -> None:
    """Make the contents of a file, or the names in a folder, durable.

    Raises:
        OSError: the disk failed.
    """
    if os.name == "nt" and path.is_dir():  # Windows cannot, and does not need to
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_alone(new: Path) -> None:
    """Check that the library has put everything into the file itself, and nothing into a journal beside it.

    Raises:
        OSError: it has not.
    """
    beside = [file.name for file in new.parent.iterdir() if file.name.startswith(new.name) and file != new]
    if beside:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(new))

"""Make files that are either complete or not there, whatever happens meanwhile.

A file is made in a folder of its own beside it, under a lock:

    .store.duckdb.new/lock            held by the process that makes the file
    .store.duckdb.new/store.duckdb    the file, until it is complete

It is then synchronized, and takes its name without replacing a file of that name. The folder of a dead process is
removed by the next process that makes or opens the file: the lock shows that it is dead.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path
from time import monotonic
from typing import BinaryIO

import structlog

from advertisex.files.durable import NO_LINKS, check_alone, make_folder, real, replace, sync
from advertisex.files.lock import lock_file

_LOG = structlog.get_logger(__name__)
_LOCK = "lock"
#: Seconds to wait for another process that makes the same file.
_WAIT = 30.0
#: File systems allow 255 bytes.
_LONGEST = 240

#: Writes a file of a given name, and leaves no other file beside it.
Write = Callable[[Path], None]


def make(path: Path, write: Write, *, is_unfinished: Callable[[Path], bool] = lambda path: False) -> None:
    """Make a private file with its folder if it is missing; do nothing if it exists.

    Args:
        path: the file; if it is a link, the file that it names.
        write: writes it.
        is_unfinished: whether an existing file holds nothing, because it was never finished: it is replaced, with a
            warning, since a file that was cut can look like that.

    Raises:
        OSError: the file cannot be made; nothing is left of it.
    """
    path = real(path)
    if path.exists() and not is_unfinished(path):
        with suppress(OSError):  # a folder that cannot be written, for example: the file can still be used
            _clean_up(path)
        return
    make_folder(path.parent)
    with making(path) as new:
        exists = path.exists()
        if exists and not is_unfinished(path):
            return  # another process was faster
        write(new)
        new.chmod(0o600)
        if exists:
            _LOG.warning("a file that holds nothing is made again: it was not finished, or it was cut", file=str(path))
            path.unlink()
        _link(path, new)


@contextmanager
def making(path: Path) -> Iterator[Path]:
    """Provide a name for a new file, in a private folder beside its later name, for the time of the context.

    Raises:
        OSError: the folder cannot be made, or another process is making the same file.
    """
    folder = _folder(path)
    lock = _entered(folder)
    try:
        _empty(folder)  # a process died here
        yield folder / path.name
    finally:
        with suppress(OSError):
            _leave(folder)
        lock.close()


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Provide a new file to write to, which the user asked for: its mode follows the umask.

    It takes its name, and replaces an existing file, when the context ends without an exception.

    Raises:
        OSError: it cannot be written; an existing file is unchanged.
    """
    with making(path) as new:
        with new.open("wb") as file:
            yield file
        replace(path, new)


def _link(path: Path, new: Path) -> None:
    """Give a new file its name; if another file has it by now, that one stays."""
    check_alone(new)
    sync(new)
    try:
        os.link(new, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return
        new.replace(path)  # a crash before this leaves an unfinished file
    sync(path.parent)


def _folder(path: Path) -> Path:
    name = path.name if len(os.fsencode(path.name)) <= _LONGEST else sha256(os.fsencode(path.name)).hexdigest()
    return path.with_name(f".{name}.new")


def _entered(folder: Path, wait: float = _WAIT) -> FileIO:
    """Make and lock the folder."""
    until = monotonic() + wait
    while True:
        with suppress(FileNotFoundError):  # the process that was here has removed it
            _make_private(folder)
            if lock := lock_file(folder / _LOCK, max(0.0, until - monotonic())):
                return lock
        if monotonic() >= until:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(folder))


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        error.filename = str(folder.parent)  # nobody knows the other one
        raise


def _clean_up(path: Path) -> None:
    """Remove the folder of a process that died after it had made the file."""
    folder = _folder(path)
    if folder.exists():
        lock = _entered(folder, wait=0)
        try:
            _empty(folder)
            _leave(folder)
        finally:
            lock.close()


def _empty(folder: Path) -> None:
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != _LOCK:
            left.unlink()


def _leave(folder: Path) -> None:
    """Remove the folder; the lock's file goes last, because another process can enter from then on."""
    _empty(folder)
    (folder / _LOCK).unlink()
    folder.rmdir()

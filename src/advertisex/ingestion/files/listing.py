"""List files by their inodes."""

import os
import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from advertisex.ingestion.files.followed_file import Inode

#: Maximum number of files of a folder that are looked at.
_CANDIDATES = 1_000


def by_inode(paths: Iterable[Path]) -> dict[Inode, Path]:
    """Return the first of the paths of each file, by inode."""
    found: dict[Inode, Path] = {}
    for path in paths:
        with suppress(OSError):  # deleted since the listing
            status = path.stat()
            found.setdefault((status.st_dev, status.st_ino), path)
    return found


def newest(folder: Path, begin: str, *, without: Collection[Inode]) -> dict[Inode, Path]:
    """Return the files of a folder whose names begin so, by inode; those that changed last, if there are many."""
    found: list[tuple[int, Inode, Path]] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                status = entry.stat()
                inode = (status.st_dev, status.st_ino)
                if entry.name.startswith(begin) and stat.S_ISREG(status.st_mode) and inode not in without:
                    found.append((status.st_mtime_ns, inode, folder / entry.name))
    return {inode: path for _, inode, path in sorted(found, reverse=True)[:_CANDIDATES]}

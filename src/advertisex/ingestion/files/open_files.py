"""Keep followed files open, so that they can be read to their end after they were renamed or deleted."""

import os
from io import FileIO

from advertisex.ingestion.files.followed_file import FollowedFile, Inode

#: The default maximum number of files that are kept open.
OPEN_FILES = 64


class OpenFiles:
    """The followed files that are open.

    Args:
        limit: maximum number of them.
    """

    def __init__(self, limit: int = OPEN_FILES) -> None:
        self._limit = limit
        self._opened: dict[Inode, FollowedFile] = {}  # least recently used first

    def open(self, file: FollowedFile) -> FileIO:
        """Open a file, or return it if it is open, and close the one that was not read for longest.

        Raises:
            FileNotFoundError: another file has its path now.
            OSError: it cannot be opened.
        """
        if file.opened is None:
            file.opened = FileIO(file.path)
            status = os.fstat(file.opened.fileno())
            if (status.st_dev, status.st_ino) != file.inode:
                self.close(file)
                raise FileNotFoundError
        self._opened.pop(file.inode, None)
        self._opened[file.inode] = file
        if len(self._opened) > self._limit:
            listed = (one for one in self._opened.values() if one.listed and one is not file)
            self.close(next(listed, next(iter(self._opened.values()))))
        return file.opened

    def close(self, file: FollowedFile) -> None:
        """Close a file, if it is open."""
        self._opened.pop(file.inode, None)
        opened, file.opened = file.opened, None
        if opened is not None:
            opened.close()

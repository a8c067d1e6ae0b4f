"""Notice that a followed file has other content than before, although it has not become shorter."""

import time
from collections.abc import Callable
from io import FileIO

from advertisex.ingestion.files.fingerprint import is_in, prefix_in
from advertisex.ingestion.files.followed_file import FollowedFile, Version

#: Files up to this size are compared as a whole whenever they have changed.
_SMALL = 64 * 2**20
#: Seconds between two comparisons of a larger file as a whole, for each started part of `_PART` bytes.
_SECONDS, _PART = 60.0, 2**30


class Comparison:
    """Compares files with what was read from them.

    Reading a large file again at every poll takes too long: while it grows, the first and the last of the known bytes
    are compared at every poll, and all of them from time to time, at last when it has stopped growing.

    Args:
        small: size up to which a file is compared as a whole.
        clock: returns the time of a monotonic clock, in seconds.
    """

    def __init__(self, small: int = _SMALL, clock: Callable[[], float] = time.monotonic) -> None:
        self._small, self._clock = small, clock

    def due(self, file: FollowedFile) -> bool:
        """Whether a file has grown since it was compared as a whole, and is to be compared so now."""
        return file.unchecked and self._clock() >= file.check_at

    def continues(self, file: FollowedFile, opened: FileIO, version: Version) -> bool:
        """Whether a file, which has this version now, still begins with the bytes that were read from it."""
        known = file.position.read
        if version == file.version and not self.due(file):
            return True
        if version[0] < known.size:
            return False
        grown = file.version is not None and version[0] > file.version[0]
        if grown and known.size > self._small and self._clock() < file.check_at:
            file.unchecked = True
            return is_in(opened, known)
        file.unchecked, file.check_at = False, self._clock() + _SECONDS * (1 + known.size // _PART)
        return prefix_in(opened, known, 0) is not None

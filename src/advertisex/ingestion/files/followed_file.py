"""A followed file, and how far it has been read."""

from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from advertisex.ingestion.files.fingerprint import Prefix
from advertisex.ingestion.files.positions import FilePosition

#: Device and inode.
Inode = tuple[int, int]
#: Size, and modification time in nanoseconds.
Version = tuple[int, int]


@dataclass(slots=True, eq=False)
class FollowedFile:
    """A file that is followed.

    Attributes:
        key: key of its position in the log's state.
        path: its last name.
        inode: device and inode.
        position: how far it has been read.
        prefix: the bytes before the place where to continue.
        version: size and modification time (ns) when it was last looked at.
        settled: version that was last read to its end; None if it has changed since.
        quiet: number of times that it was looked at and had not changed.
        changed_at: when it was last found changed, in seconds of the monotonic clock.
        unchecked: whether it has grown since it was compared as a whole with what was read.
        check_at: when to compare it so again, in seconds of the monotonic clock.
        listed: whether the source contains it; False once it was renamed or deleted.
        opened: the open file, which can be read even if it was renamed or deleted; None while it is closed.
    """

    key: str
    path: Path
    inode: Inode
    position: FilePosition = field(default_factory=FilePosition)
    prefix: Prefix = field(default_factory=Prefix)
    version: Version | None = None
    settled: Version | None = None
    quiet: int = 0
    changed_at: float = 0.0
    unchecked: bool = False
    check_at: float = 0.0
    listed: bool = True
    opened: FileIO | None = None

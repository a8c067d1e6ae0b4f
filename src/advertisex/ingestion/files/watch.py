"""Poll a file, folder or glob for new records.

A file is recognised by its content: if its first bytes are those that were read from some file, its reading continues
after them, whatever its name or inode. This holds after a restart, for renamed files and for copies.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

import structlog
from msgspec.structs import replace

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.files.fingerprint import Fingerprint, Prefix, head_of, prefix_in
from advertisex.ingestion.files.followed_file import FollowedFile, Inode, Version
from advertisex.ingestion.files.listing import by_inode, newest
from advertisex.ingestion.files.open_files import OPEN_FILES, OpenFiles
from advertisex.ingestion.files.positions import FilePosition, Known, Match, dump, new_key
from advertisex.ingestion.files.reading import FileReading, Noted
from advertisex.ingestion.files.rewriting import Comparison
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import Nothing, or_failing
from advertisex.ingestion.records import Input
from advertisex.ingestion.sources import Files
from advertisex.reasons import reason_of

_LOG = structlog.get_logger(__name__)

#: Polls without a change after which a file is read as a whole, and after which an incomplete last row is read.
_QUIET_FILE, _QUIET_ROWS = 1, 2
#: Seconds without a change after which an incomplete last row of a followed file is read: a program that buffers what
#: it writes may leave half a row for a while.
_QUIET_SECONDS = 10.0
#: Polls after which all of a file that does not change has been read.
SETTLED_POLLS = 1 + max(_QUIET_FILE, _QUIET_ROWS)
#: A file that is not listed any more is closed once it has not changed in so many polls.
_QUIET_POLLS = 12
#: Maximum number of positions of files that are gone.
_GONE = 1_000


class Watch:
    """Tracks how far the files of a source have been read.

    Args:
        source: the files.
        feed: feed of their records.
        options: how to read them.
        prefix: prefix of the keys of their positions.
        positions: their positions so far, by key.
        open_files: maximum number of files that are kept open.
        comparison: finds out whether a file was rewritten.
        clock: returns the time of a monotonic clock, in seconds.
    """

    def __init__(
        self,
        source: Files,
        feed: Feed,
        options: IngestOptions,
        prefix: str,
        positions: dict[str, FilePosition],
        *,
        open_files: int = OPEN_FILES,
        comparison: Comparison | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._feed, self._options, self._prefix = source, feed, options, prefix
        self._open_files, self._comparison, self._clock = OpenFiles(open_files), comparison or Comparison(), clock
        self._files: dict[Inode, FollowedFile] = {}
        self._gone = positions
        self._lost = set(positions)  # those whose rest may be in a file that the source does not list
        self._known = Known({})
        self._pending: dict[str, bytes | None] = {}  # changes of the state to be written

    @property
    def files(self) -> int:
        """Number of files that are followed."""
        return len(self._files)

    def poll(self) -> Iterator[Input]:
        """Yield each file that may have new records.

        Raises:
            SourceError: the files cannot be listed.
        """
        listed = by_inode(self._source.paths())
        for file in list(self._files.values()):
            file.listed = file.inode in listed
            if file.listed:
                file.path = listed[file.inode]
            elif file.opened is None:
                self._drop(file, lost=True)
        begun = [file for file in self._files.values() if file.position.taken]
        yield from self._new_records(begun)  # of files that were renamed or deleted, too
        self._known = Known({**self._gone, **{file.key: file.position for file in self._files.values()}})
        for inode, path in listed.items():
            if inode not in self._files:
                self._find(inode, path)
        lost = set(self._lost)
        yield from self._new_records(self._continued())
        self._report(lost)
        new = [file for file in self._files.values() if file.version is None or not file.position.taken]
        yield from self._new_records(sorted(new, key=lambda file: (file.listed, file.path)))
        self._forget()

    def close(self) -> None:
        """Close all files."""
        for file in list(self._files.values()):
            self._open_files.close(file)

    def _new_records(self, files: Iterable[FollowedFile]) -> Iterator[Input]:
        for file in files:
            yield from or_failing(self._inputs(file), str(file.path))

    def _inputs(self, file: FollowedFile) -> Iterator[Input]:
        try:
            if reading := self._reading(file):
                yield from reading.inputs()
                self._known.add(file.key, file.position)
            elif self._pending:
                yield Input(str(file.path), Nothing(), Noted(self._pending))
        except FileNotFoundError:
            return  # renamed or deleted since the listing
        except OSError as error:
            raise SourceError(
                f"could not read the file: {reason_of(error)}",
                where=str(file.path),
                hint="check the permissions",
            ) from error

    def _reading(self, file: FollowedFile) -> FileReading | None:
        """Return the next reading of a file; None if it has nothing new, or is another file now."""
        status = file.path.stat() if file.opened is None else os.fstat(file.opened.fileno())
        version = _version(status)
        settled = version == file.version
        if settled:
            file.quiet += 1
        else:
            file.changed_at = self._clock()
        idle = settled and self._is_read(file, version)
        if idle and not self._comparison.due(file):
            return None
        opened = self._open_files.open(file)
        is_new = file.version is None or not file.position.taken
        if not is_new and not self._comparison.continues(file, opened, version):
            self._begin_again(file)
            return None
        if idle:
            return None
        if not settled:
            if is_new and file.version is not None and version[0] < file.version[0]:
                self._warn(file.path, read=file.position.read.size, seen=file.version[0])
            file.version, file.settled, file.quiet = version, None, 0
            if is_new:
                self._match(file, opened)
                if file.position.complete and version[0] == file.position.read.size:
                    return None
        file.position = replace(file.position, path=str(file.path), modified=version[1])
        return FileReading(file, opened, self._feed, self._options, self._pending, settled=settled)

    def _is_read(self, file: FollowedFile, version: Version) -> bool:
        """Whether nothing is to be read of a file that has not changed, or not yet."""
        if (file.position.complete and version[0] == file.position.read.size) or file.settled == version:
            return True
        if file.position.resume is None:
            return file.quiet < _QUIET_FILE
        is_growing = self._options.follow and file.listed and self._clock() < file.changed_at + _QUIET_SECONDS
        return file.quiet < _QUIET_ROWS or is_growing

    def _find(self, inode: Inode, path: Path) -> None:
        """Follow another file, from the position at which it continues."""
        file = FollowedFile(new_key(self._prefix), path, inode)
        with suppress(OSError), FileIO(path) as opened:  # an error is reported when the file is read
            if match := self._known.longest_in(opened, path):
                file.key = match.key if match.key in self._gone else file.key
                self._set(file, match)
        self._follow(file)

    def _match(self, file: FollowedFile, opened: FileIO) -> None:
        """Set the position of a new file after what was read from another one, perhaps after this one was found.

        Nothing is new in a file that another one begins with. If it is being copied, the rest follows.
        """
        taken = file.position.taken
        match = self._known.longest_in(opened, file.path, beyond=file.position.read.size if taken else 0)
        size = os.fstat(opened.fileno()).st_size
        if not (match and match.position.read.size == size) and (copied := self._copied(opened, size)):
            file.position, file.prefix = FilePosition(read=copied, path=str(file.path)), Prefix()
            self._pending[file.key] = dump(file.position)
        elif match:
            self._set(file, match)
        elif not taken:
            file.position, file.prefix = FilePosition(), Prefix()

    def _set(self, file: FollowedFile, match: Match) -> None:
        file.position, file.prefix = match.position, match.prefix
        if match.key != file.key:  # the other file may change before this one does
            file.position = replace(match.position, path=str(file.path))
            self._pending[file.key] = dump(file.position)
            if match.position.messages:
                known, of = match.position.read.size, match.position.path
                _LOG.info("copy of a followed file", file=str(file.path), of=of, read_bytes=known)

    def _continued(self) -> Iterator[FollowedFile]:
        """Yield the files that the source does not list, and that continue a lost position.

        Such a file is a rotated one: its name begins like that of the lost file, and so does its content.
        """
        lost = {key: self._gone[key] for key in self._lost & self._gone.keys() if self._gone[key].messages}
        self._lost.clear()
        known = Known(lost)
        names = {(path.parent, path.name.partition(".")[0]) for one in lost.values() if (path := Path(one.path))}
        for folder, begin in sorted(names):
            for inode, path in newest(folder, begin, without=self._files.keys()).items():
                with suppress(OSError), FileIO(path) as opened:
                    match = known.longest_in(opened, path)
                    if match and match.key in self._gone:
                        file = FollowedFile(match.key, path, inode, match.position, match.prefix, listed=False)
                        yield self._follow(file)

    def _copied(self, opened: FileIO, size: int) -> Fingerprint | None:
        """Return the fingerprint of a file if a followed file begins with all of it."""
        head = head_of(opened)
        for file in self._files.values():
            if head and size < file.position.read.size and file.prefix.head.startswith(head):
                with suppress(OSError):
                    ours, theirs = (
                        Prefix().extended(one, size).fingerprint() for one in (opened, self._open_files.open(file))
                    )
                    if ours == theirs:
                        return ours
        return None

    def _begin_again(self, file: FollowedFile) -> None:
        """Read a file from its start, because it has other content than before; the rest of that may be elsewhere."""
        self._gone[file.key] = file.position
        self._lost.add(file.key)
        file.key, file.position, file.prefix = new_key(self._prefix), FilePosition(), Prefix()
        file.version, file.unchecked = None, False

    def _report(self, lost: set[str]) -> None:
        """Warn of each of these positions whose file has other content now, if no file continues it."""
        for key in lost & self._gone.keys():
            position = self._gone[key]
            if position.ended or not os.path.exists(position.path) or self._is_elsewhere(position):  # noqa: PTH110
                continue
            self._warn(Path(position.path), read=position.read.size)
            self._gone[key] = ended = replace(position, ended=True)
            self._pending[key] = dump(ended)

    def _warn(self, path: Path, **sizes: int) -> None:
        if self._options.follow:  # otherwise a file is complete when it is read
            hint = "what was written to it after these bytes, and not read, is only in a copy, if there is one"
            known = {f"{name}_bytes": size for name, size in sizes.items()}
            _LOG.warning("followed file was truncated or replaced", file=str(path), **known, hint=hint)

    def _is_elsewhere(self, position: FilePosition) -> bool:
        """Whether another followed file begins with all that was read."""
        for file in self._files.values():
            if file.version is None or file.version[0] >= position.read.size:
                with suppress(OSError):
                    if prefix_in(self._open_files.open(file), position.read, 0) is not None:
                        return True
        return False

    def _follow(self, file: FollowedFile) -> FollowedFile:
        self._gone.pop(file.key, None)
        self._files[file.inode] = file
        return file

    def _drop(self, file: FollowedFile, *, lost: bool) -> None:
        """Follow a file no longer, and keep its position; `lost` if it has not been read to its end."""
        self._open_files.close(file)
        del self._files[file.inode]
        if file.position.read.size:
            self._gone[file.key] = file.position
            if lost:
                self._lost.add(file.key)

    def _forget(self) -> None:
        """Drop the files that were renamed or deleted and do not change, and the oldest positions of such files."""
        for file in list(self._files.values()):
            if not file.listed and (file.opened is None or file.quiet >= _QUIET_POLLS):
                self._drop(file, lost=file.opened is None)
        for key in sorted(self._gone, key=lambda key: self._gone[key].modified)[:-_GONE]:
            del self._gone[key]
            self._pending[key] = None


def _version(status: os.stat_result) -> Version:
    return status.st_size, status.st_mtime_ns

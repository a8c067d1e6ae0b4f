"""Zip archives: their members, each of which is an input of its own."""

import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from os import SEEK_END
from pathlib import Path, PurePosixPath
from typing import Self

from advertisex.errors import SourceError
from advertisex.ingestion.stream import ZIP_ERRORS, Stream, decompressed
from advertisex.limits import Limit

_ENCRYPTED = 1
DIRECTORY_BYTES = Limit(
    16 * 2**20, "bytes", of="the directory of a zip archive: about 150,000 members", beyond="an error of the archive"
)
#: The end of an archive: its end record, a comment, and the records of zip64.
_END_BYTES = 2**16 + 128
_IN_ZIP64 = 2**32 - 1
#: Members that only a workbook has both of.
_WORKBOOK = {"[Content_Types].xml", "xl/workbook.xml"}


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        name: `archive.zip/folder/file.csv`.
        opened: opens it, decompressed.
    """

    name: str
    opened: Callable[[], Stream]


def _directory_bytes(path: Path) -> int:
    """Return the size of the directory at the end of an archive, which is held in memory; 0 if it is not found."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, SEEK_END) - _END_BYTES))
        end = file.read()
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or len(end) < at + 16:
        return 0
    (size,) = struct.unpack_from("<I", end, at + 12)
    wide = end.rfind(b"PK\x06\x06", 0, at)
    if size == _IN_ZIP64 and wide >= 0:
        (size,) = struct.unpack_from("<Q", end, wide + 40)
    return int(size)


def _too_many(name: str) -> SourceError:
    return SourceError(
        f"the directory of the zip archive is larger than {DIRECTORY_BYTES >> 20} MiB",
        where=name,
        hint="unpack it, and ingest its files",
    )


class Archive:
    """An open zip archive; a context manager that closes it.

    Args:
        path: the archive.
        name: its name in errors and in the names of its members.

    Attributes:
        name: its name.
        is_workbook: whether it is an Excel workbook, which is a zip archive, too.
        skipped: members that are not inputs, by what they are.

    Raises:
        SourceError: the archive could not be read.
    """

    def __init__(self, path: Path, name: str) -> None:
        try:
            if _directory_bytes(path) > DIRECTORY_BYTES:
                raise _too_many(name)
            self._zip = zipfile.ZipFile(path)
            if "" in self._zip.NameToInfo:
                raise zipfile.BadZipFile("a member has no name")
        except ZIP_ERRORS as error:
            raise SourceError(
                "the zip archive is truncated or damaged", where=name, hint="get it again, then ingest it again"
            ) from error
        self.name = name
        if _overlap(self._zip.infolist()):
            self._zip.close()
            raise SourceError("members of the zip archive overlap", where=name, hint="get it again, from its author")
        self.is_workbook = self._zip.NameToInfo.keys() >= _WORKBOOK
        self.skipped: Counter[str] = Counter(what for info in self._zip.infolist() if (what := _not_an_input(info)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def members(self) -> Iterator[Member]:
        """Yield the members that are inputs, in the order of the archive."""
        for info in self._zip.infolist():
            if not _not_an_input(info):
                shown = "".join(
                    letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in info.filename
                )
                yield self._member(info, f"{self.name}/{shown}")

    def _member(self, info: zipfile.ZipInfo, name: str) -> Member:
        def opened() -> Stream:
            if info.flag_bits & _ENCRYPTED:
                raise SourceError("the member is encrypted", where=name, hint="unpack it, and ingest the file")
            try:
                return decompressed(Stream(self._zip.open(info), name))
            except NotImplementedError as error:
                raise SourceError(
                    "the member is compressed in an unsupported way", where=name, hint="unpack it, and ingest the file"
                ) from error
            except ZIP_ERRORS as error:
                raise SourceError(
                    "the member is damaged", where=name, hint="get the archive again, then ingest it again"
                ) from error

        return Member(name, opened)


def _not_an_input(info: zipfile.ZipInfo) -> str:
    """Return what a member is that is not an input; empty for an input."""
    if info.is_dir():
        return "folder"
    parts = PurePosixPath(info.filename).parts
    return "hidden file" if "__MACOSX" in parts or any(part.startswith(".") for part in parts) else ""


def _overlap(members: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether members use the same bytes: a small archive of such members has any size when it is unpacked."""
    by_position = sorted(members, key=lambda info: info.header_offset)
    return any(one.header_offset + one.compress_size > other.header_offset for one, other in pairwise(by_position))

"""Writes files that are followed: appends, partial rows, rotations by renaming and by copying and truncating."""

import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from advertisex.simulator.csv_rows import HEADER
from tests.faults.workload import ENDINGS, Workload, file_of


@dataclass
class Stream:
    """The file of one feed, and what is still to be written to it."""

    feed: str
    folder: Path
    chance: random.Random
    left: list[bytes] = field(default_factory=list)
    half: bytes = b""  # the rest of a row that was written in part
    files: int = 0
    begun: set[bytes] = field(default_factory=set)  # first rows of its files

    @property
    def path(self) -> Path:
        return self.folder / f"a.{ENDINGS[self.feed]}"

    def write(self, count: int, *, halves: bool = False) -> None:
        """Write the next records; with `halves`, perhaps the last one in part."""
        records, self.left = self.left[:count], self.left[count:]
        if self.feed == "bids":
            self._new_file(records)
            return
        self.complete()
        if self.path.exists() and self.chance.random() < 0.3 and not self.begun.intersection(records[:1]):
            self._rotate()  # a file that begins like another one could be its copy
        data = b"".join(record + b"\n" for record in records)
        if not self.path.exists() or not self.path.stat().st_size:
            data = self._header + data
            self.begun.update(records[:1])
        cut = len(data)
        if halves and len(records) > 1 and self.chance.random() < 0.3:
            cut -= self.chance.randrange(1, len(records[-1]))
        self._append(data[:cut])
        self.half = data[cut:]

    def write_rest(self) -> None:
        """Write everything that is left."""
        if self.left:
            self.write(len(self.left))
        self.complete()

    def complete(self) -> None:
        """Write the rest of a row."""
        if self.half:
            self._append(self.half)
            self.half = b""

    @property
    def _header(self) -> bytes:
        return HEADER if self.feed == "clicks" else b""

    def _append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def _rotate(self) -> None:
        self.files += 1
        target = self.path.with_name(f"a.{self.files}.{ENDINGS[self.feed]}")
        if self.chance.random() < 0.5:
            self.path.rename(target)
        else:
            shutil.copyfile(self.path, target)
            with self.path.open("r+b") as file:
                file.truncate(0)

    def _new_file(self, records: list[bytes]) -> None:
        """A container cannot be followed row by row: it is made beside the folder, and moved there."""
        if records:
            self.files += 1
            made = self.folder.parent / "made.avro"
            made.write_bytes(file_of("bids", records))
            made.rename(self.folder / f"{self.files:04}.avro")


class Streams:
    """The followed files of a run.

    Attributes:
        halves: whether rows are written in part, until `complete` is called. A command reads half a row after ten
            seconds without its rest.
    """

    def __init__(self, workload: Workload, folder: Path, chance: random.Random) -> None:
        self._workload, self._chance = workload, chance
        self._streams = {feed: Stream(feed, folder / "in" / feed, chance) for feed in ENDINGS}
        self.halves = False
        self._current: list[Stream] = []

    def begin(self, delivers: Mapping[str, int]) -> None:
        """Take these parts as what is to be written next."""
        self._current = [self._streams[feed] for feed in delivers]
        for feed, part in delivers.items():
            self._streams[feed].left = list(self._workload.parts[part][feed])

    def write(self) -> None:
        """Write some more of each feed."""
        for stream in self._unfinished():
            stream.write(self._chance.randint(1, max(1, len(stream.left) // 2)), halves=self.halves)

    def complete(self) -> None:
        """Write the rest of each row that was written in part."""
        for stream in self._current:
            stream.complete()

    def write_rest(self) -> None:
        """Write all that is left."""
        for stream in self._current:
            stream.write_rest()

    def _unfinished(self) -> Iterator[Stream]:
        return (stream for stream in self._current if stream.left)

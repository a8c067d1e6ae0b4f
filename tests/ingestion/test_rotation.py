"""Files that are rotated, truncated and rewritten while they are followed, against a plain model of what was written.

Every complete row is in the log exactly once, whatever happens between polls: restarts and crashes included. A row may
only be missing if a warning named its file, and at most as many bytes as come before the row.
"""

import gzip
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from advertisex.errors import LogError
from advertisex.feeds import FEEDS
from advertisex.ingestion.files.followed import FollowedFiles
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.sources import Files
from advertisex.logs.sqlite.log import SqliteLog
from tests.ingestion.conftest import messages_in

CLICKS = FEEDS["clicks"]
HEADER = b"user_id,timestamp,campaign_id,n\n"
STEPS = 60


class CrashingLog(SqliteLog):
    """Raises an error before or after its next append."""

    crash = ""

    def append(self, topic: str, messages: Any, **more: Any) -> None:
        crash, self.crash = self.crash, ""
        if crash == "before":
            raise LogError("crashed")
        super().append(topic, messages, **more)
        if crash == "after":
            raise LogError("crashed")


class World:
    """A program that writes a log file and rotates it, and a process that follows the file.

    Attributes:
        written: complete rows that must arrive.
        reused: number of times that a new file got the inode of a deleted one.
        uncertain: rows that were overwritten before anybody could read them: the bytes before each in its file, and the
            number of warnings until then; None if nobody has seen the file, so that nobody can know of them.
        compressed: rows that are also in a compressed file, which is read as a whole.
        warnings: what following logged.
    """

    def __init__(self, folder: Path, source: str, format_: str, chance: random.Random) -> None:
        self.chance, self.format = chance, format_
        self.path = folder / f"a.{format_}"
        self.written: list[int] = []
        self.uncertain: dict[int, tuple[int, int] | None] = {}
        self.compressed: set[int] = set()
        self.warnings: list[Any] = []
        self.unread: list[int] = []  # written to the current file since the last poll
        self.held = False  # what was written last can only be read by a process that has the file open
        self.seen = False  # this process has seen the current file
        self.known = False  # a row of the current file was read
        self.partial = b""
        self.count = self.copies = self.reused = 0
        self.log = CrashingLog(folder.parent / "log.db")
        self.source = Files(str(folder / source))
        self.options = IngestOptions(follow=True, format=format_)
        self.followed = self.follow()
        self.create()

    def follow(self) -> FollowedFiles:
        return FollowedFiles(self.source, CLICKS, self.options, self.log)

    def create(self) -> None:
        self.path.write_bytes(HEADER if self.format == "csv" else b"")
        self.seen, self.known, self.unread, self.partial = False, False, [], b""

    def row(self) -> bytes:
        self.count += 1
        return b"u,2026-01-05 09:00:00,c,%d.\n" % self.count if self.format == "csv" else b'{"n":"%d."}\n' % self.count

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def finish(self) -> None:
        """Complete a partial row."""
        if self.partial:
            self.append(self.partial)
            self.note(self.count)
            self.partial = b""

    def note(self, row: int) -> None:
        self.written.append(row)
        self.unread.append(row)

    def write(self) -> None:
        self.finish()
        for _ in range(self.chance.randint(1, 5)):
            self.append(self.row())
            self.note(self.count)

    def write_partially(self) -> None:
        self.finish()
        row = self.row()
        cut = self.chance.randint(1, len(row) - 1)
        self.append(row[:cut])
        self.partial = row[cut:]

    def rotate(self) -> None:
        self.finish()
        if not self.seen and not self.known:  # a file that is renamed before anybody has seen it is another file
            self.poll()
        self.held = self.held or not self.known
        older = [self.path.with_name(f"{self.path.name}.{number}") for number in range(1, 4)]
        for source, target in zip(reversed([self.path, *older[:-1]]), reversed(older), strict=True):
            if source.exists():
                source.rename(target)
        self.create()

    def copy_and_truncate(self) -> None:
        self.finish()
        if not self.known:  # a copy of what nobody has read is another file
            self.poll()
        self.copy_file()
        self.overwrite(b"")

    def copy_file(self) -> None:
        self.copies += 1
        shutil.copyfile(self.path, self.path.with_name(f"{self.path.name}.copy{self.copies}"))

    def compress(self) -> None:
        """Compress a rotated file, as log rotation does some time later."""
        rotated = self.path.with_name(f"{self.path.name}.1")
        if not rotated.exists():
            return
        self.poll()
        self.copies += 1
        content = rotated.read_bytes()
        self.compressed |= {int(row) for row in re.findall(rb"(\d+)\.", content)}
        rotated.with_name(f"{self.path.name}.{self.copies}.gz").write_bytes(gzip.compress(content))
        rotated.unlink()

    def delete(self) -> None:
        self.finish()
        if not self.seen or self.unread:
            return
        self.write()  # read from the open file, although it is deleted
        self.path.unlink()
        self.held = True
        self.create()

    def delete_closed(self) -> None:
        """Delete a file that no process has open, and create it again, if possible under its inode."""
        self.finish()
        self.poll()
        self.restart()
        before = self.path.stat().st_ino
        self.path.unlink()
        self.create()
        self.reused += self.path.stat().st_ino == before

    def truncate(self) -> None:
        self.finish()
        content, since = self.path.read_bytes(), len(self.warnings)
        for row in self.unread:
            known = (content.index(b"%d." % row), since)
            self.uncertain[row] = known if self.known else None
        self.overwrite(b"")

    def rewrite(self) -> None:
        self.truncate()
        while self.path.stat().st_size < 400:
            self.write()

    def overwrite(self, data: bytes) -> None:
        self.known, self.unread = False, []
        header = HEADER if self.format == "csv" else b""
        with self.path.open("r+b") as file:
            file.truncate(0)
            file.write(header + data)

    def poll(self) -> None:
        publisher = Publisher(CLICKS, self.log)
        with capture_logs() as logged:
            for one in self.followed.poll():
                publisher.drain(one.name, one.reader.chunks(), one.bookmark)
        self.warnings += [one for one in logged if one["event"] == "followed file was truncated or replaced"]
        self.held, self.seen, self.known = False, True, self.known or bool(self.unread)
        self.unread.clear()

    def restart(self) -> None:
        if self.held:
            return
        self.followed.close()
        self.followed = self.follow()
        self.seen = False

    def crash(self) -> None:
        if self.held:
            return
        self.log.crash = self.chance.choice(["before", "after"])
        try:
            self.poll()
        except LogError:
            self.restart()
        self.log.crash = ""

    def check(self) -> None:
        self.finish()
        for _ in range(4):
            self.poll()
        messages = messages_in(self.log, CLICKS.topic)
        found = Counter(number for message in messages if (number := number_in(message)))
        lost = set(self.written) - found.keys()
        twice = {row for row, times in found.items() if times > 1} - self.compressed
        assert ({row for row in lost if not self.is_reported(row)}, twice) == (set(), set())
        self.followed.close()
        self.log.close()

    def is_reported(self, row: int) -> bool:
        """Whether a warning named the file of a row that is missing, or nobody can know of the row."""
        if row not in self.uncertain:
            return False
        if (known := self.uncertain[row]) is None:
            return True
        before, since = known
        return any(
            one["file"] == str(self.path) and one["read_bytes"] <= before and "a copy" in one["hint"]
            for one in self.warnings[since:]
        )


def number_in(message: bytes) -> int:
    """The number of a complete row, or 0."""
    row = re.fullmatch(rb'\{.*"n":"(\d+)\."\}', message)
    return int(row[1]) if row else 0


ACTIONS: list[tuple[Callable[[World], None], int]] = [
    (World.write, 8),
    (World.write_partially, 3),
    (World.poll, 8),
    (World.rotate, 2),
    (World.copy_and_truncate, 2),
    (World.copy_file, 1),
    (World.compress, 1),
    (World.delete, 2),
    (World.delete_closed, 1),
    (World.truncate, 1),
    (World.rewrite, 1),
    (World.restart, 2),
    (World.crash, 2),
]


@pytest.mark.parametrize("source", ["a.{}", "*"])
@pytest.mark.parametrize("format_", ["ndjson", "csv"])
@pytest.mark.parametrize("seed", range(6))
def test_every_row_arrives_once(tmp_path: Path, source: str, format_: str, seed: int) -> None:
    (tmp_path / "inputs").mkdir()
    world = World(tmp_path / "inputs", source.format(format_), format_, random.Random(seed))
    actions, weights = zip(*ACTIONS, strict=True)
    for action in world.chance.choices(actions, weights, k=STEPS):
        action(world)
    world.check()


def reuses_inodes(folder: Path) -> bool:
    """Whether the file system gives the inode of a deleted file to a new one."""
    seen: list[int] = []
    for _ in range(20):
        (folder / "probe").touch()
        seen.append((folder / "probe").stat().st_ino)
        (folder / "probe").unlink()
    return len(set(seen)) < len(seen)


@pytest.mark.parametrize("format_", ["ndjson", "csv"])
def test_a_new_file_with_the_inode_of_a_deleted_one_is_read(tmp_path: Path, format_: str) -> None:
    (tmp_path / "inputs").mkdir()
    world = World(tmp_path / "inputs", "*", format_, random.Random(0))
    for _ in range(20):
        world.write()
        world.delete_closed()
    world.write()
    world.check()
    if not reuses_inodes(tmp_path):
        pytest.skip("this file system gives no inode twice")
    assert world.reused


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "inputs").mkdir()
    return World(tmp_path / "inputs", "*", "ndjson", random.Random(0))


@pytest.mark.parametrize("rotation", [World.rotate, World.copy_and_truncate])
def test_a_rotation_is_not_reported(world: World, rotation: Callable[[World], None]) -> None:
    for _ in range(3):
        world.write()
        world.poll()
        world.write()
        rotation(world)
        world.poll()
        world.restart()
    world.check()
    assert world.warnings == []


@pytest.mark.parametrize("is_running", [True, False])
def test_a_truncation_is_reported_once(world: World, is_running: bool) -> None:
    world.write()
    world.poll()
    size = world.path.stat().st_size
    world.write()
    world.truncate()
    world.write()
    for _ in range(3):
        if not is_running:
            world.restart()
        world.poll()
    world.check()
    assert [(one["file"], one["read_bytes"]) for one in world.warnings] == [(str(world.path), size)]

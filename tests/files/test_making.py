"""Files are complete or not there, whatever happens while they are made."""

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from advertisex.files import making
from advertisex.files.durable import make_folder
from advertisex.files.lock import lock_file
from advertisex.files.making import make, writing

SCRIPT = Path(__file__).with_name("crash_steps.py")


def complete(new: Path) -> None:
    new.write_bytes(b"complete")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kind", ["plain", "log", "store"])
def test_a_crash_at_any_step_leaves_nothing_that_blocks_the_next_process(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, str(SCRIPT), kind, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    steps = [json.loads(line) for line in ended.stdout.splitlines()]

    assert ended.returncode == 0, ended.stderr
    assert len(steps) >= 10
    assert [step for step in steps if step.get("names") != ["file"] or step["mode"] != 0o600] == []
    assert any(".file.new/lock" in step["left"] for step in steps), "leftovers were cleaned up"
    if kind != "plain":
        assert {step["found"] for step in steps} <= {1, 2}


def test_many_makers_make_one_file(tmp_path: Path) -> None:
    written = []

    def write(new: Path) -> None:
        complete(new)
        written.append(new)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: make(tmp_path / "file", write), range(16)))

    assert len(written) == 1
    assert names(tmp_path) == ["file"]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def write(new: Path) -> None:
        complete(new)
        (tmp_path / "file").write_bytes(b"theirs")

    make(tmp_path / "file", write)

    assert (tmp_path / "file").read_bytes() == b"theirs"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("appears", [False, True])
def test_a_file_system_without_hard_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appears: bool
) -> None:
    def no_link(source: Path, target: Path) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    def write(new: Path) -> None:
        complete(new)
        if appears:
            (tmp_path / "file").write_bytes(b"theirs")

    monkeypatch.setattr(making.os, "link", no_link)  # no parameter: it depends on the disk
    make(tmp_path / "file", write)

    assert (tmp_path / "file").read_bytes() == (b"theirs" if appears else b"complete")
    assert names(tmp_path) == ["file"]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def write(new: Path) -> None:
        new.write_bytes(b"half")
        (new.parent / f"{new.name}.wal").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        make(tmp_path / "file", write)

    assert names(tmp_path) == []


def test_a_file_that_is_not_self_contained_is_not_published(tmp_path: Path) -> None:
    def write(new: Path) -> None:
        complete(new)
        (new.parent / f"{new.name}-wal").write_bytes(b"rows")

    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        make(tmp_path / "file", write)

    assert names(tmp_path) == []


def test_an_unfinished_file_is_replaced_and_private(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o644)

    make(tmp_path / "file", complete, is_unfinished=lambda path: not path.stat().st_size)

    assert (tmp_path / "file").read_bytes() == b"complete"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "file")

    make(tmp_path / "link", complete)

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "file").read_bytes() == b"complete"


def test_only_new_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir(0o755)
    before = os.umask(0)
    try:
        make_folder(tmp_path / "old" / "new" / "newer")
    finally:
        os.umask(before)

    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "old", *(tmp_path / "old").rglob("*"))]
    assert modes == [0o755, 0o700, 0o700]


def test_the_replacement_of_a_file_has_its_mode(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o600)
    (tmp_path / "file").chmod(0o640)

    with writing(tmp_path / "file") as file:
        file.write(b"new")

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_lock_is_held_by_one_only_and_ends_when_it_is_closed(tmp_path: Path) -> None:
    held = lock_file(tmp_path / "lock")
    assert held is not None
    assert lock_file(tmp_path / "lock") is None
    held.close()
    again = lock_file(tmp_path / "lock")
    assert again is not None
    again.close()
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600

"""Make a file once per step of its making, each time in a process that ends at that step as if it were killed.

Prints one JSON line per step: what was left, and what the next process finds and leaves.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from advertisex.files.making import make
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.stores.duckdb.store import DuckdbStore

#: System calls that Python announces before it makes them.
STEPS = {"os.mkdir", "open", "os.chmod", "os.link", "os.remove", "os.rmdir", "os.rename", "sqlite3.connect"}
CRASHED = 9


def use_plain(path: Path) -> object:
    make(path, lambda new: new.write_bytes(b"complete") and None)
    return path.read_text()


def use_log(path: Path) -> object:
    with SqliteLog(path) as log:
        log.append("t", [b"m"])
        return log.end_offsets()["t", 0]


def use_store(path: Path) -> object:
    with DuckdbStore(path) as store:
        store.take_note("kind", {"key": b"1"})
        return 1


def forked(run: Callable[[], Any]) -> int:
    """Run a function in a child, and return the child's exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        run()
        os._exit(0)
    except Exception as error:  # noqa: BLE001 - reported by the parent's test
        sys.stdout.write(json.dumps({"error": repr(error)}) + "\n")
        sys.stdout.flush()
        os._exit(1)


def crash_at(step: int, path: Path) -> None:
    left = step

    def count(event: str, arguments: object) -> None:
        nonlocal left
        if event in STEPS and str(path.parent) in str(arguments):
            left -= 1
            if not left:
                os._exit(CRASHED)

    sys.addaudithook(count)
    use(path)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def report(step: int, path: Path, left: list[str]) -> None:
    found = use(path)
    mode = path.stat().st_mode & 0o777
    line = {"step": step, "left": left, "found": found, "names": names(path.parent), "mode": mode}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def run(number: int, folder: Path) -> int:
    folder.mkdir()
    file = folder / "file"
    code = forked(lambda: crash_at(number, file))
    if code == CRASHED:
        forked(lambda: report(number, file, names(folder)))
    return code


use = {"plain": use_plain, "log": use_log, "store": use_store}[sys.argv[1]]
number = 1
while (code := run(number, Path(sys.argv[2], str(number)))) == CRASHED:
    number += 1
sys.exit(code)

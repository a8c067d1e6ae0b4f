"""Cost of retention on the embedded log: time, bytes written, and how long appends and reads of others wait.

    python -m bench.retention                       a log of 1 GiB with rows of 8 MB and of 100 kB, and an earlier one
    python -m bench.retention --megabytes 100       the same with a smaller log

The last log is one of an earlier version: its file is rewritten once. Figures vary between runs.
"""

import argparse
import random
import sqlite3
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

from advertisex.logs.contract import Limits
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Partition
from bench.child import machine

_MESSAGE = 250
_TOPIC = Partition("t", 0)


def written() -> int:
    """Bytes that this process has written to disks."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


class Others(Thread):
    """Appends 10 kB to another topic and reads 1,000 messages, again and again; keeps the longest time of each."""

    def __init__(self, path: Path, end: int) -> None:
        super().__init__()
        self._path, self._end = path, end
        self.done = Event()
        self.append = self.read = 0.0

    def run(self) -> None:
        with SqliteLog(self._path) as log:
            while not self.done.wait(0.01):
                started = time.perf_counter()
                log.append("others", [bytes(_MESSAGE)] * 40)
                appended = time.perf_counter()
                log.read(_TOPIC.topic, 0, self._end - 1_000, 1_000)
                self.append = max(self.append, appended - started)
                self.read = max(self.read, time.perf_counter() - appended)


def filled(path: Path, megabytes: int, row: int, *, earlier: bool) -> int:
    """Make a log of rows of this size; returns its next offset."""
    with SqliteLog(path):
        pass
    if earlier:
        db = sqlite3.connect(path, isolation_level=None)
        db.executescript("PRAGMA auto_vacuum = NONE; VACUUM")
        db.close()
    data = random.Random(1).randbytes(row)
    messages = [data[start : start + _MESSAGE] for start in range(0, row, _MESSAGE)]
    with SqliteLog(path) as log:
        for _ in range(megabytes * 2**20 // row):
            log.append(_TOPIC.topic, messages)
        return log.end_offsets()[_TOPIC]


def measure(megabytes: int, row: int, *, earlier: bool) -> None:
    """Remove 60 % of a log, and print the cost."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        end = filled(path, megabytes, row, earlier=earlier)
        before, others = path.stat().st_size, Others(path, end)
        limits = Limits(size=before * 2 // 5)
        others.start()
        with SqliteLog(path) as log:
            wrote, started, longest, busy = written(), time.perf_counter(), 0.0, 0.0
            step = 1
            while step:
                began = time.perf_counter()
                step = log.prune({_TOPIC: end}, limits)
                last = time.perf_counter() - began
                busy, longest = busy + last, max(longest, last)
                time.sleep(last if step else 0.0)
            total, wrote = time.perf_counter() - started, written() - wrote
        others.done.set()
        others.join()
        print(
            f"{before / 1e6:6,.0f} MB to {path.stat().st_size / 1e6:4,.0f} MB, rows of {row / 1e3:5,.0f} kB"
            f"{', earlier version' if earlier else ''}: {total:.1f} s, {busy:.1f} s of them locked, "
            f"longest lock {longest:.2f} s, longest append {others.append:.2f} s, longest read {others.read:.2f} s, "
            f"{wrote / 1e6:,.0f} MB written"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1_024)
    arguments = parser.parse_args()
    print(machine())
    for row, earlier in ((8_000_000, False), (100_000, False), (8_000_000, True)):
        measure(arguments.megabytes, row, earlier=earlier)


if __name__ == "__main__":
    main()

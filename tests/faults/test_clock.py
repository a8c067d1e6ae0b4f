"""The clock that faults move: the wall clock jumps, and nothing else does."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.clock import MovedClock, can_move_clock

_SCRIPT = """
import datetime, sys, threading, time
import duckdb
def shown(): return time.time(), datetime.datetime.now().timestamp(), duckdb.sql("SELECT epoch(now())").fetchall()[0][0]
for line in sys.stdin:
    before = time.monotonic()
    threading.Event().wait(0.01)
    time.sleep(0.01)
    print(*shown(), time.monotonic() - before, flush=True)
"""


@pytest.mark.skipif(not can_move_clock(), reason="needs a C compiler")
def test_the_wall_clock_of_a_running_process_jumps(tmp_path: Path) -> None:
    clock = MovedClock(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT], env=clock.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        found = []
        for offset in (0, 2_592_000, -2_592_000):
            clock.set(offset)
            process.stdin.write("now\n")
            process.stdin.flush()
            *walls, waited = map(float, process.stdout.readline().split())
            assert 0 <= waited < 60
            found.append(walls)
        process.stdin.close()
    for before, ahead, behind in zip(*found, strict=True):
        assert 2_592_000 <= ahead - before < 2_592_060
        assert -2_592_000 <= behind - before < -2_591_940

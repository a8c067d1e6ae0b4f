"""Runs one measurement in a new process, so that its peak memory is its own."""

import os
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_in_child(program: str, arguments: Sequence[object], *, package: Path = ROOT) -> str:
    """Run `python -m PROGRAM ARGUMENTS` with the package of a checkout, this one by default; return what it prints.

    A child starts at its parent's peak memory: call this from a process that has measured nothing itself.
    """
    command = [sys.executable, "-m", program, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(package / "src")}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment).stdout


def peak_mib() -> int:
    """The peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def machine() -> str:
    """What the figures were measured on."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"

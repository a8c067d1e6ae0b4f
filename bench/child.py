"""Runs one measurement in a new process, so that its peak memory is its own."""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_in_child(program: str, arguments: Sequence[object], *, package: Path = ROOT) -> str:
    """Run `python -m PROGRAM ARGUMENTS` with the package of a checkout, this one by default; return what it prints.

    A child starts at its parent's peak memory: call this from a process that has measured nothing itself.
    """
    command = [sys.executable, "-m", program, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(package / "src")}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment).stdout


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """The parser of a benchmark that writes its inputs, and measures them, in processes of their own.

    Such a process is called with --write or --measure, and what follows is for `write` or `measure` of the benchmark.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="PATH", help="another checkout, whose package to measure")
    parser.add_argument("--write", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    return parser


def is_child(args: argparse.Namespace, write: Callable[..., object], measure: Callable[..., object]) -> bool:
    """Do the work of a process that was called with --write or --measure; whether this is one."""
    if args.write:
        write(*args.write)
    elif args.measure:
        print(json.dumps(measure(*args.measure)))
    return bool(args.write or args.measure)


def peak_mib() -> int:
    """The peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def machine() -> str:
    """What the figures were measured on."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"

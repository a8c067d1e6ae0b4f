"""`make faults`: random workloads with known truth, under faults that a seed draws.

FAULTS_MINUTES: how long (default 10). FAULTS_SEED: repeats a run (default: a random one, printed).
FAULTS_PAIRS: a chain of rounds for each name (default: two on the embedded pair, one on servers).
FAULTS_KEEP: a folder to which the folder of a failed round is copied (default: it is deleted).
FAULTS_RESULTS: a file to which a line of JSON with the counts is appended.
"""

import os
import secrets
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from pathlib import Path

from tests.faults.campaign import interrupt_once, run_chain
from tests.faults.report import Report


def main() -> int:
    minutes = float(os.environ.get("FAULTS_MINUTES") or 10)
    seed = os.environ.get("FAULTS_SEED") or secrets.token_hex(4)
    pairs = (os.environ.get("FAULTS_PAIRS") or "embedded,embedded,servers").split(",")
    _print(f"faults: seed {seed}, {minutes:g} min, chains: {', '.join(pairs)}")
    began, total = time.monotonic(), Report(seed=seed)
    with ProcessPoolExecutor(len(pairs), mp_context=get_context("spawn")) as pool:
        interrupt_once()
        chains: list[Future[Report]] = [
            pool.submit(run_chain, pair, f"{seed}-{number}", minutes * 60) for number, pair in enumerate(pairs)
        ]
        try:
            for chain in as_completed(chains):
                report = chain.result()
                total.add(report)
                for failure in report.failures:
                    _print(failure)
        except KeyboardInterrupt:
            for process in active_children():
                process.terminate()  # it cleans up first
            raise
    total.seconds = time.monotonic() - began
    if path := os.environ.get("FAULTS_RESULTS"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{total.line()}\n")
    _print(total.summary())
    missing = [*total.lacking(pairs), *(total.left_out if os.environ.get("CI") else [])]
    for name in missing:
        _print(f"faults: not played: {name}")
    return 1 if total.failures or missing else 0


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _print("faults: interrupted")
        sys.exit(130)

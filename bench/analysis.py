"""How fast and how large: every question, asked of a store of 5 million impressions.

    python bench/analysis.py                           all of them; the store is made once and kept for the next time
    python bench/analysis.py --only funnel attribution
    python bench/analysis.py --impressions 500000 --folder DIR

Each answer is a process of its own, begun afresh, so that its peak memory is its own; it is asked once, and is given
out whole as JSON. The aim is less than 10 s and 2 GiB for each.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from advertisex.analysis.attribution import attribute
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate, correlate_by_day
from advertisex.analysis.funnel import funnel
from advertisex.analysis.quality import quality
from advertisex.analysis.reach import reach
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise, summarise_by_day
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb import DuckdbStore
from analysis_world import VERSION, make

_AIM_SECONDS, _AIM_MIB = 10, 2048

Question = Callable[[EventStore, Scope], Any]


def restated(store: EventStore, scope: Scope) -> Any:
    """What changed between the time when half of the store's commits were made, and the last."""
    committed = store.commits()["committed_at"].sort()
    return restatement(store, scope, committed[len(committed) // 2], committed[-1])


QUESTIONS: dict[str, Question] = {
    "summary": summarise,
    "summary by day": summarise_by_day,
    "correlation": correlate,
    "correlation by day": correlate_by_day,
    "funnel": funnel,
    "funnel by campaign_id": partial(funnel, by="campaign_id"),
    "funnel by creative_id": partial(funnel, by="creative_id"),
    "funnel by website": partial(funnel, by="website"),
    "funnel by hour": partial(funnel, by="hour"),
    "funnel by day": partial(funnel, by="day"),
    "attribution by campaign_id": attribute,
    "attribution by creative_id": partial(attribute, by="creative_id"),
    "attribution by website": partial(attribute, by="website"),
    "attribution, split journeys": partial(attribute, split_journeys=True),
    "attribution, own campaign": partial(attribute, within_campaign=True),
    "reach": reach,
    "bids": bids,
    "quality": quality,
    "restatement": restated,
}


def ask(name: str, path: Path) -> dict[str, Any]:
    """Answer one question: seconds, and the peak memory of this process."""
    began = time.perf_counter()
    with DuckdbStore(path, read_only=True) as store:
        answer = QUESTIONS[name](store, Scope())
    text = json.dumps(answer.to_dict(), default=str)  # amounts are Decimal
    return {
        "question": name,
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time(), 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "bytes": len(text),
    }


def prepare(path: Path, impressions: int) -> None:
    """Make the store, unless an earlier run has."""
    if path.exists():
        return
    print(f"making {path} …", file=sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".making")
    making.unlink(missing_ok=True)  # of a run that was interrupted
    make(making, impressions)
    making.rename(path)


def main() -> None:
    """Measure, and print a table and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--impressions", type=int, default=5_000_000, help="in the store (default 5,000,000)")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "advertisex-bench-analysis"))
    parser.add_argument("--only", nargs="+", default=[""], help="questions whose names begin with one of these")
    parser.add_argument("--run", choices=["prepare", *QUESTIONS], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    path = asked.folder / f"world-{VERSION}-{asked.impressions}.duckdb"
    if asked.run == "prepare":
        prepare(path, asked.impressions)
        return
    if asked.run:
        print(json.dumps(ask(asked.run, path)))
        return
    _in_child("prepare", asked)  # a child's peak memory begins at that of its parent, which so stays small
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    size = path.stat().st_size >> 20
    print(f"{asked.impressions:,} impressions in {size:,} MiB; the aim: {_AIM_SECONDS} s, {_AIM_MIB} MiB")
    results = [_measured(name, asked) for name in QUESTIONS if name.startswith(tuple(asked.only))]
    missed = [result["question"] for result in results if not _reached(result)]
    print(
        f"{len(results) - len(missed)} of {len(results)} reach the aim; those that miss it: {', '.join(missed) or '–'}"
    )
    print(json.dumps(results))


def _in_child(name: str, asked: argparse.Namespace) -> str:
    command = [sys.executable, __file__, "--impressions", str(asked.impressions), "--folder", str(asked.folder)]
    return subprocess.run([*command, "--run", name], check=True, stdout=subprocess.PIPE, text=True).stdout


def _measured(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_in_child(name, asked))
    mark = "" if _reached(result) else "  misses the aim"
    took = f"{result['seconds']:6.2f} s  {result['cpu_seconds']:6.2f} s of CPU  {result['peak_mib']:6,} MiB"
    print(f"  {name:28} {took}{mark}", flush=True)
    return result


def _reached(result: dict[str, Any]) -> bool:
    return bool(result["seconds"] < _AIM_SECONDS and result["peak_mib"] < _AIM_MIB)


if __name__ == "__main__":
    main()

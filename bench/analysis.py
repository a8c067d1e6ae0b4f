"""Time and peak memory of every question, on a store of 5 million impressions.

    python -m bench.analysis                           all questions; the store is built once and reused
    python -m bench.analysis --only funnel attribution
    python -m bench.analysis --impressions 500000 --folder DIR
    python -m bench.analysis --bids 0 --only performance pacing

Each question runs once, in a new process, so that its peak memory is its own; the answer is serialised to JSON.
The target for each is less than 10 s and 2 GiB.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.event_list import list_events
from advertisex.analysis.funnel import funnel
from advertisex.analysis.journeys.report import journeys
from advertisex.analysis.pacing.report import pacing
from advertisex.analysis.performance.report import performance
from advertisex.analysis.quality.report import quality
from advertisex.analysis.reach.report import reach
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.analysis.views.asking import ask
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore
from bench.analysis_world import VERSION, build
from bench.child import machine, peak_mib, run_in_child

_TARGET_SECONDS, _TARGET_MIB = 10, 2048

Question = Callable[[EventStore, Scope], Any]


def restated(store: EventStore, scope: Scope) -> Any:
    """What changed between the median commit and the last."""
    committed = store.commits()["committed_at"].sort()
    return restatement(store, scope, start=committed[len(committed) // 2], end=committed[-1])


QUESTIONS: dict[str, Question] = {
    "summary": summarise,
    "summary by day": partial(summarise, by="day"),
    "correlation": correlate,
    "correlation by day": partial(correlate, by="day"),
    "funnel": funnel,
    "funnel by campaign_id": partial(funnel, by="campaign_id"),
    "funnel by creative_id": partial(funnel, by="creative_id"),
    "funnel by website": partial(funnel, by="website"),
    "funnel by hour": partial(funnel, by="hour"),
    "funnel by day": partial(funnel, by="day"),
    "performance": performance,
    "performance by campaign_id": partial(performance, by="campaign_id"),
    "performance by website": partial(performance, by="website"),
    "performance by day": partial(performance, by="day"),
    "performance, valid only": partial(ask, performance, valid_only=True),
    "pacing": pacing,
    "pacing by weekday": partial(pacing, curve="weekday"),
    "attribution by campaign_id": attribute,
    "attribution by creative_id": partial(attribute, by="creative_id"),
    "attribution by website": partial(attribute, by="website"),
    "attribution, split journeys": partial(attribute, split_journeys=True),
    "attribution, own campaign": partial(attribute, within_campaign=True),
    "journeys by campaign_id": journeys,
    "journeys by creative_id": partial(journeys, by="creative_id"),
    "journeys, own campaign": partial(journeys, within_campaign=True),
    "reach": reach,
    "reach by day": partial(reach, by="day"),
    "reach by flight": partial(reach, by="flight"),
    "bids": bids,
    "quality": quality,
    "restatement": restated,
    "events": list_events,
}


def measure(name: str, path: Path) -> dict[str, Any]:
    """Answer one question; return the time it took and the peak memory of this process."""
    started = time.perf_counter()
    with DuckdbStore(path, read_only=True) as store:
        answer = QUESTIONS[name](store, Scope())
    document = answer.to_dict()
    text = json.dumps(document, default=str)  # amounts are Decimals
    return {
        "question": name,
        "computed_from": document["computed_from"],
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_seconds": round(time.process_time(), 2),
        "peak_mib": peak_mib(),
        "bytes": len(text),
    }


def prepare(path: Path, impressions: int, bids: float = 0.2) -> None:
    """Build the store if it does not exist yet."""
    if path.exists():
        return
    print(f"building {path} …", file=sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_suffix(".making")
    partial_path.unlink(missing_ok=True)  # left by an interrupted run
    build(partial_path, impressions, bids)
    partial_path.rename(path)


def main() -> None:
    """Run the benchmark; print the results as a table and as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--impressions", type=int, default=5_000_000, help="in the store (default 5,000,000)")
    parser.add_argument("--bids", type=float, default=0.2, help="for each impression (default 0.2)")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "advertisex-bench-analysis"))
    parser.add_argument("--only", nargs="+", default=[""], help="only questions whose names start with one of these")
    parser.add_argument("--run", choices=["prepare", *QUESTIONS], help=argparse.SUPPRESS)
    args = parser.parse_args()
    path = args.folder / f"world-{VERSION}-{args.impressions}-{args.bids}.duckdb"
    if args.run == "prepare":
        prepare(path, args.impressions, args.bids)
        return
    if args.run:
        print(json.dumps(measure(args.run, path)))
        return
    _in_child("prepare", args)  # in a child: children inherit the parent's peak memory, so the parent must stay small
    print(machine())
    size = path.stat().st_size >> 20
    content = f"{args.impressions:,} impressions, {args.bids:g} bids for each"
    print(f"{content}, in {size:,} MiB; target: {_TARGET_SECONDS} s, {_TARGET_MIB} MiB")
    asked = [name for name in QUESTIONS if name.startswith(tuple(args.only)) and (args.bids or name != "bids")]
    results = [_measured(name, args) for name in asked]
    missed = [result["question"] for result in results if not _meets_target(result)]
    print(f"{len(results) - len(missed)} of {len(results)} meet the target; missed: {', '.join(missed) or '–'}")
    print(json.dumps(results))


def _in_child(name: str, args: argparse.Namespace) -> str:
    arguments = [
        "--impressions",
        args.impressions,
        "--bids",
        args.bids,
        "--folder",
        args.folder.resolve(),
        "--run",
        name,
    ]
    return run_in_child("bench.analysis", arguments)


def _measured(name: str, args: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_in_child(name, args))
    mark = "" if _meets_target(result) else "  misses the target"
    took = f"{result['seconds']:6.2f} s  {result['cpu_seconds']:6.2f} s CPU  {result['peak_mib']:6,} MiB"
    print(f"  {name:28} {took}{mark}", flush=True)
    return result


def _meets_target(result: dict[str, Any]) -> bool:
    return bool(result["seconds"] < _TARGET_SECONDS and result["peak_mib"] < _TARGET_MIB)


if __name__ == "__main__":
    main()

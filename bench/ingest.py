"""Throughput and memory of `ingest`: files of each format, appended to the embedded log.

    python -m bench.ingest                          a million records of each format, three rounds
    python -m bench.ingest --against ../other       the same beside the package of another checkout, by turns

Each run is a separate process, so that its peak memory is its own. The figures of a case are those of its best round.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.child import ROOT, is_child, machine, parser_of, peak_mib, run_in_child

_START = datetime(2026, 3, 1, tzinfo=UTC)
_BIDS: dict[str, Any] = {
    "type": "record",
    "name": "Bid",
    "fields": [
        {"name": "user_id", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "creative_id", "type": "string"},
        {"name": "auction_id", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "website", "type": "string"},
    ],
}
_CLICKS = "timestamp,user_id,campaign_id,conversion,value,landing_page\n"
#: Case -> feed and file name. In three of them, some rows of CSV are not plain: an empty first cell or a short row in
#: every third, and a cell of two lines in every 2,000th.
CASES = {
    "csv": ("clicks", "clicks.csv"),
    "empty-first": ("clicks", "empty-first.csv"),
    "line-ends": ("clicks", "line-ends.csv"),
    "short": ("clicks", "short.csv"),
    "ndjson": ("impressions", "impressions.ndjson"),
    "array": ("impressions", "impressions.json"),
    "avro": ("bids", "bids.avro"),
}


def write(case: str, path: Path, records: int) -> None:
    """Write the file of a case."""
    match case:
        case "csv":
            _write_text(path, _CLICKS, (f"{row}\n" for row in _clicks(records)), "")
        case "empty-first":
            marked = (f"{'' if n % 3 == 0 else 'a'},{row}\n" for n, row in enumerate(_clicks(records)))
            _write_text(path, f"app,{_CLICKS}", marked, "")
        case "line-ends":
            cells = ("two\nlines", *["one"] * 1_999)
            agents = (f'{row},"{cells[n % 2_000]}"\n' for n, row in enumerate(_clicks(records)))
            _write_text(path, _CLICKS.replace("\n", ",user_agent\n"), agents, "")
        case "short":
            short = (f"{row.rsplit(',', 2)[0] if n % 3 == 0 else row}\n" for n, row in enumerate(_clicks(records)))
            _write_text(path, _CLICKS, short, "")
        case "ndjson":
            _write_text(path, "", (f"{impression}\n" for impression in impressions(records)), "")
        case "array":
            separated = (f"{',' if n else ''}\n{one}" for n, one in enumerate(impressions(records)))
            _write_text(path, "[", separated, "\n]\n")
        case _:
            _write_avro(path, records)


def _times(records: int) -> Iterator[tuple[int, datetime]]:
    return ((n, _START + timedelta(milliseconds=n)) for n in range(records))


def _clicks(records: int) -> Iterator[str]:
    return (
        f"{time.isoformat()},u{n % 99_991},k{n % 50},{'purchase' if n % 20 == 0 else 'click'},"
        f"{n % 997}.{n % 90 + 10},https://www.site{n % 3_000}.example.com/p/{n % 1_000}"
        for n, time in _times(records)
    )


def impressions(records: int) -> Iterator[str]:
    return (
        f'{{"creative_id":"cr{n % 500}","user_id":"u{n % 99_991}","timestamp":"{time.isoformat()}",'
        f'"website":"https://www.site{n % 3_000}.example.com/p/{n % 1_000}"}}'
        for n, time in _times(records)
    )


def _write_text(path: Path, head: str, parts: Iterator[str], tail: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(head)
        file.writelines(parts)
        file.write(tail)


def _write_avro(path: Path, records: int) -> None:
    import fastavro  # noqa: PLC0415 - only the process that writes the file needs it

    bids = (
        {
            "user_id": f"u{n % 99_991}",
            "timestamp": time,
            "creative_id": f"cr{n % 500}",
            "auction_id": f"a{n}",
            "amount": n % 997 / 100,
            "website": f"https://www.site{n % 3_000}.example.com/p/{n % 1_000}",
        }
        for n, time in _times(records)
    )
    with path.open("wb") as file:
        fastavro.writer(file, _BIDS, bids, codec="deflate")


def measure(feed: str, path: Path) -> dict[str, Any]:
    """Ingest a file into a new embedded log; only what every version of the package has is called."""
    # imported here: the process that writes the files and prints the results measures nothing itself
    from advertisex.ingestion.ingest import ingest  # noqa: PLC0415
    from advertisex.logs.sqlite.log import SqliteLog  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, SqliteLog(Path(folder, "log.db")) as log:
        wall, cpu = time.perf_counter(), time.process_time()
        published = ingest(feed, str(path), log)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert not published.failures, published.failures
    return {
        "messages": published.messages,
        "per_second": round(published.messages / wall),
        "cpu_s_per_million": round(cpu / published.messages * 1e6, 3),
        "peak_mib": peak_mib(),
    }


def compare(case: str, path: Path, packages: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Measure a case with each package by turns; return the best of the rounds of each."""
    feed, _ = CASES[case]
    best: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for name, package in packages.items():
            result = json.loads(run_in_child("bench.ingest", ["--measure", feed, path], package=package))
            if name not in best or result["cpu_s_per_million"] < best[name]["cpu_s_per_million"]:
                best[name] = result
    return {"case": case, **best}


def main() -> None:
    """Run the benchmark; print the results as a table and as JSON."""
    parser = parser_of(__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="records of each file (default 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CASES, action="append", help="a case; repeatable (default: all)")
    args = parser.parse_args()
    if is_child(
        args,
        lambda case, path, records: write(case, Path(path), int(records)),
        lambda feed, path: measure(feed, Path(path)),
    ):
        return
    print(machine())
    packages = {"here": ROOT} | ({"there": args.against.resolve()} if args.against else {})
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for case in args.only or CASES:
            path = Path(folder, CASES[case][1])
            run_in_child("bench.ingest", ["--write", case, path, args.records])
            results.append(compare(case, path, packages, args.rounds))
            path.unlink()
            _print(results[-1])
    print(json.dumps(results))


def _print(result: dict[str, Any]) -> None:
    for name in ("here", "there"):
        if one := result.get(name):
            print(
                f"  {result['case']:11} {name:6} {one['per_second']:>9,} messages/s, "
                f"{one['cpu_s_per_million']:>6.2f} s CPU a million, peak {one['peak_mib']:>5,} MiB"
            )
    if there := result.get("there"):
        ratio = result["here"]["cpu_s_per_million"] / there["cpu_s_per_million"]
        print(f"  {result['case']:11} {ratio:.2f} times the CPU time of there")


if __name__ == "__main__":
    main()

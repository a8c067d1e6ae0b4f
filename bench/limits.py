"""Peak memory of `ingest` and `process` for inputs whose cost is per object, not per byte.

    python -m bench.limits                        every shape, in 4 MiB of text or fewer of a binary format
    python -m bench.limits --only json-brackets   one of them
    python -m bench.limits --against ../other     the same with the package of another checkout

Each shape is read in a process of its own, whose peak before it is that of a small input. `docs/limits.md` has figures.
"""

import json
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from bench.child import ROOT, is_child, machine, parser_of, peak_mib, run_in_child

_MIB = 2**20
_SIZE = 4 * _MIB
#: An envelope that is not read as it arrives is at most a message.
_ENVELOPE = 16 * _MIB - 2**12
_IMPRESSION = '{"creative_id":"c","user_id":"u","timestamp":"2026-01-05T09:00:00Z","website":"a.example"'
_CLICK = "2026-01-05 09:00:00,u,c,purchase"
_BID = '{"creative_id":"c","user_id":"u","timestamp":"2026-01-05T09:00:00Z","auction_id":"a"'
_HEADER = "timestamp,user_id,campaign_id,conversion"


class Shape(NamedTuple):
    """An input.

    Attributes:
        feed: feed that it is ingested into.
        name: name of its file.
        parts: yields its bytes.
    """

    feed: str
    name: str
    parts: Callable[[], Iterator[bytes]]


def _repeated(head: str, unit: str, tail: str = "", size: int = _SIZE) -> Callable[[], Iterator[bytes]]:
    """A text that repeats a unit up to a size."""

    def parts() -> Iterator[bytes]:
        block, times = unit.encode() * 1_000, max(1, (size - len(head) - len(tail)) // len(unit))
        yield head.encode()
        yield from (block for _ in range(times // 1_000))
        yield unit.encode() * (times % 1_000)
        yield tail.encode()

    return parts


def _numbered(head: str, unit: str, tail: str = "", size: int = _SIZE) -> Callable[[], Iterator[bytes]]:
    """A text that repeats a unit with a number in it."""

    def parts() -> Iterator[bytes]:
        yield head.encode()
        written, number = 0, 0
        while written < size - len(head) - len(tail) - 2**16:
            block = "".join(unit % n for n in range(number, number + 1_000)).encode()
            yield block
            written, number = written + len(block), number + 1_000
        yield tail.encode()

    return parts


def _container(schema: Any, unit: bytes, block: int, datum: Callable[[bytes], bytes] | None = None) -> Any:
    """An Avro container of one block: many records of the same bytes, or one made from them."""
    from advertisex.ingestion.avro.blocks import MAGIC, write_long  # noqa: PLC0415 - the child needs it only

    def parts() -> Iterator[bytes]:
        text, sync = json.dumps(schema).encode(), bytes(16)
        key = b"avro.schema"
        yield MAGIC + write_long(1) + write_long(len(key)) + key + write_long(len(text)) + text + write_long(0) + sync
        times = block // max(1, len(unit))
        data, count = (datum(unit * times), 1) if datum else (unit * times, times)
        yield write_long(count) + write_long(len(data)) + data + sync

    return parts


def _record(*fields: tuple[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": name, "type": kind} for name, kind in fields]}


def _avro(case: str) -> Callable[[], Iterator[bytes]]:
    def parts() -> Iterator[bytes]:
        from advertisex.ingestion.avro.blocks import write_long  # noqa: PLC0415 - as above

        def listed(items: bytes) -> bytes:
            return write_long(len(items)) + items + b"\x00"

        inner = {"type": "record", "name": "I", "fields": [{"name": "a", "type": "int"}]}
        nulls = _record(("a", "int"), *((f"n{n}", "null") for n in range(99)))
        made: Any = {
            "ints": _container(_record(("a", {"type": "array", "items": "int"})), b"\x02", _SIZE, listed),
            "records": _container(_record(("a", {"type": "array", "items": inner})), b"\x02", _SIZE, listed),
            "wide": _container(nulls, b"\x02", 2**16),
            "small": _container(inner, b"\x02", _MIB),
            "texts": _container(_record(*((f"t{n}", "string") for n in range(200))), b"\x00", _SIZE),
        }[case]
        yield from made()

    return parts


def _parquet(case: str) -> Callable[[], Iterator[bytes]]:
    def parts() -> Iterator[bytes]:
        import polars as pl  # noqa: PLC0415 - the child needs it only

        file = BytesIO()
        match case:
            case "columns":
                frame = pl.DataFrame({f"c{n}": [""] for n in range(100_000)})
            case "nulls":
                frame = pl.DataFrame({"a": [[None] * 16_000_000]}, schema={"a": pl.List(pl.Int8)})
            case _:
                frame = pl.DataFrame({"a": [[[]] * 4_000_000]}, schema={"a": pl.List(pl.List(pl.Int8))})
        frame.write_parquet(file)
        yield file.getvalue()

    return parts


def _zip(members: int) -> Callable[[], Iterator[bytes]]:
    def parts() -> Iterator[bytes]:
        file = BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for number in range(members):
                archive.writestr(f"{number}.json", b"")
        yield file.getvalue()

    return parts


def _json_shapes() -> Iterator[tuple[str, Shape]]:
    elements = {
        "brackets": "[],",
        "objects": "{},",
        "numbers": "1,",
        "texts": '"",',
        "nested": '{"a":{}},',
        "nulls": "null,",
        "fractions": "1.5,",
    }
    for name, unit in elements.items():
        last = unit.rstrip(",")
        yield f"json-{name}", Shape("impressions", "a.json", _repeated("[", unit, f"{last}]"))
        field = _repeated(f'{_IMPRESSION},"x":[', unit, f"{last}]}}", _SIZE)
        yield f"json-field-{name}", Shape("impressions", "a.json", field)
        yield f"json-envelope-{name}", Shape("impressions", "a.json", _repeated('{"data":[', unit, f"{last}]}}"))
        field = _repeated(f'{_BID},"targeting":{{"a":[', unit, f"{last}]}}}}\n", _MIB - 2**10)
        yield f"bid-targeting-{name}", Shape("bids", "a.ndjson", _times(field, 4))
        field = _repeated(f'{_IMPRESSION},"timestamp":[', unit, f"{last}]}}\n", _MIB - 2**10)
        yield f"impression-time-{name}", Shape("impressions", "a.ndjson", _times(field, 4))
        yield f"json-lines-{name}", Shape("impressions", "a.ndjson", _repeated("", f"{last}\n"))
    yield "json-deep", Shape("impressions", "a.json", _repeated("", "[", "]" * (_MIB), 2 * _MIB))
    yield "json-deep-objects", Shape("impressions", "a.json", _repeated("", '{"a":', "1"))
    yield "json-keys", Shape("impressions", "a.json", _numbered(f"{_IMPRESSION},", '"%d":1,', '"z":1}', _SIZE))
    yield "json-same-keys", Shape("impressions", "a.json", _repeated(f"{_IMPRESSION},", '"a":1,', '"z":1}', _SIZE))
    for feed, name in (("impressions", "json"), ("bids", "bid")):
        around = _numbered('{"data":[{}],', '"%d":1,', '"z":1}', _ENVELOPE)
        yield f"{name}-envelope-keys", Shape(feed, "a.json", around)
        lists = _numbered('{"data":[{}],', '"%d":[{}],', '"z":1}', _ENVELOPE)
        yield f"{name}-envelope-lists", Shape(feed, "a.json", lists)
        inside = _repeated('{"data":[{}],"x":[', "[],", "[]]}", _ENVELOPE)
        yield f"{name}-envelope-inside", Shape(feed, "a.json", inside)
    surrogates = _repeated(f'{_IMPRESSION},"x":"', "\\ud800", '"}', _ENVELOPE)
    yield "json-surrogates", Shape("impressions", "a.json", surrogates)
    yield (
        "json-open-line",
        Shape("impressions", "a.ndjson", _repeated(f'{_IMPRESSION},"x":"', "y", "\n{}\n", 6 * _SIZE)),
    )
    keys = _numbered(f'{_BID},"targeting":{{', '"%d":1,', '"z":1}}\n', _MIB)
    yield "bid-targeting-keys", Shape("bids", "a.ndjson", _times(keys, 4))
    imps = _repeated(f'{_BID},"imp":[', "{},", "{}]}\n", _MIB - 2**10)
    yield "bid-impressions", Shape("bids", "a.ndjson", _times(imps, 4))


def _times(parts: Callable[[], Iterator[bytes]], number: int) -> Callable[[], Iterator[bytes]]:
    return lambda: (part for _ in range(number) for part in parts())


def _csv_shapes() -> Iterator[tuple[str, Shape]]:
    texts = {
        "header-commas": (_HEADER, ",", f"\n{_CLICK}\n"),
        "header-names": (_HEADER, ",ab", f"\n{_CLICK}\n"),
        "row-commas": (f"{_HEADER}\n{_CLICK}", ",", "\n"),
        "row-cells": (f"{_HEADER}\n{_CLICK}", ",ab", "\n"),
        "row-quoted-cells": (f"{_HEADER}\n{_CLICK}", ',"ab"', "\n"),
        "no-header-commas": ("", ",", "\n"),
        "lines": (f"{_HEADER}\n{_CLICK}\n", "\n", ""),
        "leading-lines": ("", "\n", f"{_HEADER}\n{_CLICK}\n"),
        "returns": (f"{_HEADER}\n{_CLICK}\n", "\r", ""),
        "one-cell-lines": (f"{_HEADER}\n{_CLICK}\n", "a\n", ""),
        "quote-lines": (f"{_HEADER}\n{_CLICK}\n", '"\n', ""),
        "quoted-lines": (f'{_HEADER}\n{_CLICK},"', "\n", '"\n'),
        "quotes": (f'{_HEADER}\n{_CLICK},"', '""', '"\n'),
        "unclosed": (f'{_HEADER}\n{_CLICK},"', "x,\n", ""),
    }
    for name, (head, unit, tail) in texts.items():
        yield f"csv-{name}", Shape("clicks", "a.csv", _repeated(head, unit, tail, _SIZE))
    names = _numbered(_HEADER, ",c%d", f"\n{_CLICK}\n", _SIZE)
    yield "csv-header-distinct", Shape("clicks", "a.csv", names)
    rows = _repeated(f"{_HEADER},{','.join(f'c{n}' for n in range(10_000))}\n", f"{_CLICK}{',' * 10_000}\n")
    yield "csv-wide-rows", Shape("clicks", "a.csv", rows)


def _other_shapes() -> Iterator[tuple[str, Shape]]:
    for case in ("ints", "records", "wide", "small", "texts"):
        yield f"avro-{case}", Shape("bids", "a.avro", _avro(case))
    for case in ("columns", "nulls", "lists"):
        yield f"parquet-{case}", Shape("clicks", "a.parquet", _parquet(case))
    yield "zip-members", Shape("impressions", "a.zip", _zip(60_000))


SHAPES = dict([*_json_shapes(), *_csv_shapes(), *_other_shapes()])


def write(name: str, folder: str) -> None:
    """Write the file of a shape into a folder."""
    with Path(folder, SHAPES[name].name).open("wb") as file:
        file.writelines(SHAPES[name].parts())


def measure(name: str, place: str) -> dict[str, Any]:
    """Ingest and process a shape; only what every version of the package has is called."""
    # imported here: the process that prints the results measures nothing itself
    from advertisex.ingestion.ingest import ingest  # noqa: PLC0415
    from advertisex.logs.sqlite.log import SqliteLog  # noqa: PLC0415
    from advertisex.processing.runner import process_log  # noqa: PLC0415
    from advertisex.stores.duckdb.store import DuckdbStore  # noqa: PLC0415

    shape, folder = SHAPES[name], Path(place)

    def run(path: Path) -> tuple[int, int, int, str]:
        with tempfile.TemporaryDirectory() as data, SqliteLog(Path(data, "log.db")) as log:
            before = peak_mib()
            published = ingest(shape.feed, str(path), log)
            ingested = peak_mib()
            with DuckdbStore(Path(data, "store.duckdb")) as store:
                process_log(log, store)
        failure = str(published.failures[0]) if published.failures else ""
        return published.messages, ingested - before, peak_mib() - ingested, failure

    small = folder / ("small.csv" if shape.feed == "clicks" else "small.ndjson")
    small.write_text(f"{_HEADER}\n{_CLICK}\n" if shape.feed == "clicks" else f"{_IMPRESSION}}}\n{_BID}}}\n")
    run(small)
    started = time.perf_counter()
    messages, ingest_mib, process_mib, failure = run(folder / shape.name)
    return {
        "shape": name,
        "mib": (folder / shape.name).stat().st_size / _MIB,
        "messages": messages,
        "ingest_mib": ingest_mib,
        "process_mib": process_mib,
        "seconds": time.perf_counter() - started,
        "failure": failure.replace(str(folder), "")[:160],
    }


def main() -> None:
    """Run the benchmark; print the results as a table and as JSON."""
    parser = parser_of(__doc__)
    parser.add_argument("--only", action="append", metavar="PREFIX", help="shapes; repeatable (default: all)")
    args = parser.parse_args()
    if is_child(args, write, measure):
        return
    print(machine())
    results = []
    package = (args.against or ROOT).resolve()
    for name in SHAPES:
        if args.only and not name.startswith(tuple(args.only)):
            continue
        with tempfile.TemporaryDirectory() as folder:
            run_in_child("bench.limits", ["--write", name, folder])
            try:
                printed = run_in_child("bench.limits", ["--measure", name, folder], package=package)
                results.append(json.loads(printed.splitlines()[-1]))
                one = results[-1]
            except subprocess.CalledProcessError as error:
                print(f"  {name:28} ended with status {error.returncode}", flush=True)
                continue
        print(
            f"  {name:28} {one['mib']:6.1f} MiB, {one['messages']:>9,} messages, ingest +{one['ingest_mib']:>5,} MiB, "
            f"process +{one['process_mib']:>5,} MiB, {one['seconds']:6.1f} s {one['failure']}",
            flush=True,
        )
    print(json.dumps(results))


if __name__ == "__main__":
    main()

"""The reader on inputs that nobody in this project wrote, and on the field cases."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from advertisex.ingestion.mapping import FieldMapping
from tests.ingestion.json_inputs import read

_LIMITED = """
import re, sys
from pathlib import Path
from advertisex.feeds import FEEDS
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import read_file
for name in sys.argv[1:]:
    (one,) = read_file(Path(name), FEEDS["impressions"], IngestOptions())
    print(sum(len(chunk.records) for chunk in one.reader.chunks()))
# not ru_maxrss, which survives the start of a program
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.parametrize(("name", "feed", "count"), [("firehose.json", "impressions", 5), ("deep.json", "bids", 1)])
def test_objects_are_whole(name: str, feed: str, count: int, shared_data) -> None:
    text = (shared_data("field_cases") / name).read_bytes()
    seen = read(text, feed)
    assert len(seen.values) == count
    assert b"".join(map(bytes, seen.values)) == text.strip()  # type: ignore[arg-type]


def test_an_array_a_line(shared_data) -> None:
    seen = read((shared_data("field_cases") / "arrlines.ndjson").read_bytes())
    assert [json.loads(value)["user_id"] for value in seen.values] == ["h1", "h2", "h3"]
    assert seen.lines == [1, 1, 2]


def test_one_user_around_several_events(shared_data, ingested) -> None:
    columns = {"name": "conversion_type", "params.campaign_id": "campaign_id"}
    columns |= {"params.value": "value", "params.currency": "currency"}
    seen = ingested(
        "clicks",
        shared_data("field_cases") / "ga4.json",
        records="events",
        inherit={"client_id": "user_id", "timestamp_micros": "timestamp"},
        mapping=FieldMapping(columns),
    )
    around = {"user_id": "1234567.8901", "timestamp": "1767603600000000", "campaign_id": "k1"}
    events = [{k: v for k, v in json.loads(m).items() if k != "params"} for m in seen.messages]
    assert events == [
        {**around, "conversion_type": "purchase", "value": 12.5, "currency": "EUR"},
        {**around, "conversion_type": "click"},
    ]


def test_the_json_test_suite(shared_data) -> None:
    files = sorted(shared_data("json_test_suite").glob("*.json"))
    assert len(files) > 250
    for file in files:
        text = file.read_bytes()
        whole, parts = read(text), read(text, block=64)
        assert whole.values == parts.values, file.name
        if file.name.startswith("y_"):
            assert all(isinstance(value, bytes) for value in whole.values), file.name
            assert whole.failure is None
        if file.name.startswith("y_object"):
            assert [json.loads(value) for value in whole.values] == [json.loads(text)], file.name


def test_any_file_is_read_and_each_row_is_counted(shared_data) -> None:
    files = sorted(path for path in shared_data("duckdb_csv_json").glob("json/**/*") if path.is_file())
    assert len(files) > 30
    for file in files:
        text = file.read_bytes()
        read(gzip.decompress(text) if file.suffix == ".gz" else text)  # checks the number of rows


def test_real_requests_stay_whole(shared_data, ingested) -> None:
    folder = shared_data("openrtb_prebid")
    files = sorted(folder.rglob("*.json"))
    messages = ingested("bids", folder).messages
    assert len(messages) == len(files) == 251
    for file, message in zip(files, messages, strict=True):
        text = file.read_bytes().removeprefix(b"\xef\xbb\xbf").strip()
        assert message == text or message.endswith(b"\n" + text)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded_by_neither_bytes_nor_objects(tmp_path: Path) -> None:
    event = b'{"user_id":"u","timestamp":1,"creative_id":"c"}'
    texts = {
        "numbers": (b"[" + b"1," * 3_000_000 + b"1]", 3_000_001),
        "empty": (b"[" + b"{}," * 1_000_000 + b"{}]", 1_000_001),
        "envelope": (b'{"data":[' + (event + b",") * 400_000 + event + b"]}", 400_001),
        "deep": (b"[" * 1_000_000 + b"]" * 1_000_000, 0),
    }
    for name, (text, _) in texts.items():
        (tmp_path / name).with_suffix(".json.gz").write_bytes(gzip.compress(text, 1))
    files = [str((tmp_path / name).with_suffix(".json.gz")) for name in texts]
    run = subprocess.run([sys.executable, "-c", _LIMITED, *files], capture_output=True, text=True, check=True)
    *counts, megabytes = map(int, run.stdout.split())
    assert counts == [count for _, count in texts.values()]
    assert megabytes < 200

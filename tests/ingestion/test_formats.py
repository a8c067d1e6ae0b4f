"""Every format, from every place, gives the same messages."""

import gzip
import io
import json
import random
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.formats import detect_format
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.publish import Published
from advertisex.ingestion.read import read_file, reader_of
from advertisex.ingestion.stream import Stream, open_file
from advertisex.logs.sqlite.log import SqliteLog
from tests.budget import examples

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CLICKS = FEEDS["clicks"]
ROWS = [{"user_id": f"u{n}", "timestamp": "2026-01-05 09:00:00", "campaign_id": f"k{n % 3}"} for n in range(200)]
SKIPPABLE = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"


def as_csv() -> bytes:
    lines = [",".join(ROWS[0]), *(",".join(row.values()) for row in ROWS)]
    return "\n".join(lines).encode() + b"\n"


def as_avro() -> bytes:
    fields = [{"name": name, "type": "string"} for name in ROWS[0]]
    file = io.BytesIO()
    fastavro.writer(file, {"type": "record", "name": "C", "fields": fields}, ROWS, sync_interval=500)
    return file.getvalue()


def as_parquet() -> bytes:
    file = io.BytesIO()
    pl.DataFrame(ROWS).write_parquet(file, row_group_size=70)
    return file.getvalue()


def as_xlsx() -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        for number, cells in enumerate([list(ROWS[0]), *(list(row.values()) for row in ROWS)]):
            sheet.write_row(number, 0, cells)
    return file.getvalue()


#: Extension -> content, and the format of its reading.
CONTENTS: dict[str, tuple[bytes, str]] = {
    "csv": (as_csv(), "csv"),
    "json": (json.dumps(ROWS).encode(), "json"),
    "ndjson": (b"".join(json.dumps(row).encode() + b"\n" for row in ROWS), "ndjson"),
    "avro": (as_avro(), "avro"),
    "parquet": (as_parquet(), "parquet"),
    "xlsx": (as_xlsx(), "xlsx"),
}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".zst": zstd.compress,
    ".gz of two members": lambda data: gzip.compress(data[:777]) + gzip.compress(data[777:]),
    ".zst of two frames": lambda data: SKIPPABLE + zstd.compress(data[:777]) + SKIPPABLE + zstd.compress(data[777:]),
}
PLACES = ("file", "stdin", "url", "zip", "zip from stdin", "zip from url")


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", CONTENTS)
def test_every_format_from_every_place(tmp_path: Path, ingested, server, answer, kind: str, place: str) -> None:
    content, _ = CONTENTS[kind]
    name, options = f"clicks.{kind}", {}
    if place.startswith("zip"):
        name, content = "clicks.zip", zipped(name, content)
    elif place == "stdin" and kind == "csv":
        options = {"format": "csv"}
    if place.endswith("stdin"):
        seen = ingested("clicks", "-", stdin=io.BytesIO(content), **options)
    elif place.endswith("url"):
        server.answers = [answer(content, headers={"Content-Type": "text/csv"} if kind == "csv" else {})]
        seen = ingested("clicks", f"{server.url}/{name}")
    else:
        (tmp_path / name).write_bytes(content)
        seen = ingested("clicks", tmp_path / name)
    assert seen.failures == []
    assert [json.loads(message) for message in seen.messages] == ROWS


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", CONTENTS)
def test_every_format_in_every_compression(tmp_path: Path, ingested, kind: str, compression: str) -> None:
    content, _ = CONTENTS[kind]
    path = tmp_path / f"clicks.{kind}{compression.partition(' ')[0]}"
    path.write_bytes(COMPRESSIONS[compression](content))
    seen = ingested("clicks", path)
    assert seen.failures == []
    assert [json.loads(message) for message in seen.messages] == ROWS


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_reading_names_the_format_and_counts_the_rows(tmp_path: Path, kind: str) -> None:
    content, expected = CONTENTS[kind]
    path = tmp_path / f"x.{kind}"
    path.write_bytes(content)
    (one,) = read_file(path, CLICKS, IngestOptions())
    messages = sum(len(chunk.records) for chunk in one.reader.chunks())
    reading = one.reader.reading
    assert messages == len(ROWS)
    assert reading.format == expected
    assert reading.rows == messages + reading.skipped.total()


@pytest.mark.parametrize("kind", CONTENTS)
def test_an_empty_input_has_no_format(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    path.touch()
    with open_file(path) as stream:
        reader = reader_of(stream, CLICKS, IngestOptions())
        assert list(reader.chunks()) == []
    assert reader.reading.format == ""


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("compression", [".gz", ".zst"])
def test_a_truncated_file_is_reported_and_what_was_read_is_kept(
    tmp_path: Path, ingested, kind: str, compression: str
) -> None:
    noise = random.Random(1).randbytes(2**17) if kind in {"csv", "ndjson"} else b""
    whole = COMPRESSIONS[compression](CONTENTS[kind][0] + noise.hex().encode())
    path = tmp_path / f"clicks.{kind}{compression}"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    seen = ingested("clicks", path)
    assert "truncated" in str(seen.failures[0])
    assert "Traceback" not in str(seen.failures[0])
    if noise:
        assert [json.loads(message) for message in seen.messages[: len(ROWS)]] == ROWS


@pytest.mark.parametrize("kind", ["avro", "parquet", "xlsx"])
def test_a_damaged_file_is_an_error_of_that_file(tmp_path: Path, ingested, kind: str) -> None:
    content, _ = CONTENTS[kind]
    (tmp_path / "a.csv").write_bytes(as_csv())
    (tmp_path / f"b.{kind}").write_bytes(content[: len(content) // 2])
    (tmp_path / f"c.{kind}").write_bytes(content)
    seen = ingested("clicks", tmp_path)
    (failure,) = seen.failures
    assert f"b.{kind}" in str(failure)
    assert len([m for m in seen.messages if b"unreadable" not in m]) >= 2 * len(ROWS)


def detected(content: bytes, name: str, requested: str | None = None, **more: Any) -> str | None:
    return detect_format(Stream(io.BytesIO(content), name), requested, **more)


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b'{"a":1}', "x.csv", "json"),
        (b'\n [ {"a":1}]', "x.csv", "json"),
        (b'\x1e{"a":1}\n', "x", "json"),
        (b"[]", "x", "json"),
        (b"{}", "x.csv", "json"),
        (b'[\n\n  "a"]', "x.csv", "json"),
        (b"[user_id],[timestamp]\n1,2\n", "x.csv", "csv"),
        (b"[true_id],[timestamp]\n1,2\n", "x.csv", "csv"),
        (b"{user_id},b\n1,2\n", "x.csv", "csv"),
        (b'{"a":1}\n', "x.ndjson", "ndjson"),
        (b"\xef\xbb\xbf\xef\xbb\xbf[1]", "x.csv", "json"),
        ('{"a":1}'.encode("utf-16"), "x", "json"),
        ('{"a":1}'.encode("utf-16-be"), "x", "json"),
        ("user_id,b".encode("utf-16"), "x.csv", "csv"),
        (b"PAR1,user_id\n1,2\n", "x.csv", "csv"),
        (as_parquet(), "x.csv", "parquet"),
        (as_xlsx(), "x.csv", "xlsx"),
        (as_avro(), "x.json", "avro"),
        (b"\xc3\x01\x00", "x", "datum"),
        (b"7\n8\n", "x", "ndjson"),
        (b"", "x", None),
    ],
)
def test_the_content_shows_the_format_before_the_name(content: bytes, name: str, kind: str | None) -> None:
    assert detected(content, name) == kind


@pytest.mark.parametrize(
    ("content", "is_csv"),
    [
        (b"User Id;timestamp\nu1;2026-01-05 09:00:00\n", True),
        (b'"user_id"\t"campaign"\r\n', True),
        (b"user_id\nu1\n", False),
        (b"a,b\n1,2\n", False),
    ],
)
def test_a_known_header_shows_csv_without_a_name(content: bytes, is_csv: bool, ingested) -> None:
    seen = ingested("clicks", "-", stdin=io.BytesIO(content))
    assert len(seen.failures) == (not is_csv)
    assert all("could not detect the format" in str(failure) for failure in seen.failures)


def test_what_the_source_declares_comes_before_the_name() -> None:
    assert detected(b"user_id,b\n", "https://h/x.json", fallback="csv") == "csv"
    assert detected(b'{"a":1}', "https://h/x", fallback="csv") == "json"


def test_the_format_of_the_user_must_not_contradict_the_content() -> None:
    assert detected(b'{"a":1}', "x.json", "csv") == "csv"
    assert detected(b"\xc3\x01\x00", "x", "avro") == "datum"
    with pytest.raises(SourceError, match="the content is Parquet, not csv"):
        detected(as_parquet(), "x", "csv")
    with pytest.raises(SourceError, match="a zip archive or an Excel workbook, not json"):
        detected(as_xlsx(), "x", "json")


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(
        SourceError, match=r"could not detect the format .x.;.*json, ndjson, csv, avro, parquet or xlsx"
    ):
        detected(b"some text\n", "x")


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-32-le", "shift_jis"])
def test_json_in_the_encoding_that_the_user_names(tmp_path: Path, ingested, encoding: str) -> None:
    city = "東京" if encoding == "shift_jis" else "Köln"
    path = tmp_path / "x.json"
    path.write_bytes(json.dumps([{"user_id": city}], ensure_ascii=False).encode(encoding))
    seen = ingested("impressions", path, dialect=CsvDialect(encoding=encoding))
    assert [json.loads(message) for message in seen.messages] == [{"user_id": city}]


def test_json_that_is_not_in_its_encoding_is_never_altered_silently(tmp_path: Path, ingested) -> None:
    path = tmp_path / "x.ndjson"
    path.write_bytes(b'{"a":"\x81\xff"}\n{"a":"b"}\n')
    first, second = ingested("impressions", path, dialect=CsvDialect(encoding="shift_jis")).messages
    with pytest.raises(UnicodeDecodeError):
        first.decode()
    assert json.loads(second) == {"a": "b"}


def followed(log: SqliteLog, source: str, expected: int) -> tuple[Published, list[SourceError]]:
    """Follow a source until a number of messages is appended; give up after a minute."""
    failures: list[SourceError] = []
    stop = threading.Event()
    timer = threading.Timer(60, stop.set)
    timer.start()

    def on_progress(messages: int, size: int) -> None:
        if messages >= expected:
            stop.set()

    options = IngestOptions(follow=True, every=0.01, api=ApiOptions(retry_wait=0.01))
    published = ingest(CLICKS, source, log, options, on_progress, on_failure=failures.append, stop=stop)
    timer.cancel()
    assert published.messages == expected
    return published, failures


def test_a_response_that_is_an_archive_is_followed(server, answer, log) -> None:
    others = as_csv().replace(b"u", b"v").replace(b"vser", b"user")  # the records of the first response would be seen
    server.answers = [answer(zipped("a.csv", as_csv())), answer(status=500), answer(zipped("b.csv", others))]
    published, failures = followed(log, server.url, 2 * len(ROWS))
    assert list(published.sources) == [f"{server.url}/a.csv", server.url, f"{server.url}/b.csv"]
    assert len(failures) == 1


def test_the_files_of_a_folder_in_every_format_are_followed(tmp_path: Path, log) -> None:
    for kind, (content, _) in CONTENTS.items():
        (tmp_path / f"a.{kind}").write_bytes(content)
        (tmp_path / f"{kind}.zip").write_bytes(zipped(f"b.{kind}", content))
    _, failures = followed(log, str(tmp_path), 2 * len(CONTENTS) * len(ROWS))
    assert failures == []


BINARY = {kind: CONTENTS[kind][0] for kind in ("avro", "xlsx")} | {"zip": zipped("a.csv", as_csv())}


@pytest.mark.parametrize("kind", BINARY)
@settings(max_examples=examples(40))
@given(data=st.data())
def test_no_damage_is_more_than_an_error_of_the_source(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    content = bytearray(BINARY[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(max(0, len(content) - 60), len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / f"x.{kind}"
    path.write_bytes(content)
    for one in read_file(path, CLICKS, IngestOptions()):
        with suppress(SourceError):
            for _ in one.reader.chunks():
                pass

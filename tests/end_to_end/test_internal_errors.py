"""An unexpected exception of a reader costs its input; the others are read."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from advertisex.errors import SourceError
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.json.reader import JsonReader
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.records import Chunk
from advertisex.ingestion.zip_archive import Archive
from advertisex.testing import memory_log
from tests.end_to_end.conftest import Cli

CSV = b"user_id,timestamp,campaign_id\nu,2026-01-05 09:00:00,c\n"


def broken(self: Any, *_: Any) -> Iterator[Chunk]:
    raise TypeError("'int' object is not subscriptable")
    yield


def broken_encoder(self: Encoder, records: list[Any]) -> list[bytes]:
    if isinstance(records[0], bytes):
        raise KeyError("name")
    return [b"message" for _ in records]


def unopened(self: Any, *_: Any) -> None:
    raise AttributeError("no attribute")


@pytest.fixture(params=["reader", "encoder", "archive"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an input whose reading raises an unexpected exception, between two others."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "a.csv").write_bytes(CSV)
    (inputs / "b.json").write_bytes(b"PK\x03\x04" if request.param == "archive" else b'{"a":1}\n{"a":2}\n')
    (inputs / "c.csv").write_bytes(CSV.replace(b"u,", b"v,"))
    match request.param:
        case "reader":
            monkeypatch.setattr(JsonReader, "chunks", broken)
        case "encoder":
            monkeypatch.setattr(Encoder, "messages", broken_encoder)
        case _:
            monkeypatch.setattr(Archive, "__init__", unopened)
    return inputs


def test_ingest_reads_the_other_inputs(folder: Path, cli: Cli) -> None:
    ended = cli("ingest", "clicks", folder, "--json")
    assert ended.code == 1
    assert ended.document["messages"] == 2
    (error,) = ended.err.splitlines()
    assert error.startswith("error: could not read the input: internal error (")
    assert f"({folder / 'b.json'}); please report it" in error


def test_the_report_of_a_broken_input_is_part_of_the_result(folder: Path) -> None:
    failures: list[SourceError] = []
    with memory_log() as log:
        published = ingest("clicks", str(folder), log, on_failure=failures.append)
    assert {Path(name).name for name in published.inputs} == {"a.csv", "b.json", "c.csv"}


def test_debug_shows_the_traceback(folder: Path, cli: Cli) -> None:
    assert "Traceback" in cli("ingest", "clicks", folder, "--debug").err


@pytest.mark.parametrize("names", [["."], ["b.json", "a.csv", "c.csv"]])
def test_the_others_are_followed(folder: Path, names: list[str]) -> None:
    failures: list[SourceError] = []
    stop = Event()
    if names != ["."]:
        for name in names:
            (folder / name).rename(folder.parent / name)
    sources = [str(folder)] if names == ["."] else [str(folder.parent / name) for name in names]

    def on_progress(messages: int, size: int) -> None:
        if messages == 2 and failures:
            stop.set()

    def on_failure(error: SourceError) -> None:
        failures.append(error)
        if sum(log.end_offsets().values()) == 2:
            stop.set()

    with memory_log() as log:
        options = IngestOptions(follow=True, every=0.01)
        published = ingest("clicks", sources, log, options, on_progress, on_failure, stop)
    assert published.messages == 2
    assert {Path(name).name for name in published.inputs} == {"a.csv", "b.json", "c.csv"}
    assert [error.what.partition("(")[0] for error in failures] == ["could not read the input: internal error "]

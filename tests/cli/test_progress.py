"""Progress of long commands: on stderr, if it is a terminal that can show it, and nobody wants a document in a pipe."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from advertisex.cli.output import err
from advertisex.cli.process_workers import following
from advertisex.cli.progress import Bar, progress
from advertisex.errors import StoreError
from advertisex.simulator import SimulationSettings, write_files
from tests.cli.conftest import commands_in, run
from tests.cli.terminal import terminal

_CODE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

#: Long commands, in an order in which each has something to do, and what they show.
LONG = {
    "ingest impressions impressions.ndjson": r"ingesting impressions .* [\d.]+ kB/[\d.]+ kB",
    "ingest bids bids.avro": r"ingesting bids .* [\d.]+ kB/[\d.]+ kB",
    "process": r"processing .* 980/980",
    "catalogue import catalogue.csv": r"importing 220 rows",
    "analyze reach": r"reading impressions .* 0/\d+",
    "rejects export --to rejects.csv": r"exporting .* (\d+)/\1",
    "rejects replay --reason bad_timestamp --yes": r"replaying .* (\d+)/\1",
    "erase u12345678 --yes": r"erasing .* [\d,]+/[\d,]+",
    "rebuild --yes": r"rebuilding .* [\d,]+/[\d,]+",
    "doctor --deep": r"verifying the store .* \d+/\d+",
    "simulate --events 1000 --out simulated": r"simulating .* 1,000/1,000",
    "demo --events 1000": r"process .* [\d,]+/1,000",
}


def shown(monkeypatch: pytest.MonkeyPatch, width: int, command: str) -> str:
    """Run a command with stderr as the terminal, and return what is written to it."""
    with terminal(width, 2) as written:
        monkeypatch.setattr(err, "is_interactive", True)  # as found at the start of a process
        assert run(*command.split()) == 0
    return _CODE.sub("", written.text.replace("\x1b[2K", "\r"))  # which erases a line


def test_long_commands_show_how_far_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, SimulationSettings(events=1_000))
    (tmp_path / "advertisex.toml").unlink()
    with commands_in(tmp_path):
        for command, expected in LONG.items():
            text = shown(monkeypatch, 80, command)
            assert re.search(expected, text), f"{command}: {text}"
            assert max(map(len, re.split(r"[\r\n]", text))) <= 80 or "warning" in text


@pytest.mark.parametrize(("term", "command"), [("dumb", "analyze reach"), ("xterm", "analyze reach --json")])
def test_no_progress_is_shown_to_a_program(
    term: str, command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    assert shown(monkeypatch, 80, command) == ""


def test_no_progress_is_written_to_a_pipe(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("analyze", "reach")
    assert capfd.readouterr().err == ""


class SharedStore:
    """A store to which other processes commit: at each look three messages more are in its ledger, up to 40."""

    def __init__(self) -> None:
        self._looks, self._openings = count(1), count(1)
        self.complete = Event()

    @contextmanager
    def open(self) -> Iterator[Any]:
        if next(self._openings) == 1:
            raise StoreError("the store does not respond")
        yield self

    def ledger(self) -> list[Any]:
        look = next(self._looks)
        if look == 5:
            raise StoreError("the store does not respond")
        if look > 20:
            self.complete.set()
        return [SimpleNamespace(counts=SimpleNamespace(read=read)) for read in (10, min(3 * look, 30))]


def test_a_bar_follows_the_ledger_of_workers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, reached = SharedStore(), list[int]()

    class Kept(Bar):
        def reach(self, done: int) -> None:
            reached.append(done)
            super().reach(done)

    monkeypatch.setattr("advertisex.cli.progress.Bar", Kept)
    with terminal(80, 2) as written:
        monkeypatch.setattr(err, "is_interactive", True)
        with progress("processing", 30) as bar, following(bar, 10, store.open, seconds=0.001):
            assert store.complete.wait(60)

    assert reached[:4] == [3, 6, 9, 12]
    assert reached[4:7] == [18, 21, 24], "it goes on after the store could not be read"
    assert "30/30" in _CODE.sub("", written.text)


def test_the_ledger_is_not_read_for_a_bar_that_nobody_sees(folder: Path) -> None:
    before = set(threading.enumerate())

    with progress("processing", 30) as bar, following(bar, 0, SharedStore().open, seconds=0):
        assert set(threading.enumerate()) <= before

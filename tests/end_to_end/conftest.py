"""Runs the command line in this process, and captures its output and exit code."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from advertisex.cli.main import run


@dataclass(frozen=True)
class Ended:
    """Result of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document that it printed."""
        assert self.out, self.err
        return json.loads(self.out)


Cli = Callable[..., Ended]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """cli(*arguments): run `advertisex` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("LOG", "STORE", "DATA", "CATALOGUE", "MEMORY"):
        monkeypatch.delenv(f"ADVERTISEX_{name}", raising=False)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # restored afterwards
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["advertisex", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        printed = capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)

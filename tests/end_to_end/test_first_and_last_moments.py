"""Interrupts during startup, and output to a closed pipe."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.budget import some
from tests.end_to_end.conftest import Cli

ADVERTISEX = str(Path(sys.executable).with_name("advertisex"))
#: Replaces a module that the command imports; sends the signal during the import.
INTERRUPTS = "import os, signal, time; os.kill(os.getpid(), signal.{name}); time.sleep(60)"


def advertisex(*arguments: str, path: Path | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command; modules in the folder `path` shadow others."""
    paths = [str(path), os.environ.get("PYTHONPATH", "")] if path else []
    environment = os.environ | ({"PYTHONPATH": os.pathsep.join(filter(None, paths))} if path else {})
    return subprocess.run(
        [ADVERTISEX, *arguments], stderr=subprocess.PIPE, text=True, check=False, env=environment, timeout=60, **options
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("module", ["typer", "polars", "rich", "structlog"])
def test_an_interrupt_during_imports_ends_it_quietly(tmp_path: Path, module: str, name: str) -> None:
    (tmp_path / f"{module}.py").write_text(INTERRUPTS.format(name=name), encoding="utf-8")

    ended = advertisex("ledger", path=tmp_path, stdout=subprocess.PIPE)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.parametrize("command", [("ledger",), ("rejects", "list")])
def test_an_interrupt_of_a_command_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    for module in ("options", "rejects.listing"):
        monkeypatch.setattr(f"advertisex.cli.{module}.opened_store", interrupted)
    ended = cli(*command)
    assert (ended.code, ended.out, ended.err) == (130, "", "interrupted\n")


def test_a_signal_ignored_by_the_shell_does_not_end_it(tmp_path: Path) -> None:
    (tmp_path / "interrupts.py").write_text(INTERRUPTS.format(name="SIGINT").replace("60", "0"), encoding="utf-8")
    (tmp_path / "stamina.py").write_text("import interrupts; raise SystemExit(7)", encoding="utf-8")

    ended = advertisex(
        "ledger", path=tmp_path, stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip

    assert ended.returncode == 7


def test_the_entry_point_imports_no_heavy_module() -> None:
    """Until its handlers are installed, an interrupt prints a traceback."""
    program = "import sys, advertisex.cli.main; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "advertisex" in loaded
    assert not {"polars", "numpy", "pydantic", "typer", "rich", "httpx"} & set(loaded)


@pytest.mark.parametrize(
    "command",
    some([["--help"], ["--version"], ["rejects", "list", "--json"], ["rejects", "list"], ["ledger"], ["process"]], 3),
)
def test_a_closed_pipe_ends_it_quietly(tmp_path: Path, command: list[str]) -> None:
    assert advertisex("simulate", "--events", "2000", "--data", "data", cwd=tmp_path).returncode == 0
    assert advertisex("process", "--data", "data", cwd=tmp_path).returncode == 0
    reading, writing = os.pipe()
    os.close(reading)

    data = [] if command[0].startswith("--") else ["--data", "data"]
    ended = advertisex(*command, *data, cwd=tmp_path, stdout=writing)

    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_pipe_closed_by_head_ends_it_quietly(tmp_path: Path) -> None:
    assert advertisex("simulate", "--events", "20000", "--data", "data", cwd=tmp_path).returncode == 0
    assert advertisex("process", "--data", "data", cwd=tmp_path).returncode == 0

    listing = f"{ADVERTISEX} rejects list --limit 1000 --data data | head -1"
    ended = subprocess.run(["/bin/sh", "-c", listing], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert (ended.stdout, ended.stderr) == ("By feed, reason and hour of ingestion\n", "")

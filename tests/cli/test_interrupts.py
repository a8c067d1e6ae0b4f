"""An interrupt is not lost, wherever it comes."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from threading import Event

import pytest

from advertisex.cli import log_lines


def test_an_interrupt_during_a_finaliser_is_sent_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # restored afterwards
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    received = Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: received.set())

    class Interrupted:
        def __del__(self) -> None:
            raise KeyboardInterrupt(signal.SIGUSR1)

    try:
        log_lines.configure(False, service=False, debug=False)
        Interrupted()
        assert received.wait(30)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert capsys.readouterr().err == ""


KILLED = "os.kill(os.getpid(), signal.SIGTERM)\nfor _ in range(1000):\n    pass\n"


def ended(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    lines = f"import os, signal, sys\nsys.argv = ['advertisex', 'ledger']\n{script}\n"
    lines += "from advertisex.cli.main import run\nrun()\n"
    return subprocess.run([sys.executable, "-c", lines], cwd=folder, capture_output=True, text=True, check=False)


def test_an_interrupt_during_the_import_of_a_command_ends_it_at_once(tmp_path: Path) -> None:
    """A library that is being imported may replace the exception by another one, as pydantic does."""
    script = (
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'advertisex.cli.ledger':\n"
        "            try:\n"
        f"                exec({KILLED!r})\n"
        "            except BaseException as error:\n"
        "                raise ValueError('replaced') from error\n"
        "sys.meta_path.insert(0, Finder())"
    )
    done = ended(script, tmp_path)
    assert (done.returncode, done.stderr) == (130, "")


def test_an_interrupt_that_passes_through_exec_has_its_exit_code(tmp_path: Path) -> None:
    """Python ends itself by SIGINT after a KeyboardInterrupt in exec(), even if that was caught."""
    script = f"from advertisex.cli import reading\nreading.settings_of = lambda *_, **__: exec({KILLED!r})"
    done = ended(script, tmp_path)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_an_interrupt_that_a_library_replaces_is_reported_as_one(tmp_path: Path) -> None:
    script = (
        "from advertisex.cli import reading\n"
        "def fail(*_, **__):\n"
        "    try:\n"
        f"        exec({KILLED!r})\n"
        "    except BaseException as error:\n"
        "        raise ValueError('replaced') from error\n"
        "reading.settings_of = fail"
    )
    done = ended(script, tmp_path)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_a_second_interrupt_that_a_library_replaces_is_reported_as_one(tmp_path: Path) -> None:
    """The first one asks a command that follows to stop; DuckDB replaces the exception of the second one."""
    script = (
        "from advertisex.cli import reading\n"
        "from advertisex.cli.signals import stop_on_signals\n"
        "def fail(*_, **__):\n"
        "    with stop_on_signals() as stop:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        assert stop.wait(30)\n"
        "        try:\n"
        f"            exec({KILLED!r})\n"
        "        except BaseException as error:\n"
        "            raise RuntimeError('replaced') from error\n"
        "reading.settings_of = fail"
    )
    done = ended(script, tmp_path)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")

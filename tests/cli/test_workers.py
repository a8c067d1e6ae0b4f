"""How workers are started, replaced and ended: real processes, which a `sitecustomize` of ours ends at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Timer

import pytest

from advertisex.cli import workers
from advertisex.errors import INTERRUPTED, AdvertiseXError, StoreMissing

#: Each worker takes the next of the fates: KILL, an exit code, or LIVE.
FATED = """
import os, pathlib, signal, sys
if "advertisex.cli.worker" in sys.orig_argv:
    folder = pathlib.Path(__file__).parent
    for fate in sorted(folder.glob("fate-*")):
        try:
            fate.rename(folder / f"met-{fate.name}")
        except FileNotFoundError:  # another worker's
            continue
        says = (folder / f"met-{fate.name}").read_text()
        if says == "KILL":
            os.kill(os.getpid(), signal.SIGKILL)
        if says == "LIVE":
            (folder / f"pid-{os.getpid()}").touch()
            sys.stdin.read()
            (folder / "ended").touch()
            os._exit(0)
        if int(says):
            sys.stderr.write("a warning\\nerror: the same for all\\n")
            sys.stderr.flush()
        os._exit(int(says))
"""

Fate = Callable[..., None]


@pytest.fixture
def fates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fate:
    """fates(*what): of the workers, in the order in which they start."""
    (tmp_path / "sitecustomize.py").write_text(FATED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(workers, "_RESTART_SECONDS", 0.01)

    def write(*what: str | int) -> None:
        for number, fate in enumerate(what):
            (tmp_path / f"fate-{number:03}").write_text(str(fate))

    return write


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("fate-*"))


def run(count: int, ledger_state: Callable[[], object] = object, stop: Event | None = None) -> int:
    return workers.run_workers([["process"]] * count, stop or Event(), ledger_state).code


@pytest.mark.parametrize(
    "what",
    [
        ["KILL", "KILL", 0, 0],  # all together
        ["KILL", 0, 0],  # one has ended well, and the other is killed
        [0, "KILL", 0],
        ["KILL", "KILL", "KILL", 0, "KILL", 0],
    ],
)
def test_every_worker_that_is_killed_is_replaced(
    fates: Fate, tmp_path: Path, what: Sequence[str], capfd: pytest.CaptureFixture[str]
) -> None:
    fates(*what)
    assert run(2) == 0
    assert left(tmp_path) == []
    assert capfd.readouterr().err.count("was killed by SIGKILL; starting another") == what.count("KILL")


def test_workers_that_are_killed_again_and_again_are_given_up(fates: Fate, tmp_path: Path) -> None:
    fates(*["KILL"] * 20)
    with pytest.raises(AdvertiseXError, match=r"SIGKILL 1[01] times without progress in the ledger") as caught:
        run(2, ledger_state=lambda: "unchanged")
    assert "--batch-size" in caught.value.hint
    assert len(left(tmp_path)) in (9, 10), "the other may have been started just then"


def test_workers_that_are_killed_before_there_is_a_ledger_are_given_up_too(fates: Fate) -> None:
    def ledger_state() -> object:
        raise StoreMissing("nothing has been stored yet")

    fates(*["KILL"] * 20)
    with pytest.raises(AdvertiseXError, match="killed by SIGKILL 5 times"):
        run(1, ledger_state)


def test_workers_that_get_on_between_kills_are_started_again_and_again(fates: Fate, tmp_path: Path) -> None:
    fates(*["KILL"] * 24, 0, 0)
    assert run(2, ledger_state=time.monotonic) == 0
    assert left(tmp_path) == []


def test_an_error_that_workers_share_is_said_once_and_is_the_status(
    fates: Fate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fates(2, 2)
    assert run(2) == 2
    said = capfd.readouterr().err
    assert said.count("error: the same for all") == 1
    assert said.count("a warning") >= 1


def test_a_worker_that_is_left_is_asked_to_end_and_its_work_is_interrupted(fates: Fate, tmp_path: Path) -> None:
    fates("LIVE", "LIVE")
    stop = Event()

    def stop_when_both_live() -> None:
        while len(list(tmp_path.glob("pid-*"))) < 2:
            time.sleep(0.01)
        stop.set()

    timer = Timer(0, stop_when_both_live)
    timer.start()
    assert run(2, stop=stop) == INTERRUPTED
    timer.join()


PARENT = """
from threading import Event
from advertisex.cli.workers import run_workers
run_workers([["process"]], Event(), object)
"""


def test_a_worker_hears_that_its_parent_was_killed(fates: Fate, tmp_path: Path) -> None:
    fates("LIVE")
    with subprocess.Popen([sys.executable, "-c", PARENT], env=os.environ) as parent:
        until(lambda: bool(list(tmp_path.glob("pid-*"))))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until((tmp_path / "ended").exists)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("arguments", "second"),
    [
        (["process", "--workers", "3", "--follow"], ["process", "--follow"]),
        (["process", "--workers=3", "--metrics-port=9000"], ["process", "--metrics-port=9001"]),
        (["process", "--metrics-port", "0", "--workers", "3"], ["process", "--metrics-port=0"]),
        (["process", "--metrics-port", "9000", "--json"], ["process", "--metrics-port=9001", "--json"]),
    ],
)
def test_each_worker_has_the_command_without_the_workers_and_a_port_of_its_own(
    arguments: list[str], second: list[str]
) -> None:
    assert workers.command_of_worker(arguments, 1) == second

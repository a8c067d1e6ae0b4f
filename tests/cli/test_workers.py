"""Start, restart and shutdown of workers: real processes, which end as a `sitecustomize` module prescribes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, Timer

import pytest
from structlog.testing import capture_logs

from advertisex.cli import workers
from advertisex.cli.worker_process import Errors
from advertisex.errors import INTERRUPTED, AdvertiseXError, StoreMissing

#: Each worker takes the next prescribed end: KILL, an exit code, LIVE, WAIT (until it is stopped; it reports what it
#: waited for), or LOGGED (0 after an error in its log).
SITECUSTOMIZE = """
import os, pathlib, signal, sys
if "advertisex.cli.worker" in sys.orig_argv:
    folder = pathlib.Path(__file__).parent
    for end in sorted(folder.glob("end-*")):
        try:
            end.rename(folder / f"taken-{end.name}")
        except FileNotFoundError:  # taken by another worker
            continue
        how = (folder / f"taken-{end.name}").read_text()
        if how == "KILL":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "LOGGED":
            sys.stderr.write("error: could not write metrics; please report this bug\\n")
            sys.stderr.flush()
            os._exit(0)
        if how == "WAIT":
            def explain(*_):
                sys.stderr.write("interrupted: stopped while waiting to write to the store\\n")
                sys.stderr.flush()
                os._exit(130)
            signal.signal(signal.SIGTERM, explain)
            (folder / f"pid-{os.getpid()}").touch()
            while True:
                signal.pause()
        if how == "LIVE":
            (folder / f"pid-{os.getpid()}").touch()
            sys.stdin.read()
            (folder / "ended").touch()
            os._exit(0)
        if int(how):
            sys.stderr.write("a warning\\nerror: the same for all\\n")
            sys.stderr.flush()
        os._exit(int(how))
"""

PrescribeEnds = Callable[..., None]


@pytest.fixture
def prescribe_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PrescribeEnds:
    """prescribe_ends(*ends): how the workers end, in the order in which they start."""
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(*ends: str | int) -> None:
        for number, end in enumerate(ends):
            (tmp_path / f"end-{number:03}").write_text(str(end))

    return write


def remaining(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("end-*"))


def run(
    number: int, ledger_state: Callable[[], object] = object, stop: Event | None = None, *, follows: bool = False
) -> int:
    commands = [["process"]] * number
    return workers.run_workers(commands, stop or Event(), ledger_state, restart_seconds=0.01, follows=follows).code


@pytest.mark.parametrize(
    "ends",
    [
        ["KILL", "KILL", 0, 0],  # both
        ["KILL", 0, 0],  # one succeeds and the other is killed
        [0, "KILL", 0],
        ["KILL", "KILL", "KILL", 0, "KILL", 0],
    ],
)
def test_every_killed_worker_is_restarted(prescribe_ends: PrescribeEnds, tmp_path: Path, ends: Sequence[str]) -> None:
    prescribe_ends(*ends)
    with capture_logs() as logged:
        assert run(2) == 0
    assert remaining(tmp_path) == []
    restarted = [line for line in logged if "was killed by SIGKILL; starting another" in line["event"]]
    assert len(restarted) == ends.count("KILL")


def test_workers_that_are_killed_repeatedly_are_not_restarted_forever(
    prescribe_ends: PrescribeEnds, tmp_path: Path
) -> None:
    prescribe_ends(*["KILL"] * 20)
    with pytest.raises(AdvertiseXError, match=r"SIGKILL 1[01] times without progress in the ledger") as caught:
        run(2, ledger_state=lambda: "unchanged")
    assert "--batch-size" in caught.value.hint
    assert len(remaining(tmp_path)) in (9, 10), "the second worker may have just been started"


def test_workers_that_are_killed_before_a_ledger_exists_are_not_restarted_forever(
    prescribe_ends: PrescribeEnds,
) -> None:
    def ledger_state() -> object:
        raise StoreMissing("nothing has been stored yet")

    prescribe_ends(*["KILL"] * 20)
    with pytest.raises(AdvertiseXError, match="killed by SIGKILL 5 times"):
        run(1, ledger_state)


def test_workers_that_make_progress_between_kills_are_always_restarted(
    prescribe_ends: PrescribeEnds, tmp_path: Path
) -> None:
    prescribe_ends(*["KILL"] * 24, 0, 0)
    assert run(2, ledger_state=partial(next, count())) == 0
    assert remaining(tmp_path) == []


def test_an_error_common_to_all_workers_is_printed_once_and_sets_the_exit_code(
    prescribe_ends: PrescribeEnds, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    prescribe_ends(2, 2)
    assert run(2) == 2
    printed = capfd.readouterr().err
    assert printed.count("error: the same for all") == 1
    assert printed.count("a warning") >= 1


def test_an_error_in_the_log_of_a_worker_is_not_why_it_ended(
    prescribe_ends: PrescribeEnds, capfd: pytest.CaptureFixture[str]
) -> None:
    prescribe_ends("LOGGED", "LOGGED")

    ended = workers.run_workers([["process"]] * 2, Event(), object)

    assert ended == workers.Ended(0, interruption_explained=False)
    assert "error: could not write metrics" in capfd.readouterr().err


def test_a_worker_reports_why_it_was_interrupted() -> None:
    errors = Errors()
    for line in ("error: a", "interrupted\n"):
        errors.forward(line)
        assert not errors.interruption_explained

    errors.forward("interrupted: the store does not respond\n")

    assert errors.interruption_explained


@pytest.mark.parametrize(
    ("follows", "second", "code"),
    [(False, "LIVE", INTERRUPTED), (True, "LIVE", 0), (False, "WAIT", INTERRUPTED), (True, "WAIT", INTERRUPTED)],
)
def test_stopped_workers_count_as_interrupted_unless_they_follow_and_waited_for_nothing(
    prescribe_ends: PrescribeEnds, tmp_path: Path, follows: bool, second: str, code: int
) -> None:
    """One that is stopped before it begins has left nothing half done; one that waits for the store may have."""
    prescribe_ends("LIVE", second)
    stop = Event()

    def stop_when_both_live() -> None:
        while len(list(tmp_path.glob("pid-*"))) < 2:
            time.sleep(0.01)
        stop.set()

    timer = Timer(0, stop_when_both_live)
    timer.start()
    assert run(2, stop=stop, follows=follows) == code
    timer.join()


PARENT = """
from threading import Event
from advertisex.cli.workers import run_workers
run_workers([["process"]], Event(), object)
"""


def test_a_worker_ends_when_its_parent_is_killed(prescribe_ends: PrescribeEnds, tmp_path: Path) -> None:
    prescribe_ends("LIVE")
    with subprocess.Popen([sys.executable, "-c", PARENT], env=os.environ) as parent:
        until(lambda: bool(list(tmp_path.glob("pid-*"))))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until((tmp_path / "ended").exists)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in a minute"
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
def test_each_worker_gets_the_command_without_workers_and_its_own_metrics_port(
    arguments: list[str], second: list[str]
) -> None:
    assert workers.command_of_worker(arguments, 1) == [*second, workers.WORKER_FLAG]

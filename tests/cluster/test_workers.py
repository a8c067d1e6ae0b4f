"""`process --workers 2` on real servers, while the workers or their parent are killed."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.budget import thorough
from tests.cli.terminal import terminal
from tests.cluster.traffic import POLICY, Traffic, messages_read, wait_until

EVENTS = 20_000


@pytest.fixture
def traffic(make_cluster: Any) -> Traffic:
    published = Traffic(make_cluster(more=POLICY), events=EVENTS, seed=11)
    published.publish()
    with published.cluster.store(read_only=False):
        pass
    return published


@contextmanager
def started(traffic: Traffic, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start workers, and wait until they have stored a batch."""
    command = ("process", "--workers", 2, "--batch-size", 250, "--json", *more)
    with (
        traffic.cluster.store() as store,
        traffic.cluster.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent,
    ):
        try:
            wait_until(lambda: messages_read(store) > 0, "the first batch is stored")
            yield parent
        finally:
            parent.terminate()


def workers_of(parent: subprocess.Popen[bytes]) -> list[int]:
    threads = Path(f"/proc/{parent.pid}/task").iterdir()
    return [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@thorough
@pytest.mark.parametrize("victims", [1, 2])
def test_killed_workers_are_restarted_and_everything_is_stored_once(traffic: Traffic, victims: int) -> None:
    with started(traffic) as parent:
        found = workers_of(parent)
        assert len(found) == 2
        for pid in found[:victims]:
            os.kill(pid, signal.SIGKILL)
        out, err = parent.communicate(timeout=120)
    assert parent.returncode == 0, err.decode()
    assert err.count(b"was killed by SIGKILL; starting another") == victims
    assert json.loads(out)["balanced"] is True
    assert traffic.assert_stored_once().read == json.loads(out)["total"]["read"] == EVENTS


def test_workers_shut_down_cleanly_when_their_parent_is_killed(traffic: Traffic) -> None:
    with started(traffic, "--follow") as parent:
        orphans = workers_of(parent)
        parent.kill()
        parent.wait()
        wait_until(lambda: all(map(has_ended, orphans)), "the workers have ended")
    assert traffic.cluster.call("process")["total"]["read"] == EVENTS
    assert traffic.assert_stored_once().redelivered == 0, "the workers ended between commits"


@pytest.mark.parametrize(("more", "code"), [([], 130), (["--follow"], 0)])
def test_interrupted_workers_print_the_ledger_as_a_single_process_does(
    traffic: Traffic, more: list[str], code: int
) -> None:
    with started(traffic, *more) as parent:
        parent.send_signal(signal.SIGTERM)
        out, err = parent.communicate(timeout=120)
    assert parent.returncode == code
    assert {json.loads(line)["event"] for line in err.splitlines()} == ({"batch stored"} if more else set())
    ledger = json.loads(out)
    assert ledger["balanced"] is True
    assert 0 < ledger["total"]["read"] <= EVENTS
    assert traffic.cluster.call("process", "--workers", 2)["total"]["read"] == EVENTS
    assert traffic.assert_stored_once().redelivered == 0


def test_an_error_common_to_all_workers_is_printed_once(make_cluster: Any) -> None:
    cluster = make_cluster()
    with cluster.store(read_only=False):
        pass
    command = ("process", "--workers", 3)
    with cluster.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        out, err = parent.communicate(timeout=120)
    assert (parent.returncode, out) == (1, b"")
    assert err.startswith(b"error: topic not found: ")
    assert err.count(b"\n") == 1


def test_workers_show_how_far_they_are_on_a_terminal(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    command = ("process", "--workers", 2, "--batch-size", 2_500)
    with (
        terminal(100, 2) as written,
        traffic.cluster.start(*command, stdout=subprocess.DEVNULL) as parent,
    ):
        assert parent.wait(timeout=120) == 0
    assert re.search(r"processing .* [\d,]+/20,000", written.text), written.text

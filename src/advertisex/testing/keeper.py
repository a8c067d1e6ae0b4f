"""Keeps one server process, and never outlives the process that asked for it.

It runs as a small process of its own between the tests and the server: its standard input is a pipe that closes when
the tests end, however they end, and then it kills the server. Run by its path, with the standard library only, so that
it starts at once.

Commands, one a line on standard input: stop (SIGTERM), kill, pause (SIGSTOP), resume (SIGCONT). Each is answered by the
same word; pause when the server stands still.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SIGNALS = {
    "stop": signal.SIGTERM,
    "kill": signal.SIGKILL,
    "pause": signal.SIGSTOP,
    "resume": signal.SIGCONT,
}
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def say(word: str) -> None:
    """Tell the process that asked; it may be gone."""
    with contextlib.suppress(OSError):
        os.write(1, f"{word}\n".encode())


def first_line() -> bytes:
    """The order: not an argument, since it holds the environment, and every user can see arguments."""
    line = b""
    while not line.endswith(b"\n") and (received := os.read(0, 1 << 16)):
        line += received
    return line


def linux_prctl() -> Callable[[int, int], object] | None:
    """Linux's prctl, with which a process asks to be killed along with its parent."""
    if not sys.platform.startswith("linux"):
        return None
    prctl: Callable[[int, int], object] = ctypes.CDLL(None).prctl
    return prctl


def signal_group(group: int, number: int) -> bool:
    """Signal the server and all that it started; False when none of them is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def await_pause(pid: int) -> None:
    """Wait until every thread of the server has stopped, or until it has ended: a signal takes effect a bit later."""
    if hasattr(os, "waitid"):  # macOS has it since Python 3.13 only
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def outlast(group: int, number: int, within: float) -> None:
    """Signal what is left of the group until none is, for so many seconds at most."""
    deadline = time.monotonic() + within
    while signal_group(group, number) and time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):  # the server's own children come to us when it ends
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def obey(server: subprocess.Popen[bytes], parent: int) -> bool:
    """Pass commands on until the server has ended or the parent has; True when the server was last asked to stop."""
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    pending = b""
    stopping = False
    while server.poll() is None:
        ready, _, _ = select.select([0, ended], [], [], 1.0)
        if ended in ready:
            os.read(ended, 1024)
        if 0 in ready:
            received = os.read(0, 1024)
            if not received:
                return False
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                word = line.decode()
                stopping = word == "stop"
                signal_group(server.pid, SIGNALS[word])
                if word == "pause":
                    await_pause(server.pid)
                say(word)
        if os.getppid() != parent:
            return False
    return stopping


def main() -> None:
    """Start the server that the first line of standard input describes, and keep it."""
    order = json.loads(first_line())
    for number in (signal.SIGINT, signal.SIGHUP):  # the terminal's Ctrl-C is for the parent, which then tells us
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prctl = linux_prctl()
    if prctl:
        prctl(PR_SET_CHILD_SUBREAPER, 1)

    def die_with_keeper() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if prctl:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    with Path(order["output"]).open("ab") as output:
        server = subprocess.Popen(
            order["command"],
            env=order["environment"],
            cwd=order["folder"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_keeper,  # noqa: PLW1509  (this process has one thread)
            **({} if order["user"] is None else {"user": order["user"], "group": order["user"], "extra_groups": []}),
        )
    try:
        say(str(server.pid))
        if obey(server, order["parent"]):
            outlast(server.pid, 0, within=20)  # its children were asked too, and tidy up
    finally:
        outlast(server.pid, signal.SIGKILL, within=10)


if __name__ == "__main__":
    main()

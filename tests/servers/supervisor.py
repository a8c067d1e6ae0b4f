"""Supervisor process: runs one server and kills it as soon as the parent process ends, however that ends.

Its standard input is a pipe from the tests. When the pipe closes, because the tests ended, it kills the server. It is
run by path and imports only the standard library, so that it starts fast.

Commands, one per line on standard input: stop (SIGTERM), kill, pause (SIGSTOP), resume (SIGCONT). Each is acknowledged
by echoing the command; pause only once the server is suspended.
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


def reply(command: str) -> None:
    """Write a line to the parent, which may be gone."""
    with contextlib.suppress(OSError):
        os.write(1, f"{command}\n".encode())


def read_spec() -> bytes:
    """Read the specification of the server. Not an argument: it contains the environment, and `ps` shows arguments."""
    line = b""
    while not line.endswith(b"\n") and (received := os.read(0, 1 << 16)):
        line += received
    return line


def linux_prctl() -> Callable[[int, int], object] | None:
    """Linux's prctl, with which a process can have itself killed when its parent ends; None on other systems."""
    if not sys.platform.startswith("linux"):
        return None
    prctl: Callable[[int, int], object] = ctypes.CDLL(None).prctl
    return prctl


def signal_group(group: int, number: int) -> bool:
    """Signal the server and all its children; return False if none of them is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def wait_until_stopped(pid: int) -> None:
    """Wait until every thread of the server has stopped, or the server has ended; SIGSTOP is asynchronous."""
    if hasattr(os, "waitid"):  # macOS has it since Python 3.13 only
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def signal_until_gone(group: int, number: int, timeout: float) -> None:
    """Signal the process group repeatedly until it is gone, for at most `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while signal_group(group, number) and time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):  # orphans of the server are reparented to us
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def relay_commands(server: subprocess.Popen[bytes], parent: int) -> bool:
    """Relay commands until the server or the parent ends; return True if the last command was `stop`."""
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
                command = line.decode()
                stopping = command == "stop"
                signal_group(server.pid, SIGNALS[command])
                if command == "pause":
                    wait_until_stopped(server.pid)
                reply(command)
        if os.getppid() != parent:
            return False
    return stopping


def main() -> None:
    """Start the server specified on the first line of standard input, and supervise it."""
    spec = json.loads(read_spec())
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent handles Ctrl-C and then sends a command
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prctl = linux_prctl()
    if prctl:
        prctl(PR_SET_CHILD_SUBREAPER, 1)

    def die_with_supervisor() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if prctl:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    with Path(spec["output"]).open("ab") as output:
        server = subprocess.Popen(
            spec["command"],
            env=spec["environment"],
            cwd=spec["folder"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_supervisor,  # noqa: PLW1509 - this process has one thread
            **({} if spec["user"] is None else {"user": spec["user"], "group": spec["user"], "extra_groups": []}),
        )
    try:
        reply(str(server.pid))
        if relay_commands(server, spec["parent"]):
            signal_until_gone(server.pid, 0, timeout=20)  # the children got SIGTERM too; let them shut down
    finally:
        signal_until_gone(server.pid, signal.SIGKILL, timeout=10)


if __name__ == "__main__":
    main()

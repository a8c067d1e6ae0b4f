"""Starts commands in forked processes that have all modules imported already.

A forked process takes the arguments, folder, environment and streams of its client, see `client`, and runs `advertisex`
or a script. Warnings are errors in it.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import advertisex
from advertisex.cli.main import run
from tests.warm.client import PROGRAM

#: Packages that are imported where they are used.
_PACKAGES = (
    "apprise", "confluent_kafka.admin", "elasticsearch", "jinja2", "obstore.store", "plotly.graph_objects",
    "publicsuffixlist", "rich.table", "uvicorn",
)  # fmt: skip


def _import_all() -> None:
    """Import every module of ours, and the packages.

    None of ours may use Polars for more than expressions when it is imported: that starts threads of Polars, which a
    forked process does not have and would wait for.
    """
    for package in ("polars", "duckdb", *_PACKAGES):
        importlib.import_module(package)
    threads = _threads()
    for module in pkgutil.walk_packages(advertisex.__path__, "advertisex."):
        if module.name != "advertisex.__main__":
            importlib.import_module(module.name)
            assert _threads() == threads, f"{module.name} starts threads when it is imported"


def _threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _serve(listener: socket.socket) -> None:
    """Fork a process for each client; it returns only there, with the command still to run."""
    _import_all()
    gc.freeze()  # a process that ends would collect all of it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _attend(client)
            return
        client.close()


def _attend(client: socket.socket) -> None:
    """Fork the command of a client and report how it ended; it returns only in the command's process."""
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    with client.makefile("rw") as connection:
        request = json.loads(connection.readline())
        command = os.fork()
        if command == 0:
            _become(request, streams)
            client.detach()
            return
        for stream in streams:
            os.close(stream)
        connection.write(f"{command}\n")
        connection.flush()
        ended = os.pidfd_open(command)
        ready, _, _ = select.select([ended, client], [], [])
        if ended not in ready:  # the client was killed
            os.kill(command, signal.SIGKILL)
        _, status = os.waitpid(command, 0)
        connection.write(f"{os.waitstatus_to_exitcode(status)}\n")
        connection.flush()
    os._exit(0)


def _become(request: dict[str, Any], streams: list[int]) -> None:
    """Take the arguments, folder, environment and streams of a client."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = request["arguments"]
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


def _run() -> None:
    """Run the program or the script; end it like Python does, but without freeing each module."""
    code: Any = 0

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)  # the first one registered runs last
    try:
        if sys.argv[0] == PROGRAM:
            run()
        else:
            sys.path.insert(0, str(Path(sys.argv[0]).parent))
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        code = ended.code
        raise
    except BaseException:
        code = 1
        raise


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    _run()

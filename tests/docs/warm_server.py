"""Starts the commands of pages in forked processes that have the third-party packages imported already.

The pages run some three hundred commands, and importing packages is most of their cost. A forked process imports the
modules of AdvertiseX itself, with the arguments, folder, environment and streams of its client, see `warm_client`. So
it does what the program does. In the thorough run, and where `fork` is missing, the program itself runs.
"""

import importlib
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PACKAGES = (
    "ada_url", "apprise", "confluent_kafka.admin", "duckdb", "elasticsearch", "fastavro", "httpx", "jinja2", "msgspec",
    "numpy", "obstore.store", "plotly.graph_objects", "polars", "publicsuffixlist", "pydantic_settings", "rich.table",
    "stamina", "structlog", "typer", "xxhash",
)  # fmt: skip
_CLIENT = Path(__file__).with_name("warm_client.py")


@contextmanager
def warm_program(folder: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Serve commands meanwhile.

    Args:
        folder: a new folder, for the client and the socket.
        environment: environment of the server.

    Yields:
        What to add to the environment of a command: with it, `advertisex` is the client.
    """
    program = folder / "advertisex"
    program.write_text(f"#!{sys.executable} -IS\n{_CLIENT.read_text(encoding='utf-8')}", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    address = str(folder / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.docs.warm_server", str(listener.fileno())],
            env=environment | {"OPENBLAS_NUM_THREADS": "1"},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    try:
        yield {"PATH": f"{folder}{os.pathsep}{environment['PATH']}", "WARM_SERVER": address}
    finally:
        server.kill()
        server.wait()


def _serve(listener: socket.socket) -> None:
    """Fork a process for each client; it returns only there, with the command still to run."""
    for package in _PACKAGES:
        importlib.import_module(package)
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
    sys.argv = ["advertisex", *request["arguments"]]
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    from advertisex.cli.main import run

    run()

"""Starts commands in forked processes that have the third-party packages imported already.

A forked process imports the modules of AdvertiseX itself, with the arguments, folder, environment and streams of its
client, see `client`. So it does what the program does. Warnings are errors in it.
"""

import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

_PACKAGES = (
    "ada_url", "apprise", "confluent_kafka.admin", "duckdb", "elasticsearch", "fastavro", "httpx", "jinja2", "msgspec",
    "numpy", "obstore.store", "plotly.graph_objects", "polars", "publicsuffixlist", "pydantic_settings", "rich.table",
    "stamina", "structlog", "typer", "xxhash",
)  # fmt: skip


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

"""Runs a command in a process that the warm server forks, see `server`.

It takes the place of the `advertisex` program, or of Python for a script, and starts without any package. It passes its
arguments, folder, environment and standard streams, forwards signals, and ends like the command.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

#: What a client runs that bears its name; another one runs a script, its first argument.
PROGRAM = "advertisex"


def run(address: str) -> None:
    name = Path(sys.argv[0]).name
    arguments = [PROGRAM, *sys.argv[1:]] if name == PROGRAM else sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        request = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
        socket.send_fds(server, [b"?"], [0, 1, 2])
        with server.makefile("rw") as stream:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            child = int(stream.readline())
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda received, _: os.kill(child, received))
            status = int(stream.readline())
    if status < 0:  # ended by a signal
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)

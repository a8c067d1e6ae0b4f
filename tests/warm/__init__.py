"""The `advertisex` program for tests that run many commands: importing packages is most of what a command costs.

Tests that kill a command, or look at its process, start the real program.
"""

import atexit
import os
import socket
import stat
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.budget import THOROUGH
from tests.warm.client import PROGRAM

IS_WARM = sys.platform == "linux" and not THOROUGH
_CLIENT = Path(__file__).with_name("client.py")


def program() -> str:
    """Return the path of a program that does what `advertisex` does, and starts faster.

    It is the client of a warm server, which is started for this process and ends with it. In the thorough run, and
    where the kernel does not have what the server needs, it is the real program.
    """
    return str(_clients() / PROGRAM) if IS_WARM else str(Path(sys.executable).with_name(PROGRAM))


def python() -> str:
    """Return the path of a program that runs a script as Python does, with the modules of AdvertiseX imported."""
    return str(_clients() / "script") if IS_WARM else sys.executable


@cache
def _clients() -> Path:
    """Return the folder of the clients, having started their server."""
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    address = f"{folder.name}/socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.warm.server", str(listener.fileno())],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONWARNINGS": "error", "OPENBLAS_NUM_THREADS": "1"},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    atexit.register(folder.cleanup)
    atexit.register(server.wait)
    atexit.register(server.kill)
    text = f"#!{sys.executable} -IS\n{_CLIENT.read_text(encoding='utf-8')}\n\nrun({address!r})\n"
    clients = Path(folder.name, "clients")
    clients.mkdir()
    for name in (PROGRAM, "script"):
        client = clients / name
        client.write_text(text, encoding="utf-8")
        client.chmod(client.stat().st_mode | stat.S_IXUSR)
    return clients

"""Entry point of a worker process: runs the command line until the parent ends.

Its standard input is a pipe that closes when the parent ends for any reason. The worker then sends itself SIGTERM.
"""

import os
import signal
import threading

from advertisex.cli.main import run


def _stop_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the parent read our stderr; discard further output
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_stop_with_parent, name="parent", daemon=True).start()
    run()

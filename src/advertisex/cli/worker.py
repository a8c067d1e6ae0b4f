"""One of several workers: the command line, for as long as the process that started it lives.

Its standard input is a pipe that closes when that process ends, however it ends. Then this one ends as if by SIGTERM.
"""

import os
import signal
import threading

from advertisex.cli.main import run


def _end_with_the_parent() -> None:
    while os.read(0, 1):
        pass
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # it listened to our errors: what is still said goes nowhere
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_parent, name="parent", daemon=True).start()
    run()

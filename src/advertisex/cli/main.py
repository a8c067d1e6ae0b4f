"""Entry point of `advertisex`: handles interrupts before the slow imports, so that none prints a traceback."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from advertisex.errors import INTERRUPTED


def run() -> NoReturn:
    """Run the command line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # `nohup` and shells ignore it for background jobs
            signal.signal(number, _exit_at_once)
    _check_streams()
    from advertisex.cli.commands import main  # noqa: PLC0415 - takes half a second, in which an interrupt may come

    main()


def _check_streams() -> None:
    """Exit with an error if stdout is closed; drop notices if stderr is."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
    if sys.stdout is None:
        sys.stderr.write("error: stdout is closed; redirect it to a file or to /dev/null\n")
        sys.exit(1)


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    """Exit without an exception: nothing has started, and a module being imported might catch it."""
    os._exit(INTERRUPTED)

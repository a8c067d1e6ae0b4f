"""The command `advertisex` from its first moment on: an interrupt ends it without a traceback."""

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
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` and shells have it for what runs in the background
            signal.signal(number, _leave)
    _need_streams()
    from advertisex.cli.commands import main  # noqa: PLC0415 - it takes half a second, in which an interrupt may come

    main()


def _need_streams() -> None:
    """Without stdout there is nowhere to put an answer; without stderr, notices are dropped."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as it runs
    if sys.stdout is None:
        sys.stderr.write("error: stdout is closed; send it to a file, or to /dev/null\n")
        sys.exit(1)


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing has begun, and an exception in the middle of an import may be taken for one of its own."""
    os._exit(INTERRUPTED)

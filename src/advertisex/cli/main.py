"""The command `advertisex` from its first moment on: an interrupt ends it without a traceback."""

import os
import signal
from types import FrameType
from typing import NoReturn

from advertisex.errors import INTERRUPTED


def run() -> NoReturn:
    """Run the command line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` and shells have it for what runs in the background
            signal.signal(number, _leave)
    from advertisex.cli.commands import main  # noqa: PLC0415 - it takes half a second, in which an interrupt may come

    main()


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing has begun, and an exception in the middle of an import may be taken for one of its own."""
    os._exit(INTERRUPTED)

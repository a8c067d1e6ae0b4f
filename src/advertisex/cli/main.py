"""Entry point of `advertisex`: handles interrupts before the slow imports, so that none prints a traceback.

Until the module of the command is imported, an interrupt ends the process at once: nothing has begun, and a library
that is being imported may catch an exception or replace it by another one.
"""

import atexit
import io
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
    atexit.register(_ignore_signals)
    _check_streams()
    try:
        code = _run()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as error:  # noqa: BLE001 - a panic of Polars is not an Exception
        _exit_on_signals(INTERRUPTED)  # a second interrupt does not wait for the report of the first
        from advertisex.cli.session import report  # noqa: PLC0415 - slow to import

        code = report(error)
    _exit_on_signals(code)  # does not wait for other threads any more
    sys.exit(code)


def _exit_on_signals(code: int) -> None:
    """Let an interrupt end the process at once, with this code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(code))


def _run() -> int:
    from advertisex.cli.commands import run_command  # noqa: PLC0415 - an interrupt may come meanwhile

    code = run_command()
    sys.stdout.flush()
    return code


def _ignore_signals() -> None:
    """Keep the exit code: the command has ended, and Python resets all handlers while it shuts down."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _check_streams() -> None:
    """Exit with an error if stdout is closed; drop notices if stderr is."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
    if sys.stdout is None:
        sys.stderr.write("error: stdout is closed; redirect it to a file or to /dev/null\n")
        sys.exit(1)
    for stream in (sys.stdout, sys.stderr):  # print "?" for a character that the terminal cannot encode
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    """Exit without an exception."""
    os._exit(INTERRUPTED)

"""What surrounds a command: its log, its interrupts, and how an exception becomes a line and an exit code."""

import errno
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from advertisex.cli import log_lines
from advertisex.cli.output import err
from advertisex.cli.signals import Interruption, forget_interrupts, interrupt, was_interrupted
from advertisex.errors import INTERRUPTED, AdvertiseXError, StoreInterrupted
from advertisex.files.faults import fault_of
from advertisex.masking import traceback_of
from advertisex.settings import origins
from advertisex.settings.origins import Origin

#: A full disk, an exceeded quota, a closed pipe: not bugs of this program.
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE}


_origin: Origin | None = None


def place_errors(origin: Origin) -> None:
    """Let the errors of settings that this command reports from now on name where they were given."""
    global _origin  # noqa: PLW0603 - a command loads its settings once
    _origin = origin


def where_of(error: AdvertiseXError) -> str:
    """Where something failed, with the origin of the settings of this command."""
    return origins.where_of(error, _origin or (lambda *keys: ""))


def begin() -> None:
    """Configure the log, and let SIGINT and SIGTERM interrupt the command from now on."""
    global _origin  # noqa: PLW0603 - a command loads its settings once
    _origin = None
    forget_interrupts()
    words = sys.argv[1:]
    service = (
        words[:1] in (["run"], ["serve"]) or "--follow" in words or (words[:1] == ["report"] and "--every" in words)
    )
    log_lines.configure(err.is_terminal, service=service, debug=_debug())
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def report(error: BaseException) -> int:
    """Print how a command failed, as one line; return its exit code."""
    if isinstance(error, AdvertiseXError):
        if _debug():
            err.print(traceback_of(error).rstrip(), markup=False, soft_wrap=True)
        prefix = "interrupted" if isinstance(error, StoreInterrupted) else "error"
        shown = AdvertiseXError(error.what, where=where_of(error), hint=error.hint)
        err.print(f"{prefix}: {shown}", markup=False, soft_wrap=True)
        return error.exit_code
    if was_interrupted() or isinstance(error, (KeyboardInterrupt, Interruption)):  # a library may have wrapped it
        err.print("interrupted")
        return INTERRUPTED
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        _report_unwritable(error)
    else:
        err.print(log_lines.internal_error(error, debug=_debug()), markup=False, soft_wrap=True)
    return 1


def _debug() -> bool:
    return "--debug" in sys.argv[1:]


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    interrupt(number)


def _report_unwritable(reason: OSError) -> None:
    """Report a failed write, unless the reader closed the pipe as `head` does; discard what stdout has buffered."""
    if not isinstance(reason, BrokenPipeError):
        path = Path(reason.filename or "/dev/stdout").resolve()
        place = f" ({path})" if path.is_file() else ""  # not of a terminal or a pipe
        what, hint = fault_of(reason, path)
        err.print(f"error: could not write the output{place}: {what}; {hint}", markup=False, soft_wrap=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

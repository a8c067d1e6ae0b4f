"""The log on stderr: our lines, masked, and none of the libraries'."""

import json
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Mapping, MutableMapping
from typing import Any

import stamina
import structlog

from advertisex.masking import traceback_of
from advertisex.reasons import place_of
from advertisex.reporting.cells import format_value, visible

#: The keys that every log line has; they come first.
_FIRST = ("timestamp", "level", "event")
#: What a text of a detail can be confused with.
_AMBIGUOUS = re.compile(r'[,=()\[\]{}"]|^\s|\s$')


def configure(terminal: bool, *, service: bool, debug: bool) -> None:
    """Write the log on stderr. No line contains a message or the id of a user; new conversion types are named.

    A service writes lines with `timestamp` (UTC, RFC 3339), `level`, `event` and its details: for people on a terminal,
    and one JSON object per line elsewhere. A command that ends by itself writes lines as it prints errors.
    """
    renderer = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("debug" if debug else "info"),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_traceback,
            _ordered,
            renderer if service else _as_printed,
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    stamina.instrumentation.set_on_retry_hooks([_log_retry])
    _silence_libraries(debug=debug)


def internal_error(error: BaseException, *, debug: bool) -> str:
    """Return what to print for an exception that we do not expect: never its text, and with `debug` its traceback."""
    place = place_of(error)
    line = f"internal error: {type(error).__name__}{f' at {place}' if place else ''}; "
    if debug:
        return f"{traceback_of(error)}{line}please report the traceback"
    return f"{line}run again with --debug and report the traceback"


def _silence_libraries(*, debug: bool) -> None:
    """Drop the lines and warnings of libraries, and mask the tracebacks of what nobody catches."""
    if not any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger().handlers):
        logging.getLogger().addHandler(logging.NullHandler())  # otherwise Python prints warnings and errors
    logging.captureWarnings(capture=True)

    def uncaught(failure: Any) -> None:
        if isinstance(failure.exc_value, KeyboardInterrupt):
            _interrupt_later(*failure.exc_value.args or (signal.SIGTERM,))
        elif failure.exc_value is not None and not isinstance(failure.exc_value, SystemExit):  # ends a thread silently
            sys.stderr.write(f"{internal_error(failure.exc_value, debug=debug)}\n")

    threading.excepthook = uncaught
    sys.unraisablehook = uncaught


def _interrupt_later(number: int) -> None:
    """Send a signal again that came in a callback or a finaliser, where Python drops what its handler raises."""
    again = threading.Timer(0.1, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _with_traceback(logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace `exc_info`, an exception, by its traceback."""
    error = line.pop("exc_info", None)
    if isinstance(error, BaseException):
        line["exception"] = traceback_of(error)
    return line


def _ordered(logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the keys that every line has first, for readability."""
    return {name: line[name] for name in _FIRST} | {name: v for name, v in line.items() if name not in _FIRST}


def _as_printed(logger: object, method: str, line: MutableMapping[str, Any]) -> str:
    """Return `warning: what happened (detail=value)`, as errors are printed, and a traceback below it."""
    traceback = line.pop("exception", "")
    details = ", ".join(f"{name}={_detail(value)}" for name, value in line.items() if name not in _FIRST)
    text = f"{line['level']}: {visible(line['event'])}" + (f" ({details})" if details else "")
    return f"{text}\n{traceback}".rstrip()


def _detail(value: Any) -> str:
    """Return a value so that its end is clear: a text that could be taken for more than one is quoted."""
    match value:
        case str():
            text = visible(value)
            return json.dumps(text, ensure_ascii=False) if not text or _AMBIGUOUS.search(text) else text
        case Mapping():
            return f"{{{', '.join(f'{_detail(name)}={_detail(inner)}' for name, inner in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_detail, value))}]"
        case _:
            return format_value(value)


def _log_retry(details: stamina.instrumentation.RetryDetails) -> None:
    structlog.get_logger(__name__).warning(
        "retrying", wait_seconds=round(details.wait_for, 1), why=str(details.caused_by)
    )

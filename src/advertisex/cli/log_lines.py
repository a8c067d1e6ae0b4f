"""The program's own log, on stderr: stdout is for results."""

import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_FIRST = ("timestamp", "level", "event")


def configure_log(terminal: bool) -> None:
    """Write human-readable lines on a terminal, and one JSON object per line elsewhere.

    Each line has `timestamp` (UTC, RFC 3339), `level`, `event` and its details. None contains user data.
    """
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _ordered,
            renderer,
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _ordered(logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the keys that every line has first, for readability."""
    return {name: line[name] for name in _FIRST} | {name: v for name, v in line.items() if name not in _FIRST}

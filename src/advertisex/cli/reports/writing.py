"""Writes a saved report to a folder, once or on schedule."""

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from advertisex.analysis.answer import Answer
from advertisex.cli.output import err
from advertisex.cli.session import where_of
from advertisex.cli.signals import stop_on_signals
from advertisex.errors import AdvertiseXError
from advertisex.settings.reports import ReportFormat

_LOG = structlog.get_logger(__name__)
_NOT_IN_NAMES = re.compile(r"[^0-9A-Za-z.+-]")


def stem_of(name: str, answer: Answer, since: str, until: str, now: datetime) -> str:
    """The name of the files of a report: with its range if that is over, else with the time of the answer.

    Args:
        name: name of the report.
        answer: its answer.
        since: the beginning of the range, as given.
        until: its end.
        now: the current time, naive UTC.
    """
    scope = answer.scope
    if scope.since is not None and scope.until is not None and scope.until <= now:
        return "_".join([name, *(_NOT_IN_NAMES.sub("", text) for text in (since, until))])
    return f"{name}_{now:%Y%m%dT%H%M%SZ}"


def write_report(answer: Answer, folder: Path, stem: str, formats: tuple[ReportFormat, ...]) -> None:
    """Write a report in each format, atomically; a file that is there already stays as it is, and is named.

    Raises:
        AdvertiseXError: a file cannot be written.
    """
    for suffix in formats:
        target = folder / f"{stem}.{suffix}"
        if target.exists():
            err.print(f"already written: {target}", markup=False, soft_wrap=True)
            continue
        match suffix:
            case "csv":
                answer.to_csv(target)
            case "json":
                answer.to_json(target)
            case "html":
                answer.to_html(target)
        err.print(f"wrote {target}", markup=False, style="dim", soft_wrap=True)


def repeat(run: Callable[[], None], every: timedelta, name: str) -> None:
    """Run at once and then once in each interval, until interrupted; a failed run is logged."""
    with stop_on_signals() as stop:
        start, done = time.monotonic(), 0
        while not stop.is_set():
            try:
                run()
            except AdvertiseXError as error:
                details = {"where": where_of(error), "hint": error.hint}
                given = {key: text for key, text in details.items() if text}
                _LOG.error("the report failed", report=name, why=error.what, **given)
            seconds = every.total_seconds()
            done = max(done + 1, int((time.monotonic() - start) // seconds) + 1)  # those that were missed are left out
            stop.wait(max(0.0, start + done * seconds - time.monotonic()))

"""Options shared by the commands, and functions that open the log and the store."""

from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Annotated, Any

import typer

from advertisex.cli.held_store import is_held, use_through_its_process
from advertisex.cli.session import place_errors
from advertisex.errors import ConfigurationError, LogMissing, StoreBusy, StoreError
from advertisex.ingestion.options.api import check_seconds
from advertisex.inspection.place import Place
from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.logs.sqlite_faults import RESTORE_LOG
from advertisex.masking import masked
from advertisex.processing.waiting import when_available
from advertisex.settings.durations import duration_of
from advertisex.settings.load import load_settings
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore
from advertisex.stores.open import open_store

#: Seconds in which a process that only reads the store is expected to close it, and between two attempts to open it.
_MOMENT, _PAUSE = 3.0, 0.05
#: The panel of the help that these options are in.
SHARED = "Common options"
_LOG_IS_GONE = f"check --data and --log, or {RESTORE_LOG}"

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the embedded log and store.  \\[default: .advertisex]",
        rich_help_panel=SHARED,
    ),
]
LogOption = Annotated[
    str | None,
    typer.Option("--log", metavar="URL", help="Event log: sqlite:///path or kafka://host.", rich_help_panel=SHARED),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Event store: duckdb:///path or elasticsearch://host.",
        rich_help_panel=SHARED,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings file.  \\[default: advertisex.toml here or in the data folder]",
        rich_help_panel=SHARED,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel=SHARED)]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.", rich_help_panel=SHARED)]
SkipDamagedOption = Annotated[
    bool,
    typer.Option("--skip-damaged", help="Go on without damaged messages of the embedded log; they count as lost."),
]
MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        metavar="PORT",
        min=0,
        max=65_535,
        help="Serve Prometheus metrics at /metrics on this port; 0 picks a free one.",
    ),
]


def settings_of(config: Path | None, **flags: Any) -> Settings:
    """Load the settings, with these flags taking precedence."""
    settings = load_settings(config, flags)
    place_errors(settings.origin)
    return settings


def with_port(settings: Settings, port: int | None) -> Settings:
    """Return the settings with the value of --metrics-port, if given."""
    if port is None:
        return settings
    return settings.model_copy(update={"metrics": settings.metrics.model_copy(update={"port": port})})


def opened_log(settings: Settings, *, create: bool = True) -> EventLog:
    """Open the configured event log.

    Raises:
        LogMissing: it is missing and `create` is false; if the store has processed messages of it, the hint says so.
    """
    _check_kept(settings.log_url, "--log")
    try:
        return open_log(settings.log_url, create=create, kafka=settings.kafka, folder=settings.data)
    except LogMissing as missing:
        if read := _messages_read(settings):
            what = f"the event log is gone: the store has read {read:,} messages of it"
            raise LogMissing(what, where=missing.where, hint=_LOG_IS_GONE) from missing
        raise


def opened_store(settings: Settings, *, read_only: bool = False, wait: float = _MOMENT) -> EventStore:
    """Open the configured event store; to read it while another process has it open, through that process.

    Args:
        settings: the settings.
        read_only: whether it is only read.
        wait: seconds to wait for a process that has it open for a moment, as the dashboard has for each request.
    """
    _check_kept(settings.store_url, "--store")
    try:
        return _opened_within(wait, settings, read_only=read_only)
    except StoreBusy as busy:
        if not read_only:
            raise
        return use_through_its_process(settings, busy)


def _opened_within(seconds: float, settings: Settings, *, read_only: bool) -> EventStore:
    until = monotonic() + seconds
    while True:
        try:
            return open_store(
                settings.store_url, read_only=read_only, memory=settings.memory, elasticsearch=settings.elasticsearch
            )
        except StoreBusy:
            if is_held(settings) or monotonic() >= until:
                raise
        sleep(_PAUSE)


def store_for_changes(settings: Settings) -> EventStore:
    """Open the configured event store to write beside commits; while a process has it open, through that process."""
    try:
        return opened_store(settings, read_only=False)
    except StoreBusy as busy:
        return use_through_its_process(settings, busy)


def place_of(settings: Settings) -> Place:
    """Where the reading commands read."""
    return Place(settings, partial(opened_store, settings, read_only=True), partial(opened_log, settings, create=False))


def store_when_available(settings: Settings) -> EventStore:
    """Open the configured event store for writing; wait while its server does not respond, until interrupted."""
    store = when_available(partial(opened_store, settings, read_only=False), Event())
    assert store is not None  # nothing stops the wait, except a signal
    return store


def _messages_read(settings: Settings) -> int:
    """The number of messages in the ledger; 0 if it cannot be read."""
    try:
        with opened_store(settings, read_only=True) as store:
            return sum(row.counts.read for row in store.ledger())
    except StoreError:
        return 0


def _check_kept(url: str, option: str) -> None:
    """Reject an in-memory log or store: it would be lost when the command ends."""
    if url.endswith(":///:memory:"):
        raise ConfigurationError(
            f"{option}: {masked(url)} would be lost when this command ends",
            hint="name a file; :memory: is for the Python API",
            setting=(option.removeprefix("--"), "url"),
        )


def seconds_of(text: str, option: str) -> float:
    """Return a time to wait in seconds; it is written as for `duration_of`.

    Raises:
        ConfigurationError: it is not a valid duration, zero, or more than a day.
    """
    seconds = duration_of(text, option).total_seconds()
    check_seconds(option, seconds)
    return seconds

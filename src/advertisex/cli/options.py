"""The options that commands share, and what they open."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from advertisex.errors import ConfigurationError
from advertisex.feeds import TimeReading
from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.processing.timestamps import read_timestamps
from advertisex.settings import Settings
from advertisex.settings_file import load_settings
from advertisex.stores.contract import EventStore
from advertisex.stores.open import open_store

_SHARED = "Shared by every command"

#: A list has at most so many rows: stores count them in 32 bits.
MOST_LISTED = 1_000_000_000

#: How a time begins on the command line. Of the notations of events, numbers are left out: 2026 is a year, to people.
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?!\d)", re.ASCII)

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the embedded log and store.  \\[default: .advertisex]",
        rich_help_panel=_SHARED,
    ),
]
LogOption = Annotated[
    str | None,
    typer.Option("--log", metavar="URL", help="Event log: sqlite:///path, kafka://host.", rich_help_panel=_SHARED),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Event store: duckdb:///path, elasticsearch://host.",
        rich_help_panel=_SHARED,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings file.  \\[default: advertisex.toml here or in the data folder]",
        rich_help_panel=_SHARED,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel=_SHARED)]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=_SHARED)]


def settings_of(config: Path | None, **flags: Any) -> Settings:
    """The settings with these flags on top."""
    return load_settings(config, flags)


@contextmanager
def opened_log(settings: Settings, *, create: bool = True) -> Iterator[EventLog]:
    """The event log that the settings name."""
    with open_log(settings.log_url, create=create, kafka=settings.kafka) as log:
        yield log


@contextmanager
def opened_store(settings: Settings, *, read_only: bool) -> Iterator[EventStore]:
    """The event store that the settings name."""
    with open_store(
        settings.store_url, read_only=read_only, memory=settings.memory, elasticsearch=settings.elasticsearch
    ) as store:
        yield store


def moment(text: str | None, option: str) -> datetime | None:
    """A time given on the command line: a date, or a date and a time as RFC 3339 or with a space; UTC without offset.

    Raises:
        ConfigurationError: it is no time.
    """
    if text is None:
        return None
    value = read_timestamps(pl.Series([text]), TimeReading(formats=("%Y-%m-%d",)))[0] if _DAY.match(text) else None
    if value is None:
        raise ConfigurationError(
            f"{option}: {text!r} is neither a date nor a date with a time",
            hint="write it as 2026-11-24 or 2026-11-24T12:00:00Z",
        )
    assert isinstance(value, datetime)
    return value

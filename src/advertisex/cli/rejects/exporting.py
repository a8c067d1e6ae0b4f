"""`advertisex rejects export`: stream rejects as NDJSON or CSV."""

import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO

import polars as pl
import typer

from advertisex.analysis.arguments import MOST_LISTED
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    StoreOption,
    opened_store,
    settings_of,
)
from advertisex.cli.output import err, progress
from advertisex.cli.rejects.choosing import (
    FeedOption,
    KindOption,
    ReasonOption,
    ReplayedOption,
    SinceOption,
    UntilOption,
    query_of,
)
from advertisex.errors import ConfigurationError
from advertisex.model import STORED_REJECT_COLUMNS
from advertisex.rejects.export import flat, ndjson
from advertisex.reporting.csv_table import csv_of

_FORMATS = ("ndjson", "csv")


def export_rejects(
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="ndjson or csv.  \\[default: csv for a .csv file, else ndjson]"),
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Output file.  \\[default: stdout]")] = None,
    reason: ReasonOption = None,
    feed: FeedOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    replayed: ReplayedOption = None,
    limit: Annotated[
        int | None, typer.Option(min=0, max=MOST_LISTED, help="Maximum number of rows.  \\[default: all]")
    ] = None,
    data: DataOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    debug: DebugOption = False,
) -> None:
    """Export rejected and filtered messages and conflicts in full, as NDJSON or as CSV for spreadsheets."""
    format_ = format_ or ("csv" if to and to.suffix.lower() == ".csv" else "ndjson")
    if format_ not in _FORMATS:
        raise ConfigurationError(f"--format: unknown format {format_!r}", hint=f"use one of {', '.join(_FORMATS)}")
    query = query_of(reason=reason, feed=feed, kind=kind, since=since, until=until, replayed=replayed, limit=limit)
    count = 0
    with (
        opened_store(settings_of(config, data=data, store=store), read_only=True) as event_store,
        _opened(to) as file,
        progress("exporting", None) as (bar, task),
    ):

        def counted() -> Iterator[pl.DataFrame]:
            nonlocal count
            for part in event_store.scan_rejects(query):
                yield part
                count += part.height
                bar.update(task, completed=count)

        for data_ in (ndjson if format_ == "ndjson" else _csv)(counted()):
            file.write(data_)
    err.print(f"wrote {count:,} rejects{f' to {to}' if to else ''}", markup=False, style="dim", soft_wrap=True)


def _csv(parts: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """Yield the header, then the rows of each part."""
    yield from csv_of(flat(pl.DataFrame(schema=STORED_REJECT_COLUMNS)))
    for part in parts:
        yield from islice(csv_of(flat(part)), 1, None)


@contextmanager
def _opened(to: Path | None) -> Iterator[BinaryIO]:
    """Open the output; a file is written atomically.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if to is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = to.resolve()
    new = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}")
    try:
        if target.exists() and not target.is_file():
            raise IsADirectoryError(None, "not a regular file")
        with new.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    except OSError as error:
        raise ConfigurationError(
            f"could not write the export: {error.strerror}",
            where=str(to),
            hint="choose a file in a writable folder with enough free space",
        ) from error
    finally:
        new.unlink(missing_ok=True)

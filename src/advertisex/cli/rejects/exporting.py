"""`advertisex rejects export`: stream rejects as NDJSON or CSV."""

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
    JsonOption,
    LogOption,
    StoreOption,
    opened_store,
    settings_of,
)
from advertisex.cli.output import err, print_json, spooled
from advertisex.cli.progress import progress
from advertisex.cli.rejects.choosing import (
    FeedOption,
    KindOption,
    ReasonOption,
    ReplayedOption,
    ResolvedOption,
    SinceOption,
    UntilOption,
    number_resolved,
    query_of,
)
from advertisex.errors import ConfigurationError
from advertisex.model import STORED_REJECT_COLUMNS
from advertisex.rejects.export import flat, ndjson
from advertisex.reporting.answer_file import file_target, writing
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
    resolved: ResolvedOption = False,
    limit: Annotated[
        int | None, typer.Option(min=0, max=MOST_LISTED, help="Maximum number of rows.  \\[default: all]")
    ] = None,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Export rejected and filtered messages and conflicts in full, as NDJSON or as CSV for spreadsheets."""
    format_ = format_ or ("csv" if to and to.suffix.lower() == ".csv" else "ndjson")
    if format_ not in _FORMATS:
        raise ConfigurationError(f"--format: unknown format {format_!r}", hint=f"use one of {', '.join(_FORMATS)}")
    if as_json and to is None:
        raise ConfigurationError(
            "--json and the rejects would both be printed on stdout", hint="write the rejects to a file with --to"
        )
    query = query_of(
        reason=reason, feed=feed, kind=kind, since=since, until=until, replayed=replayed, resolved=resolved, limit=limit
    )
    count = 0
    with (
        _opened(to) as file,
        opened_store(settings_of(config, data=data, log=log, store=store), read_only=True) as event_store,
        progress("exporting", None) as bar,
    ):
        if bar.is_shown:
            bar.begin("exporting", min(int(event_store.reject_counts(query)["count"].sum()), limit or sys.maxsize))

        def counted() -> Iterator[pl.DataFrame]:
            nonlocal count
            for part in event_store.scan_rejects(query):
                yield part
                count += part.height
                bar.reach(count)

        for data_ in (ndjson if format_ == "ndjson" else _csv)(counted()):
            file.write(data_)
        left_out = 0 if resolved else number_resolved(event_store, query)
    if as_json:
        print_json({"rejects": count, "resolved": left_out, "file": str(to), "format": format_})
        return
    more = f"; {left_out:,} more are resolved: --resolved exports them" if left_out else ""
    err.print(f"wrote {count:,} rejects{f' to {to}' if to else ''}{more}", markup=False, style="dim", soft_wrap=True)


def _csv(parts: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """Yield the header, then the rows of each part."""
    yield from csv_of(flat(pl.DataFrame(schema=STORED_REJECT_COLUMNS)))
    for part in parts:
        yield from islice(csv_of(flat(part)), 1, None)


@contextmanager
def _opened(to: Path | None) -> Iterator[BinaryIO]:
    """Open the output; a file is written atomically, and stdout once the store is closed.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if to is None:
        with spooled() as file:
            yield file
        return
    with writing(file_target(to, "export", "--to"), "export") as file:
        yield file

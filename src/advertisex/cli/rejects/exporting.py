"""`advertisex rejects export`: stream rejects as NDJSON or CSV."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, BinaryIO

import polars as pl
import typer

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
from advertisex.cli.server import Server, ServerOption, asked
from advertisex.cli.typed import spread
from advertisex.errors import ConfigurationError
from advertisex.inspection.filters import ExportOptions
from advertisex.inspection.rejects import exported, number_resolved
from advertisex.questions.option import named
from advertisex.reporting.answer_file import file_target, writing
from advertisex.settings.model import Settings

#: The media types of the formats.
_KINDS = {"ndjson": "application/x-ndjson", "csv": "text/csv"}


@spread
def export_rejects(
    options: ExportOptions,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Output file.  \\[default: stdout]")] = None,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Export rejected and filtered messages and conflicts in full, as NDJSON or as CSV for spreadsheets."""
    form = options.form("csv" if to and to.suffix.lower() == ".csv" else "ndjson")
    if as_json and to is None:
        raise ConfigurationError(
            "--json and the rejects would both be printed on stdout", hint="write the rejects to a file with --to"
        )
    if server is None:
        count, left_out = _written(settings_of(config, data=data, log=log, store=store), options, form, to)
    else:
        with asked(server, data=data, log=log, store=store, config=config) as remote:
            count, left_out = _downloaded(remote, options, form, to)
    if as_json:
        print_json({"rejects": count, "resolved": left_out, "file": str(to), "format": form})
        return
    more = f"; {left_out:,} more are resolved: --resolved exports them" if left_out else ""
    err.print(f"wrote {count:,} rejects{f' to {to}' if to else ''}{more}", markup=False, style="dim", soft_wrap=True)


def _written(settings: Settings, options: ExportOptions, form: str, to: Path | None) -> tuple[int, int]:
    """Write the rejects of the store; return their number, and that of those left out because they are resolved."""
    query, count = options.query(), 0
    with (
        _opened(to) as file,
        opened_store(settings, read_only=True) as event_store,
        progress("exporting", None) as bar,
    ):
        if bar.is_shown:
            bar.begin(
                "exporting", min(int(event_store.reject_counts(query)["count"].sum()), query.limit or sys.maxsize)
            )

        def counted() -> Iterator[pl.DataFrame]:
            nonlocal count
            for part in event_store.scan_rejects(query):
                yield part
                count += part.height
                bar.reach(count)

        for data_ in exported(counted(), form):
            file.write(data_)
        left_out = 0 if options.resolved else number_resolved(event_store, query)
    return count, left_out


def _downloaded(remote: Server, options: ExportOptions, form: str, to: Path | None) -> tuple[int, int]:
    """Write the rejects of a server; return the same numbers."""
    wanted = named(ExportOptions, asdict(options)) | {"format": form}
    with _opened(to) as file:
        count, left_out = remote.download(
            "rejects/export", wanted, file, _KINDS[form], ("Advertisex-Rejects", "Advertisex-Resolved")
        )
    return count, left_out


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

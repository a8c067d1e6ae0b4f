"""`advertisex ingest`: append the records of sources to the event log."""

import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    opened_log,
    read_duration,
    settings_of,
)
from advertisex.cli.output import err, out, plain, print_json, print_table, progress
from advertisex.cli.source_options import feed_named, found_dict, with_source_options
from advertisex.errors import INTERRUPTED, ConfigurationError, SourceError
from advertisex.ingestion.ingest import ingest as ingest_sources
from advertisex.ingestion.input_report import balance, unusual
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.publish import Published

#: Maximum number of new types that a warning lists.
_LISTED = 10


@with_source_options
def ingest(
    feed: Annotated[str, typer.Argument(metavar="FEED", help="impressions, clicks or bids.")],
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Files, folders, globs, URLs, or - for stdin."),
    ],
    follow: Annotated[bool, typer.Option("--follow", help="Keep running: poll the API, watch the files.")] = False,
    every: Annotated[str, typer.Option(metavar="DURATION", help="Poll interval with --follow: 500ms, 5s, 1m.")] = "5s",
    *,
    options: IngestOptions,
    data: DataOption = None,
    log: LogOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Append every record of the sources to the event log; nothing is validated or dropped here."""
    settings = settings_of(config, data=data, log=log)
    known = feed_named(feed, settings)
    options = replace(options, follow=follow, every=_seconds(every, "--every")).with_api(settings.api)
    options.checked_for(known)  # before the log is created
    with opened_log(settings) as event_log, progress(f"ingesting {feed}", None) as (bar, task):

        def on_progress(messages: int, size: int) -> None:
            bar.update(task, completed=messages)

        def on_failure(error: SourceError) -> None:
            if debug:
                traceback.print_exception(error)
            err.print(f"error: {error}", markup=False, soft_wrap=True)

        published = ingest_sources(known, sources, event_log, options, on_progress, on_failure)
    if as_json:
        print_json(_document(feed, published))
    else:
        _print(feed, published)
        for warning in _warnings(published):
            err.print(f"warning: {warning}", markup=False, soft_wrap=True)
    if published.failures and not follow:  # a source that is followed is read again
        raise typer.Exit(1)
    if published.interrupted and not follow:
        raise typer.Exit(INTERRUPTED)


def _document(feed: str, published: Published) -> dict[str, Any]:
    return {
        "feed": feed,
        "messages": published.messages,
        "bytes": published.bytes,
        "sources": [
            {"source": name, "messages": counted.messages, "bytes": counted.bytes}
            | found_dict(published.inputs.get(name))
            for name, counted in published.sources.items()
        ],
        "unmatched": published.unmatched,
        "new_types": published.new_types,
        "failures": [str(error) for error in published.failures],
        "interrupted": published.interrupted,
    }


def _print(feed: str, published: Published) -> None:
    inputs = published.inputs
    formats = {name: report.reading.format for name, report in inputs.items()}
    rows = [(name, formats.get(name, ""), one.messages, one.bytes) for name, one in published.sources.items()]
    if len(rows) > 1:
        rows.append(("total", "", published.messages, published.bytes))
    title = f"Appended {feed} to the log" + (" until interrupted" if published.interrupted else "")
    print_table(title, ("source", "format", "messages", "bytes"), rows, numbers=("messages", "bytes"))
    if text := balance(report.reading for report in inputs.values()):
        out.print(plain(f"{text}."), soft_wrap=True)
    for text, names in _grouped((unusual(report.reading), name) for name, report in inputs.items()).items():
        if text:
            out.print(plain(f"{_listed(names)}: {text}."), soft_wrap=True)


def _warnings(published: Published) -> Iterator[str]:
    """Yield each warning once, with the sources that it is about."""
    texts = ((text, name) for name, report in published.inputs.items() for text in report.warnings)
    for text, names in _grouped(texts).items():
        number = sum(published.inputs[name].warnings[text] for name in names)
        times = f" ({number:,} times)" if number > len(names) else ""
        yield f"{_listed(names)}: {text}{times}"
    for column in published.unmatched:
        yield f"no record has the column {column!r} of --map"
    if published.new_types:
        yield f"conversion types that are new to this log: {', '.join(map(repr, published.new_types[:_LISTED]))}" + (
            f" and {len(published.new_types) - _LISTED:,} more" if len(published.new_types) > _LISTED else ""
        )


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for text, name in pairs:
        groups.setdefault(text, []).append(name)
    return groups


def _listed(names: Sequence[str]) -> str:
    """Return a few names, and how many others there are."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2:,} others"


def _seconds(text: str, option: str) -> float:
    """Return a duration such as 500ms, 5s, 1m or 2h in seconds; a bare number means seconds.

    Raises:
        ConfigurationError: it is not a valid duration, or zero.
    """
    found = read_duration(text if text.strip()[-1:].isalpha() else f"{text.strip()}s")
    if not found:
        raise ConfigurationError(f"{option}: {text!r} is not a valid duration", hint="write it as 500ms, 5s, 1m or 2h")
    return found.total_seconds()

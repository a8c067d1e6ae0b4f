"""`advertisex ingest`: append the records of sources to the event log."""

from typing import Annotated, Any

import typer

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    opened_log,
    parse_pairs,
    read_duration,
    settings_of,
)
from advertisex.cli.output import err, print_json, print_table, progress
from advertisex.errors import INTERRUPTED, ConfigurationError, SourceError
from advertisex.ingestion.csv.dialect import CsvDialect
from advertisex.ingestion.ingest import ingest as ingest_sources
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.publish import Published
from advertisex.settings.feeds import configured_feeds


def ingest(
    feed: Annotated[str, typer.Argument(metavar="FEED", help="impressions, clicks or bids.")],
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Files, folders, globs, http(s) URLs, or - for stdin."),
    ],
    follow: Annotated[bool, typer.Option("--follow", help="Keep running: poll the API, watch the files.")] = False,
    every: Annotated[str, typer.Option(metavar="DURATION", help="Poll interval with --follow: 500ms, 5s, 1m.")] = "5s",
    rename: Annotated[
        list[str] | None, typer.Option("--map", metavar="COLUMN=FIELD", help="Read COLUMN as FIELD; repeatable.")
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Set FIELD to VALUE in every record; repeatable."),
    ] = None,
    time_format: Annotated[
        list[str] | None, typer.Option(metavar="FORMAT", help="strptime format of timestamps; repeatable.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="json, ndjson, csv or avro.  \\[default: detected]"),
    ] = None,
    records: Annotated[
        str | None, typer.Option(metavar="KEY", help="Dotted path of the records in a JSON document.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="CSV column names, for files without a header.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(metavar="CHAR", help="CSV delimiter.  \\[default: detected]")] = None,
    data: DataOption = None,
    log: LogOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Append every record of the sources to the event log; nothing is validated or dropped here."""
    settings = settings_of(config, data=data, log=log)
    feeds = configured_feeds(settings)
    if feed not in feeds:
        raise ConfigurationError(f"unknown feed {feed!r}", hint=f"use one of {', '.join(feeds)}")
    options = IngestOptions(
        format=format_,
        records=records,
        columns=tuple(columns.split(",")) if columns else (),
        dialect=CsvDialect(delimiter=delimiter),
        mapping=FieldMapping(parse_pairs(rename, "--map"), parse_pairs(constant, "--set"), tuple(time_format or ())),
        follow=follow,
        every=_seconds(every, "--every"),
    ).with_api(settings.api)
    with opened_log(settings) as event_log, progress(f"ingesting {feed}", None) as (bar, task):

        def on_progress(messages: int, size: int) -> None:
            bar.update(task, completed=messages)

        def on_failure(error: SourceError) -> None:
            err.print(f"error: {error}", markup=False, soft_wrap=True)

        published = ingest_sources(feeds[feed], sources, event_log, options, on_progress, on_failure)
    if as_json:
        print_json(_document(feed, published))
    else:
        _print(feed, published)
    for column in published.unmatched:
        err.print(f"warning: no record has the column {column!r} of --map", markup=False, soft_wrap=True)
    if published.failures:
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
            for name, counted in published.sources.items()
        ],
        "unmatched": published.unmatched,
        "failures": [str(error) for error in published.failures],
        "interrupted": published.interrupted,
    }


def _print(feed: str, published: Published) -> None:
    rows = [(name, counted.messages, counted.bytes) for name, counted in published.sources.items()]
    if len(rows) > 1:
        rows.append(("total", published.messages, published.bytes))
    title = f"Appended {feed} to the log" + (" until interrupted" if published.interrupted else "")
    print_table(title, ("source", "messages", "bytes"), rows, numbers=("messages", "bytes"))


def _seconds(text: str, option: str) -> float:
    """Return a duration such as 500ms, 5s, 1m or 2h in seconds; a bare number means seconds.

    Raises:
        ConfigurationError: it is not a valid duration, or zero.
    """
    found = read_duration(text if text.strip()[-1:].isalpha() else f"{text.strip()}s")
    if not found:
        raise ConfigurationError(f"{option}: {text!r} is not a valid duration", hint="write it as 500ms, 5s, 1m or 2h")
    return found.total_seconds()

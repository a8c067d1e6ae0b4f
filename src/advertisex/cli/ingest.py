"""`advertisex ingest`: append the records of sources to the event log."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_log,
    seconds_of,
    settings_of,
)
from advertisex.cli.output import err, print_json, say
from advertisex.cli.progress import Bar, progress
from advertisex.cli.source_choice import Chosen, NamedOption, chosen_sources
from advertisex.cli.source_options import found_dict, with_source_options
from advertisex.cli.tables import print_table
from advertisex.errors import INTERRUPTED, ConfigurationError, SourceError
from advertisex.ingestion.ingest import ingest as ingest_sources
from advertisex.ingestion.input_report import balance, unusual
from advertisex.ingestion.kinds import is_read_whole
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.publish import Published
from advertisex.ingestion.source_status import SourceStatus
from advertisex.ingestion.sources import source_of
from advertisex.logs.contract import EventLog
from advertisex.masking import traceback_of

_LOG = structlog.get_logger(__name__)

#: Maximum number of new types that a warning lists.
_LISTED = 10


@with_source_options
def ingest(
    feed: Annotated[str | None, typer.Argument(metavar="FEED", help="impressions, clicks or bids.")] = None,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="Files, folders, globs, URLs, or - for stdin."),
    ] = None,
    named: NamedOption = None,
    follow: Annotated[bool, typer.Option("--follow", help="Keep running: poll the API, watch the files.")] = False,
    every: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Poll interval with --follow: 500ms, 5s, 1m.  \\[default: 5s]"),
    ] = None,
    *,
    options: IngestOptions,
    api: dict[str, Any],
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Append every record of the sources to the event log; nothing is validated or dropped here."""
    settings = settings_of(config, data=data, log=log, store=store)
    chosen = chosen_sources(settings, feed, sources or [], named, options, api)
    if follow:
        chosen = [_followed(chosen, every)]
    elif every is not None:
        seconds_of(every, "--every")
    results = list[tuple[Chosen, Published]]()
    statuses = dict[str, SourceStatus]()
    with opened_log(settings) as event_log:
        for one in chosen:
            published = _ingest(one, event_log, statuses, debug=debug)
            results.append((one, published))
            if not as_json:
                _print(one, published, [] if follow else list(statuses.values()))
                statuses.clear()
            if published.interrupted:
                break
    if as_json:
        documents = [_document(one, published) for one, published in results]
        print_json({"ingested": documents} if named else documents[0])
    if follow:  # a source that failed is read again, and an interrupt is the usual end
        return
    if any(published.failures for _, published in results):
        raise typer.Exit(1)
    if any(published.interrupted for _, published in results):
        raise typer.Exit(INTERRUPTED)


def _followed(chosen: Sequence[Chosen], every: str | None) -> Chosen:
    if len(chosen) > 1:
        raise ConfigurationError(
            "--follow takes one source of the settings", hint="`advertisex run` follows all of them"
        )
    options = chosen[0].options
    seconds = options.every if every is None else seconds_of(every, "--every")
    followed = replace(options, follow=True, every=seconds).checked_for(chosen[0].feed)
    return replace(chosen[0], options=followed)


def _ingest(one: Chosen, log: EventLog, statuses: dict[str, SourceStatus], *, debug: bool) -> Published:
    """Ingest sources, and collect their statuses by id."""
    size = _size_of(one)
    with progress(f"ingesting {one.feed.name}", size, unit="bytes" if size else "messages") as bar:

        def on_progress(messages: int, _: int) -> None:
            if size is None:
                bar.reach(messages)

        def on_failure(error: SourceError) -> None:
            if debug:
                err.print(traceback_of(error).rstrip(), markup=False, soft_wrap=True)
            _LOG.error(str(error))

        def on_poll(status: SourceStatus) -> None:
            statuses[status.id] = status

        on_read = _FilesRead(bar).reached if size and bar.is_shown else None
        return ingest_sources(
            one.feed, one.sources, log, one.options, on_progress, on_failure, on_poll=on_poll, on_read=on_read
        )


class _FilesRead:
    """How many bytes of files have been read, one file after the other."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._path, self._before, self._position = bar, Path(), 0, 0

    def reached(self, path: Path, position: int) -> None:
        """Show that a file has been read up to this position."""
        if path != self._path:
            self._path, self._before = path, self._before + self._position
        self._position = position
        self._bar.reach(self._before + position)


def _size_of(one: Chosen) -> int | None:
    """The size of the files, compressed or not; None if something else is read, or if they cannot be found."""
    size = 0
    for text in one.sources:
        source = source_of(text)
        if not is_read_whole(source, one.options):
            return None
        try:
            size += sum(path.stat().st_size for path in source.paths())
        except (OSError, SourceError):  # reported when they are read
            return None
    return size


def _document(one: Chosen, published: Published) -> dict[str, Any]:
    return ({"name": one.options.name} if one.options.name else {}) | {
        "feed": one.feed.name,
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


def _print(one: Chosen, published: Published, statuses: Iterable[SourceStatus]) -> None:
    inputs = published.inputs
    formats = {name: report.reading.format for name, report in inputs.items()}
    rows = [
        (name, formats.get(name, ""), counted.messages, counted.bytes) for name, counted in published.sources.items()
    ]
    if len(rows) > 1:
        rows.append(("total", "", published.messages, published.bytes))
    origin = f" of {one.options.name}" if one.options.name else ""
    title = f"Appended {one.feed.name}{origin} to the log" + (" until interrupted" if published.interrupted else "")
    if rows or published.interrupted:
        print_table(title, ("source", "format", "messages", "bytes"), rows, numbers=("messages", "bytes"))
    if text := balance(report.reading for report in inputs.values()):
        say(f"{text}.")
    for text, names in _grouped((unusual(report.reading), name) for name, report in inputs.items()).items():
        if text:
            say(f"{_listed(names)}: {text}.")
    for status in statuses:
        if status.has_nothing_new:
            say(f"{status.name}: {_nothing_new(status)}")
    for warning in _warnings(published, follow=one.options.follow):
        _LOG.warning(warning)


def _nothing_new(status: SourceStatus) -> str:
    if not status.appended_at:
        return "nothing new; nothing has been appended yet."
    since = f"{datetime.fromtimestamp(status.appended_at / 1e6, UTC):%Y-%m-%d %H:%M:%S}"
    return f"nothing new since {since} UTC; to append all of it again, use `advertisex sources reset` first."


def _warnings(published: Published, *, follow: bool) -> Iterator[str]:
    """Yield each warning once, with the sources that it is about; with `follow`, new types were logged when found."""
    texts = ((text, name) for name, report in published.inputs.items() for text in report.warnings)
    for text, names in _grouped(texts).items():
        number = sum(published.inputs[name].warnings[text] for name in names)
        times = f" ({number:,} times)" if number > len(names) else ""
        yield f"{_listed(names)}: {text}{times}"
    for column in published.unmatched:
        yield f"no record has the column {column!r} of --map"
    if published.new_types and not follow:
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

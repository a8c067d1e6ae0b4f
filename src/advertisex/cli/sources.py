"""`advertisex sources`: how far each source has been read, and how to read it again."""

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import unquote

import typer

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_log,
    settings_of,
)
from advertisex.cli.output import print_json, say
from advertisex.cli.reading import reading
from advertisex.cli.server import ServerOption
from advertisex.cli.tables import print_table
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.configured import FeedSource, sources_of
from advertisex.ingestion.known_sources import backfill_source, by_id, find_source, known_sources, reset_source
from advertisex.ingestion.source_status import SourceStatus
from advertisex.inspection.sources import Sources, time_of
from advertisex.inspection.sources import sources as sources_read
from advertisex.logs.contract import EventLog
from advertisex.questions.time_text import parse_time
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings

app = typer.Typer(help="Show how far each source has been read, and read sources again.")

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name in the settings, else file, folder, glob or URL; or its id.")
]
FeedOption = Annotated[
    str | None, typer.Option("--feed", metavar="FEED", help="Feed of the source, if several have its name.")
]


@app.callback(invoke_without_command=True)
def sources(
    context: typer.Context,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show how far each source has been read: APIs, object stores and followed files."""
    if context.invoked_subcommand is not None:
        if any(value for value in context.params.values()):
            name = context.invoked_subcommand
            raise ConfigurationError(
                f"options of {name} come after its name", hint=f"see {context.command_path} {name} --help"
            )
        return
    _list(data=data, log=log, store=store, config=config, server=server, as_json=as_json, debug=debug)


@app.command("reset")
def reset(
    name: NameArgument,
    feed: FeedOption = None,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Forget what has been read of a source, so that all of it is read again."""
    settings = settings_of(config, data=data, log=log, store=store)
    with opened_log(settings, create=False) as event_log:
        found, of_feed, _ = _found(event_log, settings, name, feed)
        was_known = reset_source(event_log, of_feed, found)
    if as_json:
        print_json({"id": found.id, "name": found.name, "reset": was_known})
    elif was_known:
        say(f"{found.name}: read again from the beginning at the next ingest; {_DUPLICATES}.")
    else:
        say(f"{found.name}: it has not been read yet, so nothing has changed.")


@app.command("backfill")
def backfill(
    name: NameArgument,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Where to start; for an API, in the notation of its cursor.")
    ],
    feed: FeedOption = None,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Let the next poll of an API or an object store start at an earlier time, once."""
    settings = settings_of(config, data=data, log=log, store=store)
    with opened_log(settings, create=False) as event_log:
        found, of_feed, configured = _found(event_log, settings, name, feed)
        start = parse_time(since, "--since") if found.kind == "objects" else since
        assert start is not None
        texts = _texts(found, settings, configured)
        again = backfill_source(event_log, of_feed, found, start, texts)
    if as_json:
        print_json({"id": found.id, "name": found.name, "since": since, "reads_again": again or None})
        return
    then = f"the next ingest reads {again} again; {_DUPLICATES}"
    nothing = f"nothing that was read has been modified since {since}, so nothing will be read again"
    say(f"{found.name}: {then if again else nothing}.")


_DUPLICATES = "what is stored already is counted as duplicate"


def _found(
    log: EventLog, settings: Settings, name: str, feed: str | None
) -> tuple[SourceStatus, Feed, FeedSource | None]:
    """Return the source of a name, its feed, and what the settings say about it."""
    configured = sources_of(settings)
    found = find_source(known_sources(log, configured), name, feed)
    return found, configured_feeds(settings)[found.feed], by_id(configured).get(found.id)


def _texts(found: SourceStatus, settings: Settings, configured: FeedSource | None) -> list[str]:
    """Return the texts of the requests to an API; those of one that is not configured are in its address."""
    if configured is None:
        return [unquote(found.address), *settings.api.headers.values()]
    api = configured.options.api
    return [configured.source, *api.headers.values(), api.body or ""]


def _print(found: Sources) -> None:
    if not found.known:
        say("No source is configured, and none has been read incrementally.")
        return
    columns = ("source", "feed", "last success (UTC)", "next try", "messages")
    rows = [
        (status.name, status.feed, _shown(status.succeeded_at) or "never", found.next_try(status), status.messages)
        for status in found.known
    ]
    print_table("Sources", columns, rows, numbers=("messages",))
    for status in found.known:
        for line in _details(status):
            say(line)


_list = reading(sources_read, _print, "sources")


def _details(status: SourceStatus) -> Iterator[str]:
    """Yield lines about a source that do not fit into the table."""
    counts = {"page": status.pages if status.kind == "api" else 0, "record seen before": status.seen}
    counted = [f"{number:,} {_plural(what, number)}" for what, number in counts.items() if number]
    address = [status.address] if status.address != status.name else []
    parts = [*address, *filter(None, [status.position]), *counted]
    if parts:
        yield f"{status.name}: {'; '.join(parts)}"
    if status.last_error:
        what = "failing" if status.is_failing else "last failure"
        yield f"{status.name}: {what}, {_shown(status.failed_at)} UTC: {status.last_error}"


def _plural(what: str, number: int) -> str:
    noun, _, more = what.partition(" ")
    return f"{noun}{'' if number == 1 else 's'} {more}".rstrip()


def _shown(micros: int) -> str:
    time = time_of(micros)
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"

"""`advertisex sources`: how far each source has been read, and how to read it again."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
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
from advertisex.cli.tables import print_table
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.configured import FeedSource, sources_of
from advertisex.ingestion.known_sources import backfill_source, by_id, find_source, known_sources, reset_source
from advertisex.ingestion.source_status import SourceStatus
from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.questions.time_text import parse_time
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings

app = typer.Typer(help="Show how far each source has been read, and read sources again.")

_SQLITE = "sqlite:///"
#: A poll may take some time; a next try that is this far in the past is overdue, in microseconds.
_OVERDUE = 60_000_000

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
    settings = settings_of(config, data=data, log=log, store=store)
    configured = sources_of(settings)
    with _log_to_read(settings) as event_log:
        known = known_sources(event_log, configured)
    if as_json:
        print_json({"sources": [_document(status) for status in known]})
    elif known:
        _print(known)
    else:
        say("No source is configured, and none has been read incrementally.")


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


def _log_to_read(settings: Settings) -> EventLog:
    """Open the log; one that does not exist yet is empty."""
    path = settings.log_url.removeprefix(_SQLITE)
    if settings.log_url.startswith(_SQLITE) and not Path(path).exists():
        return open_log(f"{_SQLITE}:memory:")
    return opened_log(settings, create=False)


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


def _document(status: SourceStatus) -> dict[str, Any]:
    return {
        "id": status.id,
        "name": status.name,
        "feed": status.feed,
        "kind": status.kind,
        "address": status.address,
        "position": status.position or None,
        "last_success": _iso(status.succeeded_at),
        "last_append": _iso(status.appended_at),
        "last_poll": _iso(status.polled_at),
        "next_try": _iso(status.next_at),
        "pages": status.pages,
        "messages": status.messages,
        "seen": status.seen,
        "failing": status.is_failing,
        "last_failure": _iso(status.failed_at),
        "last_error": status.last_error or None,
    }


def _print(known: list[SourceStatus]) -> None:
    columns = ("source", "feed", "last success (UTC)", "next try", "messages")
    rows = [
        (status.name, status.feed, _shown(status.succeeded_at) or "never", _next_try(status), status.messages)
        for status in known
    ]
    print_table("Sources", columns, rows, numbers=("messages",))
    for status in known:
        for line in _details(status):
            say(line)


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


def _next_try(status: SourceStatus) -> str:
    if not status.next_at:
        return "not followed"
    now = time.time_ns() // 1000
    if status.next_at <= now:
        return "overdue" if status.next_at < now - _OVERDUE else "now"
    return f"{datetime.fromtimestamp(status.next_at / 1e6, UTC):%H:%M:%S}"


def _shown(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros / 1e6, UTC):%Y-%m-%d %H:%M:%S}" if micros else ""


def _iso(micros: int) -> str | None:
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat().replace("+00:00", "Z") if micros else None

"""What depends on the kind of a source: how it is polled and previewed, its id, and where it can start again."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, TypeGuard

from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.api.first_page import first_page
from advertisex.ingestion.api.followed import FollowedApi
from advertisex.ingestion.api.placeholders import placeholders_in
from advertisex.ingestion.api.state import api_id
from advertisex.ingestion.api.state import backfill as backfill_api
from advertisex.ingestion.files.followed import FollowedFiles
from advertisex.ingestion.files.positions import address_of
from advertisex.ingestion.objects.followed import FollowedObjects
from advertisex.ingestion.objects.poll import first_object
from advertisex.ingestion.objects.state import backfill as backfill_objects
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.polled import Once, PolledSource
from advertisex.ingestion.read import read_files, read_stdin
from advertisex.ingestion.records import Input
from advertisex.ingestion.source_status import Kind, SourceStatus, source_id
from advertisex.ingestion.sources import Files, Objects, Source, Stdin, Url
from advertisex.ingestion.stream import OnRead
from advertisex.logs.contract import EventLog
from advertisex.masking import masked


class Identity(NamedTuple):
    """What identifies a source in the log; see `SourceStatus`."""

    id: str
    kind: Kind
    address: str


def identity_of(source: Source, feed: Feed, options: IngestOptions) -> Identity | None:
    """Return the identity of a source, without opening it; None for standard input."""
    match source:
        case Stdin():
            return None
        case Files():
            address = address_of(source)
            return Identity(source_id(feed, address, options), "files", address)
        case Url():
            return Identity(api_id(feed, source, options), "api", source.name)
        case Objects():
            return Identity(source_id(feed, source.name, options), "objects", source.name)


def is_read_whole(source: Source, options: IngestOptions) -> TypeGuard[Files]:
    """Whether it is files that are read as a whole: without a name in the settings, and not followed."""
    return isinstance(source, Files) and not (options.follow or options.name)


def polled(
    source: Source, feed: Feed, options: IngestOptions, log: EventLog, on_read: OnRead | None = None
) -> PolledSource:
    """Return a source as one that is polled; how far its files have been read is reported if they are read whole.

    Raises:
        ConfigurationError: an option is invalid.
    """
    match source:
        case Stdin():
            return Once(source.name, read_stdin(source, feed, options))
        case Files() if is_read_whole(source, options):
            return Once(masked(source.name), read_files(source, feed, options, on_read))
        case Files():
            return FollowedFiles(source, feed, options, log)
        case Url():
            return FollowedApi(source, feed, options, log)
        case Objects():
            return FollowedObjects(source, feed, options, log)


def beginning(source: Source, feed: Feed, options: IngestOptions) -> Iterator[Input]:
    """Yield the first input of a source, whatever was read before; then others of it, some of them by name only.

    Raises:
        ConfigurationError: an option is invalid.
        SourceError: the source could not be read.
    """
    match source:
        case Stdin():
            return read_stdin(source, feed, options)
        case Files():
            return read_files(source, feed, options)
        case Url():
            return first_page(source, feed, options)
        case Objects():
            return first_object(source, feed, options)


def check_backfill(source: SourceStatus, texts: Iterable[str]) -> None:
    """Check that a source can be read again from a time on.

    Args:
        source: its status.
        texts: the texts of the requests to an API.

    Raises:
        ConfigurationError: it cannot.
    """
    match source.kind:
        case "files":
            what, hint = "files cannot be read from a time on", "use `advertisex sources reset`"
        case "api" if not placeholders_in(texts) & {"since", "cursor"}:
            what = "its requests do not say from when on they ask"
            hint = "put {since} into the URL, a header or the body, or use `advertisex sources reset`"
        case _:
            return
    raise ConfigurationError(what, where=source.name, hint=hint)


def backfill(log: EventLog, feed: Feed, source: SourceStatus, since: str | datetime) -> str:
    """Let the next poll of a source start at an earlier time; return in words what will be read again, if anything.

    Raises:
        ConfigurationError: the start is invalid.
        LogError: the log could not be read or written.
    """
    if isinstance(since, datetime):
        number = backfill_objects(log, feed.topic, source.prefix, since)
        objects = f"{number:,} object{'' if number == 1 else 's'} modified since {since:%Y-%m-%d %H:%M:%S} UTC"
        return objects if number else ""
    backfill_api(log, feed.topic, source.prefix, since)
    return f"everything since {since}"

"""Poll an HTTP API: ask it for what is new, and read the responses."""

from collections.abc import Iterator

from advertisex.feeds import Feed
from advertisex.ingestion.api.body import read_body
from advertisex.ingestion.api.connection import Connection
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import Input
from advertisex.ingestion.sources import Url
from advertisex.logs.contract import EventLog


def poll_api(source: Url, feed: Feed, options: IngestOptions, log: EventLog | None) -> Iterator[Input]:
    """Yield each page that an API has, as an input; a request that fails is repeated. See `poll_with`."""
    with Connection(options.api) as connection:
        yield from poll_with(connection, source, feed, options, log)


def poll_with(
    connection: Connection, source: Url, feed: Feed, options: IngestOptions, log: EventLog | None
) -> Iterator[Input]:
    """Yield each page that an API has, as an input.

    Without `follow`, a request that fails is repeated; with it, the next poll continues.

    Args:
        connection: sends the requests.
        source: the API.
        feed: feed of its records.
        options: how it is asked, and how its responses are read.
        log: the log that keeps the state of the source; None reads the first page only, whatever was read before.

    Raises:
        ConfigurationError: the URL, or an option, is invalid.
        SourceError: a request failed.
    """
    body = None if options.api.body is None else options.api.body.encode()
    request = Request(source.url, options.api.method, body=body)
    yield from read_body(connection.send(request, retry=not options.follow), source.name, feed, options)

"""How far an HTTP API has been read, kept in the log's state."""

from collections.abc import Mapping

import msgspec
import xxhash

from advertisex.feeds import Feed
from advertisex.ingestion.api.cursor_field import check_since
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.api.secrets import Secrets
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.options.paginate import Paginate
from advertisex.ingestion.source_status import source_id
from advertisex.ingestion.sources import Url
from advertisex.logs.contract import EventLog
from advertisex.times import time_of


class EarlierResponse(msgspec.Struct, frozen=True):
    """A response that was all that an API had. A later one that is equal has nothing new.

    Attributes:
        request: digest of its request.
        digest: digest of its body and of what else says how to go on.
        format: format of its records.
        records: number of its records.
        at: when it was first received, in microseconds since the epoch (UTC).
        etag: its ETag; empty without one.
        modified: its Last-Modified, if it can be relied on; else empty.
        paging: digest of the headers that say how to go on.
    """

    request: bytes
    digest: bytes
    format: str
    records: int
    at: int
    etag: str = ""
    modified: str = ""
    paging: bytes = b""

    @property
    def conditions(self) -> dict[str, str]:
        """The headers that ask for a response only if it differs."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in named.items() if value}


class OpenPoll(msgspec.Struct, frozen=True):
    """A poll that is not complete.

    Attributes:
        options: digest of how the API is asked; with other options, a poll begins again.
        until: its start, in microseconds since the epoch (UTC).
        since: the value of `{since}`; empty without one.
        cursor: the value of `{cursor}`, likewise.
        url: the URL of the page to read, without the user's secrets; empty for the first page.
        value: what a `body_param` has in the body of its request, as JSON; None if that has none.
        pages: number of pages that were read to their end.
        records: number of their records.
        paginate: how the API is paged, if that is known.
        is_numbered: whether pages are numbers, so that records can move from one to another while they are read.
        maximum: the largest cursor of their records; empty without one.
        unfinished: buckets of seen records that belong to the page to read.
        rejected: number of pages before the one whose request was rejected, so that the poll began again; -1 if it has
            not.
        failed: number of times that the request of the page to read has failed when the poll was resumed.
    """

    options: bytes
    until: int
    since: str = ""
    cursor: str = ""
    url: str = ""
    value: bytes | None = None
    pages: int = 0
    records: int = 0
    paginate: Paginate | None = None
    is_numbered: bool = False
    maximum: str = ""
    unfinished: tuple[int, ...] = ()
    rejected: int = -1
    failed: int = 0


class ApiState(msgspec.Struct, frozen=True):
    """The state of an API.

    Attributes:
        field: the field of the cursor.
        cursor: the largest value of that field in all complete polls, as the source wrote it.
        next_cursor: the same of the last poll if that is to be repeated, since its pages are numbers; else empty.
        backfill_since: where the next poll starts in place of the cursor; empty for the cursor.
        earlier: the last response, if it was all that the API had.
        poll: the poll that is not complete.
        missing: so many records fewer than the server's total came in a complete poll, at most.
        started: where the first poll started, or the earliest backfill; empty without a cursor.
    """

    field: str = ""
    cursor: str = ""
    next_cursor: str = ""
    backfill_since: str = ""
    earlier: EarlierResponse | None = None
    poll: OpenPoll | None = None
    missing: int = 0
    started: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ApiState).decode


def api_id(feed: Feed, source: Url, options: IngestOptions) -> str:
    """Return the id of an API; see `source_id`. New secrets do not make another source of it."""
    public = Secrets(source.url, options.api).public
    return source_id(feed, msgspec.json.encode(public).decode(), options)


def state_key(prefix: str) -> str:
    """Return the key of the state of an API."""
    return f"{prefix}state"


def seen_prefix(prefix: str) -> str:
    """Return the prefix of the keys of its seen records."""
    return f"{prefix}seen/"


def secrets_key(prefix: str) -> str:
    """Return the key of the digest of its secrets."""
    return f"{prefix}secrets"


def load(state: Mapping[str, bytes], prefix: str) -> ApiState:
    """Return the state of an API in that of a log."""
    value = state.get(state_key(prefix))
    return ApiState() if value is None else _decode(value)


def dump(state: ApiState) -> bytes:
    """Return the state of an API as bytes."""
    return _encode(state)


def backfill(log: EventLog, topic: str, prefix: str, since: str) -> None:
    """Make the next poll start at an earlier time or number; the one after it continues at the cursor.

    Args:
        log: the log that keeps the state; the source is locked.
        topic: topic of its records.
        prefix: prefix of the keys of its state.
        since: where to start, in the notation of the source.

    Raises:
        ConfigurationError: it is neither a number nor a time.
        LogError: the state could not be read or written.
    """
    check_since(since, "--since")
    before = load(log.state(prefix), prefix)
    after = msgspec.structs.replace(before, backfill_since=since, earlier=None, poll=None)
    log.append(topic, (), state={state_key(prefix): dump(after)})


def shown_time(micros: int) -> str:
    """Return a time, in microseconds since the epoch, to be shown."""
    return f"{time_of(micros):%Y-%m-%dT%H:%M:%SZ}"


def digest_of(request: Request, options: bytes) -> bytes:
    """Return a digest of a request and of the options of its poll."""
    headers = sorted((name.lower(), value) for name, value in request.headers.items())
    return xxhash.xxh3_128_digest(_encode((request.method, request.url, headers, request.body, options)))

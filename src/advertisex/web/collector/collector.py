"""The collector: what happens to a request, from its body to the positions of its messages."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog
from fastapi import Request

from advertisex.errors import ConfigurationError, LogError
from advertisex.feeds import Feed
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.event_types import EventTypes
from advertisex.ingestion.formats import Format
from advertisex.ingestion.mapping import FieldMapping
from advertisex.logs.contract import EventLog
from advertisex.model import Origin, Position
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings
from advertisex.web.collector.arrival import ArrivalTime
from advertisex.web.collector.batching import Batcher
from advertisex.web.collector.bodies import decompressed, received
from advertisex.web.collector.messages import Messages, format_of, messages_in
from advertisex.web.collector.pixel import record_of
from advertisex.web.collector.room import Room
from advertisex.web.collector.sharing import PREFIX

_LOG = structlog.get_logger(__name__)

#: The feed of pixels and billing notices.
_IMPRESSIONS = "impressions"
#: Bodies of JSON up to this size are read by the event loop: it takes less than a millisecond.
_SMALL = 2**15
#: What a message takes in memory besides its bytes.
_MESSAGE_COST = 64
#: The name of the price in billing notices, unless a field of impressions has it.
_PRICE = "price"


class Collector:
    """Takes events, and appends them to a log.

    Args:
        log: the log.
        settings: the settings.

    Raises:
        ConfigurationError: a setting is invalid.
    """

    def __init__(self, log: EventLog, settings: Settings) -> None:
        self.feeds = configured_feeds(settings)
        self._impressions = self.feeds[_IMPRESSIONS]
        self._arrival_time = settings.collector.arrival_time
        self._user_agent = _user_agent_names(self._impressions, settings)
        renamed = {} if self._impressions.field_named(_PRICE) else {_PRICE: "clearing_price"}
        self._encoder = Encoder(self._impressions, FieldMapping(rename=renamed))
        self._log, self._batcher, self._room = log, Batcher(log), Room()
        self._types = {
            name: EventTypes(feed, FieldMapping())
            for name, feed in self.feeds.items()
            if any(field.kind == "event_type" for field in feed.fields)
        }
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="collector-reader")

    async def close(self) -> None:
        """Wait for what is being read and appended."""
        await self._batcher.close()
        self._readers.shutdown()

    async def take_body(self, request: Request, feed_name: str) -> tuple[list[Position], list[str]]:
        """Append the events of a body; return their positions, and what the sender should know.

        Raises:
            NotAccepted: nothing was appended.
            LogError: the log cannot be written.
        """
        feed, format_ = self.feeds[feed_name], format_of(request.headers.get("content-type", ""))
        encodings = request.headers.get("content-encoding", "")
        with self._room.held() as hold:
            body = await received(request, hold)
            if len(body) > _SMALL or encodings or format_ == "avro":
                loop = asyncio.get_running_loop()
                read = await loop.run_in_executor(self._readers, self._read, body, encodings, feed, format_)
            else:
                read = self._read(body, encodings, feed, format_)
            del body
            if not read.messages:
                return [], read.warnings
            hold(sum(map(len, read.messages)) + _MESSAGE_COST * len(read.messages))
            lines = read.lines if len(read.lines) == len(read.messages) else ()
            origin = Origin(f"POST {PREFIX}/events/{feed.name}", len(read.messages), lines)
            positions = await self._batcher.append(feed.topic, read.messages, origin)
            if feed_name in self._types:
                await asyncio.get_running_loop().run_in_executor(self._readers, self._note_types, feed, read.messages)
            return positions, read.warnings

    async def take_query(self, request: Request, source: str) -> None:
        """Append the impression of a query string.

        Raises:
            NotAccepted: nothing was appended.
            LogError: the log cannot be written.
        """
        record = record_of(request.scope["query_string"])
        if isinstance(record, dict):
            record = ArrivalTime(self._impressions)(record)
        agent = request.headers.get("user-agent", "")
        if isinstance(record, dict) and agent and self._user_agent and not record.keys() & set(self._user_agent):
            record = record | {self._user_agent[0]: agent}
        message = self._encoder.message(record)
        with self._room.held() as hold:
            hold(len(message) + _MESSAGE_COST)
            await self._batcher.append(self._impressions.topic, [message], Origin(source, 1))

    def _note_types(self, feed: Feed, messages: list[bytes]) -> None:
        """Log the conversion types that are new to the log, as `ingest` reports them."""
        types = self._types[feed.name]
        types.see(messages)
        try:
            new = types.remember(self._log)
        except LogError as error:  # the events are durable; the next request tries again
            _LOG.warning("could not check for new conversion types", feed=feed.name, error=str(error))
            return
        if new:
            _LOG.warning("new conversion types", feed=feed.name, types=new)

    def _read(self, body: bytes, encodings: str, feed: Feed, format_: Format) -> Messages:
        arrival = ArrivalTime(feed) if self._arrival_time else None
        return messages_in(decompressed(body, encodings) if encodings else body, feed, format_, arrival)


def _user_agent_names(impressions: Feed, settings: Settings) -> tuple[str, ...]:
    """The names of the field for the User-Agent; empty if it is not kept."""
    name = settings.collector.user_agent_field
    if not name:
        return ()
    if (field := impressions.field_named(name)) is None or field.kind != "text":
        raise ConfigurationError(
            f"setting collector.user_agent_field: impressions have no text field {name!r}",
            where=settings.origin("collector", "user_agent_field"),
            hint="use user_agent, or an own field of type text in feeds.impressions.extra",
        )
    return field.names

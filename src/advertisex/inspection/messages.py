"""One message of the log: what an event was read from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec

from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.inspection.place import Place
from advertisex.inspection.reading import utc
from advertisex.inspection.shown_rejects import FORMATS
from advertisex.logs.contract import EventLog
from advertisex.model import TOMBSTONE, Position, SourceLine
from advertisex.questions.option import Option
from advertisex.rejects.pretty import Pretty, pretty
from advertisex.settings.feeds import configured_feeds
from advertisex.times import time_of


@dataclass(frozen=True, slots=True)
class MessageOptions:
    """The options of a message."""

    id: Annotated[str, Option(metavar="ID", help="Its position, as `analyze events` lists it: topic/partition/offset.")]


@dataclass(frozen=True, slots=True)
class Message:
    """A message, and where it comes from.

    Attributes:
        id: its position.
        feed: the feed of its topic.
        ingested_at: when it was appended to the log.
        origin: its source, if the log knows it.
        text: its lines.
    """

    id: Position
    feed: str
    ingested_at: datetime
    origin: SourceLine | None
    text: Pretty

    def facts(self) -> list[tuple[str, str]]:
        """What is said of it before its text, as (name, text)."""
        source = [] if self.origin is None else [("source", str(self.origin))]
        return [
            ("feed", self.feed),
            *source,
            ("ingested", f"{self.ingested_at} UTC"),
            ("format", FORMATS[self.text.format]),
        ]

    def document(self) -> dict[str, Any]:
        """The message as JSON, or else its text."""
        document = self.text.document
        return {
            "id": str(self.id),
            "feed": self.feed,
            "source": self.origin and self.origin.source,
            "line": self.origin and self.origin.line,
            "ingested_at": utc(self.ingested_at),
            "format": self.text.format,
            "message": "\n".join(self.text.lines) if document is None else msgspec.Raw(document),
        }


def message(place: Place, id_: str) -> Message:
    """Read a message of a feed from the log.

    Raises:
        ConfigurationError: the id is invalid, or its topic is that of no feed.
        AnalysisError: the log does not have the message, or another one in its place.
        LogError: the log cannot be read.
    """
    position = _position(id_)
    feeds = {feed.topic: (name, feed) for name, feed in configured_feeds(place.settings).items()}
    if position.topic not in feeds:
        raise ConfigurationError(
            f"{position.topic!r} is not the topic of a feed", hint=f"use one of {', '.join(feeds)}"
        )
    with place.log() as log:
        _check_same(place, log, position)
        batch = log.read(*position, 1)
        origin = log.origin(position)
    if list(batch.offsets) != [position.offset]:
        raise AnalysisError(
            "the log does not have the message",
            where=str(position),
            hint="it was removed by retention, or never appended",
        )
    payload, name = batch.payloads[0], feeds[position.topic][0]
    if payload == TOMBSTONE:
        raise AnalysisError("the message was erased", where=str(position))
    found = pretty(payload, feeds[position.topic][1])
    return Message(position, name, time_of(batch.ingested_at[0]).replace(tzinfo=None), origin, found)


def _position(text: str) -> Position:
    try:
        return Position.read(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not a valid position", hint="write it as topic/partition/offset, as `analyze events` lists it"
        ) from None


def _check_same(place: Place, log: EventLog, position: Position) -> None:
    """Check that the log is the one that was processed."""
    with place.store() as store:
        known = {row.log for row in store.ledger() if (row.topic, row.partition) == position[:2]}
    if known and known != {log.identities({position.topic}).get(position.topic, "")}:
        raise AnalysisError(
            "the log is another one than was processed, with other messages at the same positions",
            where=str(position),
            hint="restore the log, or check --log",
        )

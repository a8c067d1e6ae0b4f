"""The feeds as the settings have them: topics, aliases, identity, times, schemas."""

from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec

from advertisex import feeds
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed, TimeReading
from advertisex.feeds.avro_schema import unusable
from advertisex.settings import FeedSettings, Settings


def configured_feeds(settings: Settings) -> dict[str, Feed]:
    """The three feeds as the settings have them.

    Raises:
        ConfigurationError: an alias maps to no field, two feeds share a topic, or a schema file cannot be read.
    """
    earliest = settings.times.earliest
    if earliest.tzinfo is None:
        earliest = earliest.replace(tzinfo=UTC)
    times = TimeReading(settings.times.zone, settings.times.formats, earliest, settings.times.future)
    made = feeds.default_feeds(times)
    for name, own in settings.feeds.items():
        made[name] = _configured(made[name], own)
    topics = [feed.topic for feed in made.values()]
    if len(set(topics)) < len(topics):
        raise ConfigurationError(f"two feeds share a topic: {', '.join(topics)}", hint="give each feed its own")
    return made


def _configured(feed: Feed, own: FeedSettings) -> Feed:
    names = [f.name for f in feed.fields]
    for alias, target in own.aliases.items():
        if target not in names:
            raise ConfigurationError(
                f"setting feeds.{feed.name}.aliases: {alias!r} maps to {target!r}, which is no field",
                hint=f"use one of {', '.join(names)}",
            )
        other = feed.field_named(alias)
        if other is not None:
            raise ConfigurationError(
                f"setting feeds.{feed.name}.aliases: {alias!r} is a name of the field {other.name} already",
                hint="use `advertisex ingest --map` to read it as another field",
            )
    feed = feed.with_aliases(own.aliases)
    if own.id_field:
        known = feed.field_named(own.id_field)
        if known is not None and known.kind != "text":
            raise ConfigurationError(
                f"setting feeds.{feed.name}.id_field: {own.id_field!r} is no id", hint="name a text that is unique"
            )
        feed = feed.identified_by(own.id_field)
    schemas = tuple((number, _read_schema(path)) for number, path in own.schemas.items())
    return replace(feed, topic=own.topic or feed.topic, confluent_schemas=schemas)


def _read_schema(path: Path) -> dict[str, Any]:
    try:
        schema = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            f"cannot read an Avro schema: {error}",
            where=str(path),
            hint="name a record schema in JSON (.avsc)",
        ) from error
    if fault := unusable(schema):
        raise ConfigurationError(f"an Avro schema cannot be used: {fault}", where=str(path), hint="name another")
    return schema

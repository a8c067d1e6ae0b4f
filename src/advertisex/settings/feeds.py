"""Build the feeds from the settings: topics, aliases, identity, timestamps, schemas."""

from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec

from advertisex import feeds
from advertisex.codecs.avro_schema import unusable
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed, TimeReading
from advertisex.settings.model import FeedSettings, Settings


def configured_feeds(settings: Settings) -> dict[str, Feed]:
    """Return the three feeds, by name, with the settings applied.

    Raises:
        ConfigurationError: an alias or id_field is invalid, two feeds share a topic, or a schema file is unusable.
    """
    earliest = settings.times.earliest
    if earliest.tzinfo is None:
        earliest = earliest.replace(tzinfo=UTC)
    times = TimeReading(settings.times.zone, settings.times.formats, earliest, settings.times.future)
    configured = feeds.default_feeds(times)
    for name, own in settings.feeds.items():
        configured[name] = _configured(configured[name], own)
    topics = [feed.topic for feed in configured.values()]
    if len(set(topics)) < len(topics):
        raise ConfigurationError(f"two feeds share a topic: {', '.join(topics)}", hint="give each feed its own topic")
    return configured


def _configured(feed: Feed, own: FeedSettings) -> Feed:
    names = [f.name for f in feed.fields]
    for alias, target in own.aliases.items():
        if target not in names:
            raise ConfigurationError(
                f"setting feeds.{feed.name}.aliases: {alias!r} maps to unknown field {target!r}",
                hint=f"expected one of {', '.join(names)}",
            )
        other = feed.field_named(alias)
        if other is not None:
            raise ConfigurationError(
                f"setting feeds.{feed.name}.aliases: {alias!r} is already a name of field {other.name!r}",
                hint="to read it as another field, use `advertisex ingest --map`",
            )
    feed = feed.with_aliases(own.aliases)
    if own.id_field:
        known = feed.field_named(own.id_field)
        if known is not None and not known.is_text:
            raise ConfigurationError(
                f"setting feeds.{feed.name}.id_field: {own.id_field!r} is not a text field",
                hint="choose a text field with unique values",
            )
        feed = feed.identified_by(own.id_field)
    schemas = tuple((number, _read_schema(path)) for number, path in own.schemas.items())
    return replace(feed, topic=own.topic or feed.topic, confluent_schemas=schemas)


def _read_schema(path: Path) -> dict[str, Any]:
    try:
        schema = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            f"could not read the Avro schema: {error}",
            where=str(path),
            hint="expected a record schema in JSON (.avsc)",
        ) from error
    if fault := unusable(schema):
        raise ConfigurationError(f"the Avro schema cannot be used: {fault}", where=str(path), hint="use another schema")
    return schema

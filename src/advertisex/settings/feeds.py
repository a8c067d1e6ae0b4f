"""Build the feeds from the settings: topics, aliases, identity, timestamps, schemas."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from advertisex import feeds
from advertisex.codecs.avro_schema import unusable
from advertisex.codecs.json_decode import reason_text
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed, TimeReading
from advertisex.feeds.rules import with_own_fields
from advertisex.model import EVENT_COLUMNS
from advertisex.settings.model import FeedSettings, Settings

#: Names that processing, the stores and the questions use for columns of their own.
_RESERVED = {
    *EVENT_COLUMNS, "topic", "partition", "processed_at", "campaign_id", "advertiser_id", "valid_from", "domain",
    "host", "exact", "row", "at", "period", "pseudonym", "rule", "key", "hour", "day",
}  # fmt: skip


def configured_feeds(settings: Settings) -> dict[str, Feed]:
    """Return the three feeds, by name, with the settings applied.

    Raises:
        ConfigurationError: an alias, an own field or the identity is invalid, two feeds share a topic, or a schema file
            is unusable.
    """
    earliest = settings.times.earliest
    if earliest.tzinfo is None:
        earliest = earliest.replace(tzinfo=UTC)
    times = TimeReading(settings.times.zone, settings.times.formats, earliest, settings.times.future)
    configured = feeds.default_feeds(times)
    for name, own in settings.feeds.items():
        configured[name] = _configured(configured[name], own, partial(settings.origin, "feeds", name))
    topics = [feed.topic for feed in configured.values()]
    if len(set(topics)) < len(topics):
        given = (settings.origin("feeds", name, "topic") for name, own in settings.feeds.items() if own.topic)
        raise ConfigurationError(
            f"setting feeds.*.topic: two feeds share a topic: {', '.join(topics)}",
            where=", ".join(filter(None, given)),
            hint="give each feed its own topic",
        )
    return configured


def _configured(feed: Feed, own: FeedSettings, origin: Callable[..., str]) -> Feed:
    feed = _with_own_fields(feed, own, origin)
    names = [f.name for f in feed.fields]
    for alias, target in own.aliases.items():
        if target not in names:
            raise ConfigurationError(
                f"setting feeds.{feed.name}.aliases: {alias!r} maps to unknown field {target!r}",
                where=origin("aliases", alias),
                hint=f"expected one of {', '.join(names)}",
            )
        other = feed.field_named(alias)
        if other is not None:
            raise ConfigurationError(
                f"setting feeds.{feed.name}.aliases: {alias!r} is already a name of field {other.name!r}",
                where=origin("aliases", alias),
                hint="to read it as another field, use `advertisex ingest --map`",
            )
    feed = feed.with_aliases(own.aliases)
    if own.identity:
        feed = feed.identified_by(_identity_fields(feed, own.identity, origin("identity")))
    schemas = tuple((number, _read_schema(path)) for number, path in own.schemas.items())
    return replace(feed, topic=own.topic or feed.topic, confluent_schemas=schemas)


def _identity_fields(feed: Feed, names: Sequence[str], where: str) -> list[str]:
    """Return the canonical names of the fields that a setting names, perhaps by an alias.

    Raises:
        ConfigurationError: a field is unknown, or there is none besides the time.
    """
    setting = f"setting feeds.{feed.name}.identity"
    fields = {name: feed.field_named(name) for name in names}
    for name, field in fields.items():
        if field is None:
            raise ConfigurationError(
                f"{setting}: unknown field {name!r}",
                where=where,
                hint=f"add it to feeds.{feed.name}.extra, or use one of {', '.join(f.name for f in feed.fields)}",
            )
    known = [field for field in fields.values() if field is not None]
    if all(field.kind == "time" for field in known):
        raise ConfigurationError(
            f"{setting}: needs a field besides the time",
            where=where,
            hint="otherwise all events of one instant would be one event",
        )
    return [field.name for field in known]


def _with_own_fields(feed: Feed, own: FeedSettings, origin: Callable[..., str]) -> Feed:
    taken = {column for f in feed.fields for column in (*f.names, f.column)} | _RESERVED
    for name in own.extra:
        if name in taken:
            raise ConfigurationError(
                f"setting feeds.{feed.name}.extra: {name!r} is already a field or column",
                where=origin("extra", name),
                hint=_hint_for(feed, name),
            )
    return with_own_fields(feed, own.extra)


def _hint_for(feed: Feed, name: str) -> str:
    field = feed.field_named(name)
    if field is None or field.name == name:
        return "choose another name"
    return f"messages with {name} are read as {field.name}; or choose another name, and map to it with --map"


def _read_schema(path: Path) -> dict[str, Any]:
    try:
        schema = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            f"could not read the Avro schema: {reason_text(error)}",
            where=str(path),
            hint="expected a record schema in JSON (.avsc)",
        ) from error
    if fault := unusable(schema):
        raise ConfigurationError(f"the Avro schema cannot be used: {fault}", where=str(path), hint="use another schema")
    return schema

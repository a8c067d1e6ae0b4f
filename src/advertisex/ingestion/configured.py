"""The sources that the settings describe, with their options."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pydantic import BaseModel, SecretStr

from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.kinds import identity_of
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.auth import ApiKey, Auth, Basic, Bearer, ClientCredentials
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.options.paginate import Paginate
from advertisex.ingestion.sources import source_of
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings
from advertisex.settings.sources import ApiSettings, AuthSettings, ReadingSettings, SourceSettings, source_title

_AUTH: dict[str, type[Auth]] = {"bearer": Bearer, "basic": Basic, "api-key": ApiKey, "oauth2": ClientCredentials}

#: Settings of a source that replace those of [api], or have their name in `ApiOptions`.
_OF_API = (
    "method", "body", "max_pages", "cursor", "lookback", "since", "requests_per_second", "timeout", "retry_wait",
    "attempts", "proxy", "ca_file",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FeedSource:
    """A source of a feed.

    Attributes:
        feed: the feed its events belong to.
        source: a file, folder, glob or URL, as for `ingest`.
        options: how to ingest it.
    """

    feed: Feed
    source: str = field(repr=False)
    options: IngestOptions

    @property
    def shown(self) -> str:
        """Its name, or `source` without secrets."""
        return self.options.name or source_of(self.source).name


def sources_of(settings: Settings) -> list[FeedSource]:
    """Return the configured sources, to be followed.

    Raises:
        ConfigurationError: a source is misconfigured.
    """
    feeds = configured_feeds(settings)
    _check(settings)
    found = [_source_of(number, one, settings, feeds[one.feed]) for number, one in enumerate(settings.sources)]
    _check_different(found, settings)
    return found


def _check_different(sources: list[FeedSource], settings: Settings) -> None:
    """Check that no source occurs twice: one of them would never be read."""
    numbers: dict[str, int] = {}
    for number, one in enumerate(sources):
        identity = identity_of(source_of(one.source), one.feed, one.options)
        before = number if identity is None else numbers.setdefault(identity.id, number)
        if before != number:
            raise ConfigurationError(
                f"setting sources.{number}: sources.{number} and sources.{before} are the same source",
                where=settings.origin("sources", number),
                hint="give them names if they are different, such as two accounts; else remove one",
            )


def source_named(settings: Settings, name: str) -> FeedSource:
    """Return the configured source of a name.

    Raises:
        ConfigurationError: the name is empty, no source has it, or a source is misconfigured.
    """
    sources = {source.options.name: source for source in sources_of(settings) if source.options.name}
    if name not in sources:
        known = f"use one of {', '.join(sources)}" if sources else "give a source in the settings a name"
        what = f"no source is named {name!r} in the settings" if name.strip() else "the name of a source is empty"
        raise ConfigurationError(what, where="--source", hint=known)
    return sources[name]


def api_options(api: ApiSettings, given: Mapping[str, Any] = {}) -> ApiOptions:
    """Return the options for HTTP APIs: the settings `api`, and what is given for one source or by flags."""
    common = {name: getattr(api, name) for name in ApiSettings.model_fields}
    return ApiOptions(**common | dict(given))


def _source_of(number: int, one: SourceSettings, settings: Settings, feed: Feed) -> FeedSource:
    try:
        source_of(one.source)
        return FeedSource(feed, one.source, _options_of(one, settings.api).checked_for(feed))
    except ConfigurationError as error:
        name = _name_in(error.where)
        raise ConfigurationError(
            f"setting {'.'.join(filter(None, ('sources', source_title(one.name, number), name)))}: {error.what}",
            where=settings.origin("sources", number, *name.split(".")),
            hint=error.hint or "see docs/settings.md for every setting",
        ) from error


def _options_of(source: SourceSettings, api: ApiSettings) -> IngestOptions:
    return replace(
        reading_options(source),
        name=source.name or "",
        api=api_options(api, _api_of(source, api)),
        follow=True,
        every=source.every,
    )


def reading_options(reading: ReadingSettings) -> IngestOptions:
    """Return the options that say how records are read and mapped."""
    parts = {part.name: getattr(reading, part.name) for part in fields(CsvDialect)}
    return IngestOptions(
        format=reading.format,
        records=reading.records,
        columns=reading.columns,
        inherit=reading.inherit,
        dialect=CsvDialect(**parts),
        mapping=FieldMapping(reading.map, reading.set, reading.time_formats),
    )


def _api_of(source: SourceSettings, api: ApiSettings) -> dict[str, Any]:
    given = {name: getattr(source, name) for name in _OF_API if getattr(source, name) is not None}
    own = {name.lower() for name in source.headers}
    given["headers"] = {name: value for name, value in api.headers.items() if name.lower() not in own} | source.headers
    if source.auth is not None:
        given["auth"] = _auth_of(source.auth)
    if source.paginate is not None:
        given["paginate"] = Paginate(**source.paginate.model_dump())
    return given


def _auth_of(auth: AuthSettings) -> Auth:
    return _AUTH[auth.type](**{name: value for name, value in _revealed(auth).items() if name != "type"})


def _revealed(section: BaseModel) -> dict[str, Any]:
    values = {name: getattr(section, name) for name in type(section).model_fields}
    return {name: v.get_secret_value() if isinstance(v, SecretStr) else v for name, v in values.items()}


def _check(settings: Settings) -> None:
    try:
        api_options(settings.api).check()
    except ConfigurationError as error:
        where = settings.origin(*error.where.split("."))
        raise ConfigurationError(f"setting {error.where}: {error.what}", where=where, hint=error.hint) from error


def _name_in(where: str) -> str:
    """Return the setting of a source that an error is about, from the option or the part that it names; else ""."""
    name = where.split(",", maxsplit=1)[0].removeprefix("--").removeprefix("api.").replace("-", "_")
    return name if name.partition(".")[0] in SourceSettings.model_fields else ""
